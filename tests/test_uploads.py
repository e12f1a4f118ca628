"""Tensors from files: what is read is exact, what can't be is refused in words and not run."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as some
from PIL import Image

from inspector.capture import uploads
from inspector.capture.uploads import read_tensors
from inspector.errors import InspectorError


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def pt(value) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def picture(array, mode=None, kind="PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).convert(mode or Image.fromarray(array).mode).save(
        stream, kind, **options
    )
    return stream.getvalue()


def refused(data: bytes, name: str, says: str) -> None:
    with pytest.raises(InspectorError, match=says):
        read_tensors(data, name)


# -- NumPy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype="<i8"),
        np.array(3.5, dtype=np.float32),
        np.zeros((0, 4), dtype=np.float16),
        np.array([True, False]),
        np.array([1 + 2j], dtype=np.complex64),
        np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4)),
        np.array([np.nan, np.inf, -np.inf]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_is_read_with_its_dtype_and_shape(array):
    (tensor,) = read_tensors(npy(array), "x.npy")
    assert str(tensor.dtype) == f"torch.{array.dtype}"
    assert tensor.shape == array.shape
    np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("code", [">f4", ">f8", ">i2", ">i8", ">c8"])
def test_a_big_endian_array_is_turned_round(code):
    array = np.array([[1, 2, 300]], dtype=code)
    (tensor,) = read_tensors(npy(array), "x.npy")
    assert tensor.tolist() == array.tolist()


def test_extended_precision_becomes_double():
    (tensor,) = read_tensors(npy(np.array([0.5], dtype=np.longdouble)), "x.npy")
    assert (tensor.dtype, tensor.tolist()) == (torch.float64, [0.5])


def test_the_tensor_can_be_written_to():
    (tensor,) = read_tensors(npy(np.zeros(2)), "x.npy")
    tensor += 1
    assert tensor.tolist() == [1, 1]


def test_all_arrays_of_an_archive_are_read_in_order():
    first, second = read_tensors(npz(b=np.ones(2), a=np.zeros((1, 3))), "XY.NPZ")
    assert (first.tolist(), second.shape) == ([1, 1], (1, 3))


@pytest.mark.parametrize("array", [np.array([{}, 1], dtype=object), np.array([None])])
def test_an_array_of_objects_is_not_unpickled(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    refused(stream.getvalue(), "x.npy", "Python objects")


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array(["2020-01-01"], dtype="M8[D]"), np.zeros(2, dtype=[("a", "f4")])],
)
def test_an_array_of_something_else_than_numbers_is_refused(array):
    refused(npy(array), "x.npy", "not numbers")


def test_a_header_that_promises_more_than_the_file_has_costs_no_memory():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000,), }"
    tracemalloc.start()
    refused(numpy_file(header) + b"\0" * 80, "x.npy", "ends before the last")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,), }", "does not begin like"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }", "are the most"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "impossible shape"),
        (b"{'descr': 'quark', 'fortran_order': False, 'shape': (1,), }", "does not begin like"),
        (b"(" * 5000, "does not begin like"),
        (b"__import__('os').system('false')", "does not begin like"),
    ],
)
def test_a_forged_header_is_refused(header, says):
    refused(numpy_file(header) + b"\0" * 80, "x.npy", says)


def numpy_file(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def test_a_bomb_of_an_archive_is_refused_before_it_is_unpacked():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * (uploads.MOST_BYTES + 1))
    assert len(stream.getvalue()) < 100_000
    refused(stream.getvalue(), "x.npz", "unpacks to")


def test_a_bomb_that_lies_about_its_size_is_read_no_further_than_it_says():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 30_000_000)
    forged = stream.getvalue().replace(struct.pack("<I", 30_000_000), struct.pack("<I", 1000))
    tracemalloc.start()
    refused(forged, "x.npz", "damaged")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_other_ways_of_packing_are_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", npy(np.ones(3)))
    refused(stream.getvalue(), "x.npz", "packed in a way")


def test_an_archive_without_arrays_or_with_very_many_is_refused():
    refused(npz(), "x.npz", "no tensor in it")
    many = {f"a{at}": np.ones(1) for at in range(uploads.MOST_TENSORS + 1)}
    refused(npz(**many), "x.npz", "65 arrays")


# -- PyTorch ---------------------------------------------------------------------------------------


def test_tensors_in_lists_tuples_and_dicts_are_read_in_order():
    value = {"x": torch.arange(3), "rest": [torch.ones(2, 2), (torch.tensor(True),)]}
    found = read_tensors(pt(value), "x.pt")
    assert [tensor.tolist() for tensor in found] == [[0, 1, 2], [[1, 1], [1, 1]], True]


def test_a_parameter_comes_as_a_plain_tensor_without_gradient():
    (tensor,) = read_tensors(pt(torch.nn.Parameter(torch.ones(2))), "x.pth")
    assert type(tensor) is torch.Tensor
    assert not tensor.requires_grad


class Evil:
    """Runs code when it is unpickled by a reader that allows it."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file ran')",)


