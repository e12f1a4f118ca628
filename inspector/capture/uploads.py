"""Tensors from a file that somebody brings: NumPy, PyTorch, an image or a table.

The file may be damaged or hostile: nothing in it is run, sizes are read before memory is asked
for, and what cannot be read is an `InspectorError` that says what to do.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inspector.capture.image_files import tensor_of_image
from inspector.capture.table_files import numbers_of_table
from inspector.errors import InspectorError
from inspector.language import sentence, sentences
from inspector.recipes import MOST_NUMBERS

MOST_BYTES = 64_000_000
"""Bytes of a file at most, packed and unpacked."""

MOST_TENSORS = 64
"""Tensors of a file at most: more is a model's weights, which are no inputs."""

_MOST_ITEMS = 1_000
"""Tensors, lists and dicts of a file at most."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Only these two are unpacked no further than a member says that it is long."""

_NUMERIC = "biufc"
"""NumPy's kinds of dtypes that torch has as well."""

_ZIP = b"PK\x03\x04"
_BEGINNINGS = (
    (b"\x93NUMPY", ".npy"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"%PDF", ".pdf"),
    (b"\x80", "Python pickle"),
)


def read_tensors(data: bytes, name: str) -> tuple[Tensor, ...]:
    """The tensors in a file, on the CPU and without gradients.

    - `.npy`, `.npz`: one tensor an array, of the array's dtype (big-endian ones turned round).
    - `.pt`, `.pth`: a tensor, or lists, tuples and dicts of tensors, as `torch.save` writes them
      (read with `weights_only=True`, which runs nothing).
    - `.png`, `.jpg`, `.jpeg`: float32 from 0 to 1, (1, 3, height, width), or (1, 1, height, width)
      for a grey image. Transparency is dropped, and a photo is turned the way it was taken.
    - `.csv`: int64 where all cells are whole numbers, else float32; (rows, columns), of a single
      row or column, too. A first row of names is left out.

    Args:
        data: the file's bytes.
        name: the file's name; its ending says what it is.

    Raises:
        InspectorError: the file is empty, too large, damaged, of another kind than its name says,
            or holds something else than tensors.
    """
    ending = PurePath(name).suffix.lower()
    reader = _READERS.get(ending)
    if reader is None:
        raise InspectorError(
            sentence(
                "“{file}” cannot be read: its name has to end in {endings}.",
                file=_short(name),
                endings=", ".join(_READERS),
            )
        )
    if not data:
        raise InspectorError(
            sentence("“{file}” is empty. Save it anew and choose it again.", file=_short(name))
        )
    if len(data) > MOST_BYTES:
        raise InspectorError(
            sentence(
                "“{file}” has {size:,.0f} MB; {most:.0f} MB are the most. Save fewer numbers, for "
                "example one batch of them.",
                file=_short(name),
                size=len(data) / 1e6,
                most=MOST_BYTES / 1e6,
            )
        )
    try:
        tensors = tuple(reader(data))
        _allow(tensors)
    except InspectorError as error:
        reason = sentences(error.message, _hint(data, ending))
        raise InspectorError(
            sentence("“{file}” cannot be read: {reason}", file=_short(name), reason=reason)
        ) from error
    return tensors


def _allow(tensors: tuple[Tensor, ...]) -> None:
    if not tensors:
        raise InspectorError(sentence("there is no tensor in it."))
    numel = sum(tensor.numel() for tensor in tensors)
    if numel > MOST_NUMBERS:
        raise InspectorError(
            sentence(
                "it has {numel:,} numbers, and {most_numbers:,} are the most.",
                numel=numel,
                most_numbers=MOST_NUMBERS,
            )
        )


def _hint(data: bytes, ending: str) -> str:
    """What the first bytes say that the file is, where its name says something else."""
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning) and kind != ending and (kind, ending) != (".jpg", ".jpeg"):
            return sentence("It begins like a {kind} file, whatever its name says.", kind=kind)
    if ending not in (".npz", ".pt", ".pth") and data.startswith(_ZIP):
        return sentence("It begins like a .zip, .npz or .pt file, whatever its name says.")
    return ""


# -- NumPy -----------------------------------------------------------------------------------------


def _npy(data: bytes) -> Iterator[Tensor]:
    yield _array(data)


def _npz(data: bytes) -> Iterator[Tensor]:
    with _archive(data) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        if len(members) > MOST_TENSORS:
            raise InspectorError(
                sentence(
                    "it has {count} arrays, and {most_tensors} are the most.",
                    count=len(members),
                    most_tensors=MOST_TENSORS,
                )
            )
        for member in members:
            try:
                # `archive.read` unpacks all there is, also where the size of it is a lie.
                with archive.open(member) as stream:
                    content = stream.read(archive.getinfo(member).file_size)
            # BadZipFile, zlib.error, EOFError, RuntimeError of a password, ValueError of a seek, …
            except Exception as error:
                raise InspectorError(
                    sentence("the array “{member}” is damaged.", member=_short(member))
                ) from error
            yield _array(content)


