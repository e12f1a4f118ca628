"""A model that is asked for predictions while it is in train mode."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.modes import BATCH_NORMS, DROPOUTS, is_training
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.records import ModuleCall, Op
from inspector.whys.gradient import leading_to_backward

ONE_VALUE = "Expected more than 1 value per channel when training"
"""What batch norm raises when it is given a single sample in train mode."""

_DOES = {
    "dropout": "drops values at random",
    "batch_norm": "normalises by this batch alone, and goes on learning its statistics",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each model, and for a batch norm that failed."""
    failure = evidence.recording.failure
    if failure is not None and ONE_VALUE in failure.message and failure.op is not None:
        yield _failed(evidence, evidence.recording.ops[failure.op])
    whole = _is_whole(evidence)
    by_model: dict[str, list[Op]] = {}
    for op in evidence.named(*DROPOUTS, *BATCH_NORMS):
        call = evidence.call_of(op)
        if call is None or not call.training or not is_training(op):
            continue
        if failure is None or failure.op != op.id:
            by_model.setdefault("" if whole else _model(call), []).append(op)
    for model, ops in by_model.items():
        yield from _of_model(evidence, model, ops)


def _is_whole(evidence: Evidence) -> bool:
    """Whether one model was recorded, so that paths begin inside of it."""
    calls = evidence.recording.module_calls
    return bool(calls) and calls[0].path == ""


def _model(call: ModuleCall) -> str:
    return call.path.partition(".")[0]


def _of_model(evidence: Evidence, model: str, ops: list[Op]) -> Iterator[Finding]:
    """A warning after training, under no_grad; a note where nothing at all was trained."""
    trained = next(
        (s for s in evidence.optimizer_steps if _moves(evidence, s.updated, model)), None
    )
    if trained is not None:
        late = [op for op in ops if op.id >= trained.last_op and _without_grad(evidence, op)]
        # A generator's picture, a teacher's answer: something is trained with the result.
        used = leading_to_backward(evidence.recording, evidence.flow) if late else frozenset()
        asked = [op for op in late if op.id not in used]
        if asked:
            yield _finding(evidence, model, asked, "warning")
    elif not evidence.backwards:
        yield _finding(evidence, model, ops, "note")


def _moves(evidence: Evidence, updated: tuple[str, ...], model: str) -> bool:
    return any(not model or name.partition(".")[0] == model for name in updated)


def _without_grad(evidence: Evidence, op: Op) -> bool:
    tensors = evidence.recording.tensors
    return not any(tensors[number].requires_grad for number in op.outputs)


def _finding(evidence: Evidence, model: str, ops: list[Op], severity: str) -> Finding:
    first = ops[0]
    kind = "batch_norm" if first.name in BATCH_NORMS else "dropout"
    others = sorted({evidence.path(op) or op.name for op in ops[1:]})
    more = f" So do {len(others)} more of its modules." if len(others) > 1 else ""
    why = "after it was trained, without gradients" if severity == "warning" else "without training"
    return Finding(
        "inference-in-train-mode",
        "warning" if severity == "warning" else "note",
        f"{model or 'The model'} ran {why}, but in train mode: {evidence.words(first)} "
        f"{_DOES[kind]}.{more}",
        op=first.id,
        source=first.source,
        related=tuple(op.id for op in ops[1:20]),
        help="Call model.eval() before asking for predictions, and model.train() to go on "
        "training.",
    )


def _failed(evidence: Evidence, op: Op) -> Finding:
    shape = evidence.recording.tensors[op.inputs[0]].shape if op.inputs else ()
    return Finding(
        "inference-in-train-mode",
        "error",
        f"{evidence.words(op)} ran in train mode on a single value per channel "
        f"(its input is {shape}): there is no variance of one value.",
        op=op.id,
        tensor=op.inputs[0] if op.inputs else None,
        source=op.source,
        help="For a prediction call model.eval(). In training leave a last batch of one out: "
        "DataLoader(drop_last=True).",
    )


RULE = Rule(
    name="inference-in-train-mode",
    title="Predictions asked for in train mode",
    what="Dropout and batch norm that ran as in training where the model was used, without "
    "gradients, after an optimizer had trained it, and nothing was trained with the result (a "
    "warning); in a recording in which nothing is trained at all (a note); and batch norm that "
    "failed because of a single sample (an error).",
    why="PyTorch says nothing, or `Expected more than 1 value per channel when training`. The "
    "answer differs from call to call or depends on the rest of the batch, and batch norm goes on "
    "learning from the test data. no_grad() does not change the mode.",
    example="with torch.no_grad(): prediction = model(x)",
    instead="model.eval()\nwith torch.no_grad(): prediction = model(x)",
    check=check,
)
