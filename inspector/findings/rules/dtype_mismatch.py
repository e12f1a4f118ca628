"""An op that failed because its tensors have different dtypes."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.failing import raised_op
from inspector.findings.mismatch import Operands
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence

NAME = "dtype-mismatch"

_MESSAGE = (
    r"dtype|scalar type|must be long|desired output type|Input type .* (?:and|should)|"
    r"expected .*(?:Float|Double|Half|BFloat16|Long|Int)"
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the failed op's tensors."""
    op = raised_op(evidence, _MESSAGE)
    if op is not None:
        help_ = sentence(
            "Convert the data where it enters: x.float(), or torch.from_numpy(a).float(); NumPy's "
            "default is float64, torch's float32. Class targets and indices are int64: .long()."
        )
        operands = Operands(evidence, op, "dtype")
        yield from operands.mismatch(NAME, help_)
        yield from operands.unfit(NAME, help_)


RULE = Rule(
    name=NAME,
    title=sentence("Tensors of different dtypes"),
    what=sentence(
        "An op was given tensors of more than one dtype, or of one that it does not take, and "
        "does not convert. Says where each of them got its dtype."
    ),
    why=sentence(
        "torch says 'mat1 and mat2 must have the same dtype, but got Double and Float', and not "
        "where the Double comes from."
    ),
    example="x = torch.from_numpy(numpy.ones((2, 3)))  # float64\nnn.Linear(3, 1)(x)",
    instead="x = torch.from_numpy(numpy.ones((2, 3))).float()\nnn.Linear(3, 1)(x)",
    check=check,
)