@pytest.mark.parametrize(
    "value",
    [Evil(), {"x": torch.ones(1), "y": Evil()}, torch.nn.Linear(1, 1)],
    ids=["code", "hidden", "model"],
)
def test_code_in_a_file_is_not_run(value):
    refused(pt(value), "x.pt", "more than tensors")


def test_a_bare_pickle_is_not_opened():
    refused(pickle.dumps(Evil()), "x.pt", "Save it anew with torch.save")
    stream = io.BytesIO()
    torch.save(torch.ones(2), stream, _use_new_zipfile_serialization=False)
    refused(stream.getvalue(), "x.pt", r"before PyTorch 1\.6")
    refused(stream.getvalue() + pt(torch.ones(2)), "x.pt", r"before PyTorch 1\.6")


def test_a_number_viewed_a_billion_times_is_refused():
    refused(pt(torch.ones(1).expand(10**9)), "x.pt", "1,000,000,000 numbers")


def test_lists_that_hold_each_other_are_not_walked_forever():
    inner: list = [torch.ones(1)]
    for _ in range(10):
        inner = [inner] * 10
    refused(pt(inner), "x.pt", "over 64 tensors")
    empty: list = []
    for _ in range(12):
        empty = [empty] * 60
    refused(pt(empty), "x.pt", "over 64 tensors")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, 2).to_sparse(),
        torch.ones(2, device="meta"),
    ],
    ids=["sparse", "meta"],
)
def test_a_tensor_of_another_kind_is_refused(tensor):
    refused(pt(tensor), "x.pt", "sparse, nested, quantised or without data|more than tensors")


@pytest.mark.parametrize(("value", "kind"), [(3, "int"), ({"x": "text"}, "str"), ([None], "None")])
def test_something_else_than_a_tensor_is_named(value, kind):
    refused(pt(value), "x.pt", f"it holds a {kind}")


def test_a_torchscript_model_is_told_apart():
    stream = io.BytesIO()
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), stream)
    refused(stream.getvalue(), "x.pt", "TorchScript model")


# -- images ----------------------------------------------------------------------------------------


def test_a_colour_image_is_channels_first_from_0_to_1():
    array = np.array([[[255, 0, 51], [0, 102, 0]]], dtype=np.uint8)
    (tensor,) = read_tensors(picture(array), "x.png")
    assert tensor.shape == (1, 3, 1, 2)
    torch.testing.assert_close(tensor[0], torch.tensor([[[1.0, 0.0]], [[0.0, 0.4]], [[0.2, 0.0]]]))


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)]
)
def test_each_way_to_keep_colours_gives_one_or_three_channels(mode, channels):
    array = np.full((4, 5, 3), 255, dtype=np.uint8)
    (tensor,) = read_tensors(picture(array, mode), "x.png")
    assert tensor.shape == (1, channels, 4, 5)
    assert torch.all(tensor == 1)


def test_a_grey_image_of_16_bits_keeps_them():
    array = np.array([[0, 65535, 13107]], dtype=np.uint16)
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    (tensor,) = read_tensors(stream.getvalue(), "x.png")
    torch.testing.assert_close(tensor, torch.tensor([[[[0.0, 1.0, 0.2]]]]))


def test_a_photo_is_turned_the_way_it_was_taken():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    data = picture(np.zeros((2, 4, 3), dtype=np.uint8), kind="JPEG", exif=exif)
    assert read_tensors(data, "x.jpg")[0].shape == (1, 3, 4, 2)


def test_an_image_bomb_is_refused_by_its_header():
    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    for side in (2_000, 12_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        packed = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + packed
        refused(bomb, "x.png", "pixels")


def test_another_kind_of_image_is_not_opened():
    refused(picture(np.zeros((2, 2), np.uint8), kind="GIF"), "x.png", r"begins like a \.gif")


# -- tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("\ufeffa;b\r\n1.5;2\r\n\r\n-3;4e2\r\n", [[1.5, 2], [-3, 400]]),
        ("1\t2\n3\t4\n", [[1, 2], [3, 4]]),
        ('"1" , 2 \n3,4', [[1, 2], [3, 4]]),
        ("1,2,3", [[1, 2, 3]]),
        ("a,b,c\n1,2,3", [[1, 2, 3]]),
        ("1\n2\n3\n", [[1], [2], [3]]),
        ("7", [[7]]),
    ],
)
def test_a_table_is_read_with_and_without_a_header(text, rows):
    (tensor,) = read_tensors(text.encode(), "x.csv")
    assert tensor.tolist() == rows