def _archive(data: bytes) -> zipfile.ZipFile:
    """A ZIP file whose members together are not larger than allowed; it reads no further."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # what can be wrong with a directory is no short list either
        raise InspectorError(
            sentence("it is damaged, or saved only in part. Save it anew.")
        ) from error
    members = archive.infolist()
    if any(member.compress_type not in _PACKINGS for member in members):
        raise InspectorError(sentence("it is packed in a way that neither NumPy nor torch writes."))
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_BYTES:
        raise InspectorError(
            sentence(
                "it unpacks to {unpacked:,.0f} MB, and {most_bytes:.0f} MB are the most.",
                unpacked=unpacked / 1000000.0,
                most_bytes=MOST_BYTES / 1000000.0,
            )
        )
    return archive


def _array(data: bytes) -> Tensor:
    """One array in NumPy's format; its size is checked against the bytes that are there."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read = np.lib.format.read_array_header_1_0
        shape, by_column, dtype = read(stream)
    except Exception as error:  # the header is parsed as Python text, which may fail anyhow
        raise InspectorError(
            sentence("it does not begin like an array that NumPy saved.")
        ) from error
    if dtype.hasobject:
        raise InspectorError(
            sentence(
                "its array holds Python objects, which only running code from the file could read."
                " Save an array of numbers."
            )
        )
    if dtype.kind not in _NUMERIC or dtype.names or dtype.subdtype:
        raise InspectorError(
            sentence("its array holds {dtype}, and not numbers.", dtype=_short(str(dtype)))
        )
    return _tensor(data[stream.tell() :], shape, by_column, dtype)


def _tensor(data: bytes, shape: tuple[int, ...], by_column: bool, dtype: np.dtype[Any]) -> Tensor:
    count = math.prod(shape)
    if any(size < 0 for size in shape) or len(shape) > 32:
        raise InspectorError(
            sentence("its array has the impossible shape {shape}.", shape=_short(str(shape)))
        )
    if count > MOST_NUMBERS:
        raise InspectorError(
            sentence(
                "its array has {count:,} numbers, and {most_numbers:,} are the most.",
                count=count,
                most_numbers=MOST_NUMBERS,
            )
        )
    if len(data) < count * dtype.itemsize:
        raise InspectorError(
            sentence(
                "its array should have {count:,} numbers, and the file ends before the last. Save "
                "it anew.",
                count=count,
            )
        )
    flat = np.frombuffer(data, dtype, count)
    # torch has no extended precision and no other byte order.
    wanted = np.dtype(np.float64) if dtype.char == "g" else dtype
    wanted = np.dtype(np.complex128) if dtype.char == "G" else wanted
    array = flat.astype(wanted.newbyteorder("=")).reshape(shape, order="F" if by_column else "C")
    return torch.from_numpy(np.ascontiguousarray(array).reshape(shape))


# -- PyTorch ---------------------------------------------------------------------------------------


def _pt(data: bytes) -> Iterator[Tensor]:
    # A ZIP file that begins with something else would be read in the old format by torch.
    if not data.startswith(_ZIP):
        raise InspectorError(
            sentence(
                "it is damaged, or in the format of before PyTorch 1.6. Save it anew with "
                "torch.save."
            )
        )
    with _archive(data) as archive:
        if any("/code/" in name or name.endswith("/constants.pkl") for name in archive.namelist()):
            raise InspectorError(
                sentence("it is a TorchScript model and not the tensors to run one on.")
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated storages; nothing for the viewer
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle can make its reader raise anything
        raise InspectorError(
            sentence(
                "it is damaged, or holds more than tensors (a whole model, code, …), which is not"
                " opened. Save tensors: torch.save(x, …) or torch.save({'x': x}, …)."
            )
        ) from error
    yield from _tensors_in(content)


def _tensors_in(content: Any) -> Iterator[Tensor]:
    """The tensors in lists, tuples and dicts, in order.

    A small file can hold one list sixty times in each of sixty, again and again: so what is
    looked at is counted.
    """
    waiting, looked, found = [content], 0, 0
    while waiting:
        item = waiting.pop()
        looked += 1
        if isinstance(item, Tensor):
            found += 1
            yield _plain(item)
        elif isinstance(item, dict | list | tuple):
            inside = item.values() if isinstance(item, dict) else item
            waiting += reversed([*inside])
        else:
            raise InspectorError(
                sentence(
                    "it holds a {type}, and not only tensors and lists of them.",
                    type=type(item).__name__,
                )
            )
        if found > MOST_TENSORS or looked + len(waiting) > _MOST_ITEMS:
            raise InspectorError(
                sentence(
                    "it has over {most_tensors} tensors. Are they a model's weights?",
                    most_tensors=MOST_TENSORS,
                )
            )


def _plain(tensor: Tensor) -> Tensor:
    """The numbers of a tensor, in memory of their own.

    A view of one number can say that it has a billion, so the size is asked before it is copied.
    """
    plain = type(tensor) in (Tensor, torch.nn.Parameter) and tensor.device.type == "cpu"
    strided = tensor.layout == torch.strided and not tensor.is_nested and not tensor.is_quantized
    if not (plain and strided):
        raise InspectorError(
            sentence("it holds a tensor that is sparse, nested, quantised or without data.")
        )
    _allow((tensor,))
    return tensor.detach().clone(memory_format=torch.contiguous_format)


# -- images and tables -----------------------------------------------------------------------------


def _image(data: bytes) -> Iterator[Tensor]:
    yield tensor_of_image(data, most=MOST_NUMBERS)


def _csv(data: bytes) -> Iterator[Tensor]:
    numbers, whole = numbers_of_table(data, most=MOST_NUMBERS)
    yield torch.tensor(numbers, dtype=torch.int64 if whole else torch.float32)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


_READERS: dict[str, Callable[[bytes], Iterator[Tensor]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".png": _image,
    ".jpg": _image,
    ".jpeg": _image,
    ".csv": _csv,
}
ENDINGS = tuple(ending.removeprefix(".") for ending in _READERS)
"""As a file chooser wants them."""
