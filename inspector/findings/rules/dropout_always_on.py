"""F.dropout in a model in eval mode: its `training` is True unless it is told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.modes import DROPOUTS, is_training
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each line."""
    told = set()
    for op in evidence.named(*DROPOUTS):
        call = evidence.call_of(op)
        if call is None or call.training or not is_training(op) or op.source in told:
            continue
        told.add(op.source)
        yield Finding(
            "dropout-always-on",
            "note",
            sentence(
                "{op} drops values at random though {module} is in eval mode: eval() reaches "
                "modules, not this function's own `training`.",
                op=evidence.words(op),
                module=call.path or call.type,
            ),
            op=op.id,
            source=op.source,
            help=sentence("Pass training=self.training, or use an nn.Dropout."),
        )


RULE = Rule(
    name="dropout-always-on",
    title=sentence("Dropout in eval mode"),
    what=sentence(
        "Dropout functions that ran as in training inside of a module that is in eval mode."
    ),
    why=sentence(
        "PyTorch says nothing: `F.dropout(x)` means training=True. Predictions differ from call to "
        "call. (Monte Carlo dropout does it on purpose.)"
    ),
    example="x = F.dropout(x, 0.5)",
    instead="x = F.dropout(x, 0.5, training=self.training)",
    check=check,
)
