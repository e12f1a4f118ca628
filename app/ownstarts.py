"""What a program of one's own begins with: a template, a sample's code, or a file that is uploaded.

A `.pt` file is never opened here, only the list of its parts is read: the program beside which it
stands loads it, in the sandbox.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import sample_models
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector_app.sandbox.orders import LARGEST_ATTACHED, LARGEST_SOURCE
from sample_models._sample import unchanged

TEMPLATE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        return self.out(h)


model = Net()
x = torch.randn(16, 4)
target = x.sum(dim=1, keepdim=True)

loss = nn.functional.mse_loss(model(x), target)
loss.backward()
print("loss", loss.item())
"""

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "bool", "complex64", "complex128",
)  # fmt: skip
"""Of the inputs of an archive: the first where none is named."""

EXAMPLE = "2×3 float32; 4 int64"
"""How inputs are told."""

MAX_INPUTS, MAX_DIMENSIONS = 8, 8

MAX_PARTS = 20_000
"""Of an archive: a list of a million parts would take the server half a gigabyte to read."""

_SAMPLES_FIRST = "import sample_models\n"
"""Before a program that uses the package: it makes tensors of all samples when it is imported."""

_ENTRY = b"PK\x01\x02"
"""What each entry in the list of an archive's parts begins with."""

_ARCHIVE = "archive"
"""The variable that holds an archive's graph. It is made before the program, from the file alone:
what is no TorchScript is told in words, and nothing is ever unpickled for it."""

_SIZE = r"[0-9]{1,10}"
_ONE_INPUT = re.compile(rf"(?:(?P<shape>{_SIZE}(?:\s*[x×*,]\s*{_SIZE})*)\s*)?(?P<dtype>[a-z]\w*)?")


class StartError(InspectorError):
    """A file, or the inputs of one, that no program can begin with."""


@dataclass(frozen=True, eq=False)
class Start:
    """What the editor begins with.

    Attributes:
        key: tells it from others of the session.
        name: of the program's file, without ".py".
        source: the program's text.
        script: name of the variable of which TorchScript is made unless the viewer chooses
            otherwise; "" for none.
        before: what runs before the program, unrecorded.
        archive: the bytes of a TorchScript archive beside the program, b"" for none.
    """

    key: str
    name: str
    source: str
    script: str = ""
    before: str = ""
    archive: bytes = b""


def template() -> Start:
    """A module, a loss and its backward, in as few lines as can be."""
    return Start("template", "my_model", TEMPLATE, script="model")


def of_sample(sample: sample_models.Sample, given: str) -> Start:
    """A sample's file, and the lines that call it.

    Args:
        sample: whose code.
        given: the name of one of its inputs.
    """
    source = Path(sample.file).read_text(encoding="utf-8").rstrip()
    lines = ["model = SAMPLE.build()", f"output = model(*SAMPLE.inputs[{given!r}].make())"]
    if isinstance(sample.loss, str):
        lines.append(f"output.{sample.loss}().backward()")
    elif sample.loss is not None:
        lines.append("SAMPLE.loss(output).backward()")
    text = "\n".join([source, "", "", *lines, ""])
    itself = sample.scriptable and sample.static is unchanged
    script = "model" if itself else ""
    return Start(f"{sample.name}/{given}", sample.name, text, script, _SAMPLES_FIRST)


# -- uploaded files -------------------------------------------------------------------------------


