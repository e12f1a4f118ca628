"""Whether a model mixes the samples of a batch, and the op that loses track of them.

The answer is the gradient of one sample's output with respect to the other samples' inputs:
where it is not zero, they know of each other. The place is found by running the model again with
some samples changed: each recorded value then depends on one group of samples, on several, or on
none, and the first op is looked for whose result no longer has a dimension for the batch.
(The idea of the test is Andrej Karpathy's, "A Recipe for Training Neural Networks", 2019.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from inspector.capture.arguments import tensors_in
from inspector.capture.options import CaptureOptions
from inspector.capture.record import record
from inspector.errors import CaptureError
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import Op, Recording
from inspector.torchscript.kept import modules_kept, random_state_kept, reached_modules

RULE_NAME = "batch-mixed"

MOST_GROUPS = 4
"""Groups of samples that are told apart: the first three, and all others."""

_ON_PURPOSE = frozenset(("batch_norm", "instance_norm"))
_OPTIONS = CaptureOptions(values="full", lines=False, backward=False)

_NOBODY, _MANY = -1, -2


def probe_batch_mixing(model: Callable[..., Any], *args: Any) -> tuple[Finding, ...]:
    """Check that each sample's output depends on that sample alone.

    Args:
        model: a module or function. It runs a few times as it is (train or eval), with the same
            random numbers each time; its values, gradients and the random state stay as they were.
        *args: what it is called with. Tensors whose first dimension is as long as that of the
            first tensor are taken as batches, and its output's tensors likewise.

    Returns:
        Nothing if samples are kept apart; else one finding, at the op that mixes them: a warning,
        or a note where it is batch normalisation in train mode, which is meant to. Its op is the
        number of the op in a recording of the same call.

    Raises:
        CaptureError: the model fails, there are fewer than two samples, or nothing in its output
            has a dimension for them.
    """
    size = _batch_size(args)
    with random_state_kept():
        norms = _leaks(model, args, size)
        if norms is None or max(norms.values(), default=0.0) == 0.0:
            changed = _changed_outputs(model, args, size) if norms is None else {}
            if not changed:
                return ()
            norms = changed
        base, others = _recordings(model, args, size)
    other = max(norms, key=lambda sample: norms[sample])
    op = _culprit(base, others, size)
    return (_finding(base, op, other, norms[other]),)


def _modules(model: Callable[..., Any]) -> list[nn.Module]:
    if isinstance(model, nn.Module):
        return list(model.modules())
    return reached_modules(model)


def _batch_size(args: Sequence[Any]) -> int:
    first = next((t for t in tensors_in(args) if t.dim()), None)
    if first is None or first.shape[0] < 2:
        raise CaptureError(
            sentence(
                "The probe for mixed batches needs at least two samples: "
                "give it an input whose first dimension is the batch."
            )
        )
    return int(first.shape[0])


def _is_batch(value: Tensor, size: int) -> bool:
    return bool(value.dim()) and value.shape[0] == size


@contextmanager
def _afresh(model: Callable[..., Any]) -> Iterator[None]:
    """The same random numbers and the same state (running statistics) for each run."""
    with modules_kept(_modules(model)), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def _run(model: Callable[..., Any], args: Any) -> Any:
    """The model's output. It gets copies: it may write into what it is given."""
    with _afresh(model):
        try:
            return model(*tree_map_only(Tensor, Tensor.clone, args))
        except Exception as error:
            message = sentence(
                "The probe could not run the model: {type}: {error}",
                type=type(error).__name__,
                error=str(error),
            )
            raise CaptureError(message) from error


def _outputs(output: Any, size: int) -> list[Tensor]:
    found = [t for t in tensors_in(output) if t.is_floating_point() and _is_batch(t, size)]
    if not found:
        raise CaptureError(
            sentence(
                "Nothing in the model's output has {size} as its first dimension: the probe for "
                "mixed batches needs an answer for each sample. Give it the model without its "
                "loss.",
                size=size,
            )
        )
    return found


def _leaks(model: Callable[..., Any], args: Any, size: int) -> dict[int, float] | None:
    """Sample -> norm of the gradient of sample 0's output with respect to its input.

    None where the gradient can't tell: the inputs are whole numbers, or nothing requires grad.
    """

    def leaf(value: Tensor) -> Tensor:
        if value.is_floating_point() and _is_batch(value, size):
            return value.detach().clone().requires_grad_()
        return value

    inputs = tree_map_only(Tensor, leaf, args)
    leaves = [t for t in tensors_in(inputs) if t.requires_grad and _is_batch(t, size)]
    with torch.enable_grad():
        output = _run(model, inputs)
        heads = [_any_sum(t[0]) for t in _outputs(output, size) if t.requires_grad]
        if not heads or not leaves:
            return None
        grads = torch.autograd.grad(sum(heads[1:], heads[0]), leaves, allow_unused=True)
    return {
        sample: sum(float(grad[sample].norm()) for grad in grads if grad is not None)
        for sample in range(1, size)
    }