def test_whole_numbers_stay_whole_and_large_ones_exact():
    (tensor,) = read_tensors(b"1,2\n3,900000000000000001", "x.csv")
    assert tensor.tolist() == [[1, 2], [3, 900_000_000_000_000_001]]
    assert read_tensors(b"1,2.0", "x.csv")[0].dtype == torch.float32
    assert read_tensors(b"1,nan", "x.csv")[0].isnan().tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2\n3,x\n", "row 2, column 2 is “x”, which is no number"),
        ("a,b\n1,\n", "row 2, column 2 is empty"),
        ("1,2\n\n3,1_0\n", "row 3, column 2 is “1_0”"),
        ("1,b\n2,3", "row 1, column 2"),
        ("1,2\n3\n", "row 2 has 1 cells, and row 1 has 2"),
        ("a,b\n", "row 1, column 1 is “a”"),
        ("a,b,c\n1,2\n", "row 1 names 3 columns, and row 2 has 2 cells"),
        ("\na\n\n1,2\n", "row 2 names 1 column, and row 4 has 2 cells"),
        ("\n\n", "no row of numbers"),
        ("1,5;2,5\n", "row 1, column 1 is “1,5”, which is no number. Decimals have a point"),
        ('1,"2\n3,4', "column 2 is “2"),
        ("1,\0", "no number"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(text, says):
    refused(text.encode(), "x.csv", says)


def test_a_table_that_is_not_text_says_so():
    refused(b"1,2\n\xff\xfe\x00,3", "x.csv", "no text in UTF-8")
    assert read_tensors("1,2".encode("utf-16"), "x.csv")[0].tolist() == [[1, 2]]


# -- any file --------------------------------------------------------------------------------------

GOOD = {
    "x.npy": npy(np.ones(50)),
    "x.npz": npz(a=np.arange(50.0)),
    "x.pt": pt(torch.arange(50.0)),
    "x.png": picture(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)),
    "x.jpg": picture(np.arange(300, dtype=np.uint8).reshape(10, 10, 3), kind="JPEG"),
    "x.csv": b"1,2\n3,4\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_an_empty_file_is_refused(name):
    refused(b"", name, "is empty")


@pytest.mark.parametrize("name", [name for name in GOOD if name not in ("x.csv", "x.jpg")])
def test_a_file_that_ends_early_is_refused(name):
    data = GOOD[name]
    for share in (0.1, 0.5, 0.7):
        refused(data[: int(len(data) * share)], name, "cannot be read")


@pytest.mark.parametrize(
    ("file", "name", "says"),
    [
        ("x.png", "x.npy", r"begins like a \.png"),
        ("x.npy", "x.png", r"begins like a \.npy"),
        ("x.npy", "x.pt", r"begins like a \.npy"),
        ("x.pt", "x.npy", r"like a \.zip, \.npz or \.pt"),
        ("x.jpg", "x.csv", "no text in UTF-8"),
        ("x.npz", "x.pt", "cannot be read"),
        ("x.pt", "x.npz", "no tensor in it"),
        ("x.csv", "x.pt", "cannot be read"),
    ],
)
def test_a_wrong_ending_is_told(file, name, says):
    refused(GOOD[file], name, says)


@pytest.mark.parametrize("name", ["x", "x.exe", "x.pickle", ".npy", "", "a" * 500])
def test_another_ending_names_those_that_can_be_read(name):
    refused(b"abc", name, r"has to end in \.npy, \.npz")


def test_a_large_file_is_refused_unread(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    refused(npy(np.ones(50)), "x.npy", "are the most")


def test_too_many_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_NUMBERS", 10)
    for name in ("x.npy", "x.npz", "x.pt", "x.png"):
        refused(GOOD[name], name, "the most")
    refused(b"1,2\n" * 6, "x.csv", "are the most")


@settings(deadline=None, max_examples=150)
@generated(some.sampled_from(sorted(GOOD)), some.data())
def test_whatever_is_damaged_either_reads_or_is_refused_in_words(name, data):
    damaged = bytearray(GOOD[name])
    for _ in range(data.draw(some.integers(1, 6))):
        damaged[data.draw(some.integers(0, len(damaged) - 1))] = data.draw(some.integers(0, 255))
    try:
        tensors = read_tensors(bytes(damaged), name)
    except InspectorError:
        return
    assert all(isinstance(tensor, torch.Tensor) for tensor in tensors)
