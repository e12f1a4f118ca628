"""A model that is asked for predictions while it is in train mode."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.modes import BATCH_NORMS, DROPOUTS, is_training, momentum_of
from inspector.findings.rule import Rule
from inspector.found import Finding, Severity
from inspector.language import sentence, sentences
from inspector.records import ModuleCall, Op, Source, Step
from inspector.whys.gradient import leading_to_backward

ONE_VALUE = "Expected more than 1 value per channel when training"
"""What batch norm raises when it is given a single sample in train mode."""

_MEASURES = frozenset((
    "argmax", "max", "eq", "item", "tolist", "cross_entropy", "nll_loss", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "kl_div",
))  # fmt: skip
"""Ops by which a prediction is compared or counted: it is not only looked at."""


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
    """A warning after training, under no_grad; a note where it may be meant or nothing trained."""
    training = [step for step in evidence.optimizer_steps if _moves(step, model)]
    if training:
        start = training[0].last_op
        late = [op for op in ops if op.id >= start and _without_grad(evidence, op)]
        # A generator's picture, a teacher's answer: something is trained with the result.
        used = leading_to_backward(evidence.recording, evidence.flow) if late else frozenset()
        renewed = _renewing(evidence, late)
        asked = [op for op in late if op.id not in used and _outermost(evidence, op) not in renewed]
        if asked:
            meant = _looked_at(evidence, asked, training[-1]) or _in_eval(evidence, asked)
            yield _finding(evidence, model, asked, "note" if meant else "warning", trained=True)
    elif not evidence.backwards:
        yield _finding(evidence, model, ops, "note", trained=False)


def _moves(step: Step, model: str) -> bool:
    return any(not model or name.partition(".")[0] == model for name in step.updated)


def _outermost(evidence: Evidence, op: Op) -> int | None:
    """The id of the outermost module call around an op."""
    number = op.module_call
    while number is not None:
        parent = evidence.recording.module_calls[number].parent
        if parent is None:
            break
        number = parent
    return number


def _in_eval(evidence: Evidence, asked: list[Op]) -> bool:
    """Whether the models as a whole were in eval mode: a dropout was switched on by itself."""
    calls = evidence.recording.module_calls
    around = {_outermost(evidence, op) for op in asked}
    return all(number is not None and not calls[number].training for number in around)


def _looked_at(evidence: Evidence, asked: list[Op], last: Step) -> bool:
    """Whether results are looked at in between (a GAN's pictures), and nothing measures them."""
    calls, ops = evidence.recording.module_calls, evidence.recording.ops
    lines: list[set[Source | None]] = [set(), set()]
    for op in asked:
        lines[op.id >= last.first_op].add(calls[_outermost(evidence, op) or 0].source)
    before, after = lines
    return (
        bool(before)
        and after <= before
        and not any(
            _measures(ops[number]) for op in asked for number in evidence.flow.descendants(op.id)
        )
    )


def _measures(op: Op) -> bool:
    """Whether an op compares or counts predictions. `max` without a dim is the brightest pixel."""
    return op.name in _MEASURES and not (op.name == "max" and len(op.outputs) < 2)


def _renewing(evidence: Evidence, late: list[Op]) -> set[int | None]:
    """The outermost calls that take new statistics, as `update_bn` does.

    Their batch norms have momentum=None: batches weigh 1, 1/2, 1/3 and so on.
    """
    found: set[int | None] = set()
    seen: dict[str, int] = {}
    for op in late:
        weight = momentum_of(op) if op.name in BATCH_NORMS else None
        if weight is None:
            continue
        path = evidence.path(op)
        count = seen.get(path, 0) + 1
        seen[path] = count if abs(weight * count - 1) < 1e-3 else int(weight == 1)
        if seen[path]:
            found.add(_outermost(evidence, op))
    return found


def _without_grad(evidence: Evidence, op: Op) -> bool:
    tensors = evidence.recording.tensors
    return not any(tensors[number].requires_grad for number in op.outputs)


def _finding(
    evidence: Evidence, model: str, ops: list[Op], severity: Severity, trained: bool
) -> Finding:
    first = ops[0]
    others = sorted({evidence.path(op) or op.name for op in ops[1:]})
    message = sentence(
        "{ran}: {does}.",
        ran=_ran(model or sentence("The model"), trained, _in_eval(evidence, ops)),
        does=_does(evidence, first),
    )
    if len(others) > 1:
        more = sentence("So do {count} more of its modules.", count=len(others))
        message = sentences(message, more)
    return Finding(
        "inference-in-train-mode",
        severity,
        message,
        op=first.id,
        source=first.source,
        related=tuple(op.id for op in ops[1:20]),
        help=sentence(
            "Call model.eval() before asking for predictions, and model.train() to go on training."
        ),
    )


def _ran(model: str, trained: bool, in_part: bool) -> str:
    """How the model was used."""
    if trained and in_part:
        return sentence(
            "{model} ran after it was trained, without gradients, but with a part in train mode",
            model=model,
        )
    if trained:
        return sentence(
            "{model} ran after it was trained, without gradients, but in train mode", model=model
        )
    if in_part:
        return sentence("{model} ran without training, but with a part in train mode", model=model)
    return sentence("{model} ran without training, but in train mode", model=model)


def _does(evidence: Evidence, op: Op) -> str:
    """What the op does in train mode."""
    if op.name in BATCH_NORMS:
        return sentence(
            "{op} normalises by this batch alone, and goes on learning its statistics",
            op=evidence.words(op),
        )
    return sentence("{op} drops values at random", op=evidence.words(op))


def _failed(evidence: Evidence, op: Op) -> Finding:
    shape = evidence.recording.tensors[op.inputs[0]].shape if op.inputs else ()
    return Finding(
        "inference-in-train-mode",
        "error",
        sentence(
            "{op} ran in train mode on a single value per channel (its input is {shape}): there is "
            "no variance of one value.",
            op=evidence.words(op),
            shape=shape,
        ),
        op=op.id,
        tensor=op.inputs[0] if op.inputs else None,
        source=op.source,
        help=sentence(
            "For a prediction call model.eval(). In training leave a last batch of one out: "
            "DataLoader(drop_last=True)."
        ),
    )


RULE = Rule(
    name="inference-in-train-mode",
    title=sentence("Predictions asked for in train mode"),
    what=sentence(
        "Dropout and batch norm that ran as in training where the model was used, without "
        "gradients, after an optimizer had trained it, and nothing was trained with the result (a "
        "warning); in a recording in which nothing is trained at all (a note); and batch norm "
        "that failed because of a single sample (an error). Also a note if the model as a whole "
        "is in eval mode (dropout switched on by itself), or if it is trained further and nothing "
        "measures the result (a GAN's pictures). `update_bn` takes new statistics on purpose: "
        "nothing is said."
    ),
    why=sentence(
        "PyTorch says nothing, or `Expected more than 1 value per channel when training`. The "
        "answer differs from call to call or depends on the rest of the batch, and batch norm "
        "goes on learning from the test data. no_grad() does not change the mode."
    ),
    example="with torch.no_grad(): prediction = model(x)",
    instead="model.eval()\nwith torch.no_grad(): prediction = model(x)",
    check=check,
)