def _any_sum(answer: Tensor) -> Tensor:
    """A sum with random weights: that of a normalised answer is the same for all inputs."""
    chance = torch.Generator().manual_seed(0)
    weights = torch.randn(answer.shape, generator=chance).to(answer.device, answer.dtype)
    return (answer * weights).sum()


def _groups(size: int) -> list[list[int]]:
    singles = [[sample] for sample in range(min(size, MOST_GROUPS - 1))]
    rest = list(range(len(singles), size))
    return [*singles, rest] if rest else singles


def _disturbed(args: Any, samples: list[int], size: int) -> Any:
    """The arguments with other values in these samples."""

    def change(value: Tensor) -> Tensor:
        if not _is_batch(value, size):
            return value
        other = value.detach().clone()
        part = other[samples]
        if value.is_floating_point():
            other[samples] = part * 0.7 + 0.3
        else:  # other words of the same sentence: each of them is a valid one
            other[samples] = part.flip(-1) if part.dim() > 1 else part.roll(1)
        return other

    return tree_map_only(Tensor, change, args)


def _changed_outputs(model: Callable[..., Any], args: Any, size: int) -> dict[int, float]:
    """Sample -> by how much sample 0's output changes with it, where it does."""
    with torch.no_grad():
        plain = [t[0].clone() for t in _outputs(_run(model, args), size)]
        changed = {}
        for group in _groups(size)[1:]:
            now = _outputs(_run(model, _disturbed(args, group, size)), size)
            pairs = zip(now, plain, strict=True)
            moved = sum(float((a[0] - b).norm()) for a, b in pairs)
            if moved:
                changed[group[0]] = moved
    return changed


def _recordings(
    model: Callable[..., Any], args: Any, size: int
) -> tuple[Recording, list[Recording]]:
    """The run as it is, and one with each group of samples changed."""

    def recorded(given: Any) -> Recording:
        with _afresh(model):
            return record(model, *tree_map_only(Tensor, Tensor.clone, given), options=_OPTIONS)

    return recorded(args), [recorded(_disturbed(args, group, size)) for group in _groups(size)]


def _culprit(base: Recording, others: list[Recording], size: int) -> Op | None:
    """The first op whose result has no dimension left in which the samples are apart."""
    for op in base.ops:
        for tensor in op.outputs:
            labels = _labels(base, others, tensor)
            if labels is not None and not _has_batch(labels, size):
                return op
    return None


def _labels(base: Recording, others: list[Recording], tensor: int) -> numpy.ndarray | None:
    """For each element the group of samples that it depends on; None if it depends on none."""
    plain = base.values.get(tensor)
    if plain is None:
        return None
    labels = numpy.full(plain.shape, _NOBODY)
    for group, other in enumerate(others):
        now = other.values.get(tensor)
        if now is None or now.shape != plain.shape:
            return None  # that run went another way
        moved = ~((now == plain) | ((now != now) & (plain != plain)))
        labels[moved & (labels != _NOBODY)] = _MANY
        labels[moved & (labels == _NOBODY)] = group
    return None if (labels == _NOBODY).all() else labels


def _has_batch(labels: numpy.ndarray, size: int) -> bool:
    """Whether a dimension has a place, or a run of places, of its own for each sample."""
    for dim, length in enumerate(labels.shape):
        if length % size or not length:
            continue
        rows = numpy.moveaxis(labels, dim, 0)
        each = length // size
        in_runs = rows.reshape(size, -1)
        in_turns = rows.reshape(each, size, -1).swapaxes(0, 1).reshape(size, -1)
        if _is_apart(in_runs) or _is_apart(in_turns):
            return True
    return False


def _is_apart(rows: numpy.ndarray) -> bool:
    """Whether row `i` depends on sample `i` alone."""
    size = len(rows)
    groups = numpy.minimum(numpy.arange(size), MOST_GROUPS - 1)[:, None]
    return bool(((rows == groups) | (rows == _NOBODY)).all())


def _first_words(base: Recording, op: Op) -> str:
    if not op.inputs or not op.outputs:
        return sentence("{op} is the first op that no longer keeps them apart.", op=op.name)
    return sentence(
        "{op} is the first op that no longer keeps them apart: it makes {after} of {before}.",
        op=op.name,
        after=base.tensors[op.outputs[0]].shape,
        before=base.tensors[op.inputs[0]].shape,
    )


def _finding(base: Recording, op: Op | None, other: int, norm: float) -> Finding:
    depends = sentence(
        "The output of sample 0 depends on the input of sample {sample} (gradient norm "
        "{norm:.3g}).",
        sample=other,
        norm=norm,
    )
    meant = op is not None and op.name in _ON_PURPOSE
    return Finding(
        RULE_NAME,
        "note" if meant else "warning",
        depends if op is None else sentences(depends, _first_words(base, op)),
        op=None if op is None else op.id,
        tensor=op.outputs[0] if op is not None and op.outputs else None,
        source=None if op is None else op.source,
        help=sentence("Batch normalisation mixes in train mode: call eval() before this probe.")
        if meant
        else sentence(
            "Use transpose or permute to move a dimension; view and reshape only cut the memory "
            "anew. Reduce over dimensions other than the batch."
        ),
    )