def of_text(name: str, data: bytes) -> Start:
    """An uploaded `.py` file.

    Args:
        name: of the file.
        data: its bytes.

    Raises:
        StartError: it is too large, or no text in UTF-8.
    """
    if len(data) > LARGEST_SOURCE:
        raise StartError(
            sentence(
                "{name} is larger than {most:,} bytes: no program of that size is run here.",
                name=name,
                most=LARGEST_SOURCE,
            )
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StartError(
            sentence(
                "{name} is no text in UTF-8 (byte {place:,}). Save it in UTF-8, and upload it "
                "again.",
                name=name,
                place=error.start,
            )
        ) from error
    if "\0" in text:
        raise StartError(
            sentence("{name} is no Python file: there are zero bytes in it.", name=name)
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    uses_samples = re.search(r"^\s*(?:from|import) sample_models\b", text, re.MULTILINE)
    return Start("file", _stem(name), text, before=_SAMPLES_FIRST if uses_samples else "")


def of_archive(name: str, data: bytes, shapes: str = "") -> Start:
    """An uploaded TorchScript archive: a program that loads it, and calls it where inputs are told.

    Args:
        name: of the file.
        data: its bytes.
        shapes: of its inputs, as in "2×3 float32; 4 int64"; "" to load it only.

    Raises:
        StartError: it is too large, is no archive of torch.jit.save, or the shapes make no sense.
    """
    objection = _objection(data)
    if objection:
        raise StartError(
            sentence("{name} cannot be shown: {objection}", name=name, objection=objection)
        )
    stem = _stem(name)
    lines = ["import torch", "", f'model = torch.jit.load("{stem}.pt")']
    made = inputs_of(shapes)
    if made:
        names = [f"x{number}" if len(made) > 1 else "x" for number in range(1, len(made) + 1)]
        lines += [f"{one} = {text}" for one, text in zip(names, made, strict=True)]
        lines.append(f"output = model({', '.join(names)})")
    return Start(
        key=f"archive/{'; '.join(made)}",
        name=stem,
        source="\n".join([*lines, ""]),
        script=_ARCHIVE,
        before=f'from inspector import load_torchscript as load\n{_ARCHIVE} = load("{stem}.pt")\n',
        archive=data,
    )


def _stem(name: str) -> str:
    """The name of a program, of a file's name."""
    return re.sub(r"\W+", "_", Path(name).stem)[:60].strip("_") or "program"


def _objection(data: bytes) -> str:
    """Why a file is no TorchScript archive, judged by the names of its parts; "" if it may be."""
    if len(data) > LARGEST_ATTACHED:
        return sentence("it is larger than {most:,} MiB.", most=LARGEST_ATTACHED >> 20)
    how = sentence("Make one with torch.jit.save(torch.jit.script(model), path).")
    if data.startswith(b"\x80"):
        return sentence(
            "it is a pickle (an old state_dict, or a pickled model), and no pickle is opened "
            "here: it could run anything. {how}",
            how=how,
        )
    names = _parts(data)
    if any(one.startswith("code/") for one in names):
        return ""
    if "data.pkl" in names:
        return sentence(
            "it is a state_dict or a pickled model, written by torch.save: it holds no code to "
            "show, and no pickle is opened here. {how}",
            how=how,
        )
    return sentence("it is no TorchScript archive, or it is damaged. {how}", how=how)


def _parts(data: bytes) -> list[str]:
    """The names of an archive's parts without the folder that all are in; none if it is none."""
    if data.count(_ENTRY) > MAX_PARTS:
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def inputs_of(shapes: str) -> list[str]:
    """Inputs that are told by their shapes, each as Python that makes such a tensor.

    Args:
        shapes: as in "2×3 float32; 4 int64": dimensions with × or x between them, and a dtype,
            float32 where none is named; a dtype alone is a number without dimensions.

    Raises:
        StartError: it is something else.

    >>> inputs_of("2x3; 4 int64")
    ['torch.rand(2, 3)', 'torch.zeros(4, dtype=torch.int64)']
    """
    told = [part.strip().lower() for part in shapes.split(";") if part.strip()]
    if len(told) > MAX_INPUTS:
        raise StartError(sentence("There are at most {most} inputs.", most=MAX_INPUTS))
    return [_made(one) for one in told]


def _made(told: str) -> str:
    found = _ONE_INPUT.fullmatch(told)
    dtype = (found["dtype"] or DTYPES[0]) if found else ""
    sizes = [int(one) for one in re.findall(_SIZE, found["shape"] or "")] if found else []
    if dtype not in DTYPES or len(sizes) > MAX_DIMENSIONS or math.prod(sizes) > 1 << 31:
        raise StartError(
            sentence(
                "An input is told as in `2×3 float32`, several with `;` between them, not as "
                "“{told}”. There are the dtypes {dtypes}.",
                told=told,
                dtypes=", ".join(DTYPES),
            )
        )
    shape = ", ".join(map(str, sizes)) if sizes else "()"
    if dtype == DTYPES[0]:
        return f"torch.rand({shape})"
    # Whole numbers are often places in a table: 0 is in all of them.
    make = "rand" if dtype.startswith(("float", "bfloat", "complex")) else "zeros"
    return f"torch.{make}({shape}, dtype=torch.{dtype})"
