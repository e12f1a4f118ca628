"""Why a dimension is as long as it is: the ops in which it got its size, up to where it began."""

from __future__ import annotations

from inspector.errors import QuestionError
from inspector.records import Recording
from inspector.text import shape_text
from inspector.why_records import Why, WhyStep
from inspector.whys.dims import Origin, origin_of
from inspector.whys.words import op_words, tensor_of, tensor_words

MOST_STATIONS = 60


def why_this_shape(recording: Recording, tensor: int, dim: int) -> Why:
    """The chain of ops in which a dimension of a tensor got its size.

    Each op is asked which dimension of which of its tensors this one comes from. A dimension
    that `flatten` made of several is followed into all of them. A way ends at a tensor that came
    from outside, at a constructor, or at an op that nothing here knows.

    Args:
        recording: what ran.
        tensor: id of the tensor.
        dim: the dimension, from 0, or from the end if negative.

    Returns:
        The answer; its cause is the op that last changed the size, `steps` all that handled it.

    Raises:
        QuestionError: there is no such tensor or dimension.
    """
    info = tensor_of(recording, tensor)
    rank = len(info.shape)
    if not -rank <= dim < rank:
        has = f"dimensions 0 to {rank - 1}" if rank else "no dimensions"
        raise QuestionError(f"{tensor_words(recording, tensor)} has {has}, not {dim}.")
    dim %= rank
    stations, begins = _chain(recording, tensor, dim)
    words = tensor_words(recording, tensor)
    sentences = [f"Dimension {dim} of {words} is {info.shape[dim]}."]
    changed = next((pair for pair in stations if pair[1].changes), None)
    if changed is not None:
        sentences.append(f"{op_words(recording, recording.ops[changed[0]])}: {changed[1].phrase}.")
    if begins and begins != [(tensor, dim)]:
        sentences.append(f"It comes from {' and '.join(_place(recording, *b) for b in begins)}.")
    steps = {(op, origin.phrase): WhyStep(op, origin.phrase) for op, origin in stations}
    cause = None if changed is None else changed[0]
    source = None if cause is None else recording.ops[cause].source
    return Why(tuple(sentences), tuple(steps[key] for key in sorted(steps)), cause, source)


def _place(recording: Recording, tensor: int, dim: int) -> str:
    return f"dimension {dim} of {tensor_words(recording, tensor)}"


def _chain(
    recording: Recording, tensor: int, dim: int
) -> tuple[list[tuple[int, Origin]], list[tuple[int, int]]]:
    """The ops that handled the dimension, nearest first, and the tensors where it begins."""
    found: list[tuple[int, Origin]] = []
    begins: list[tuple[int, int]] = []
    places = [(tensor, dim)]
    for number, at in places:  # which grows while it is walked
        maker = recording.tensors[number].producer
        if maker is None or _is_leaf(recording, number):
            begins.append((number, at))
            continue
        op = recording.ops[maker]
        origin = origin_of(recording, op, number, at)
        if origin is None:
            text = f"{op.name} makes {shape_text(recording.tensors[number])}"
            found.append((maker, Origin(number, (at,), text, changes=True)))
            continue
        found.append((maker, origin))
        before = [(origin.tensor, one) for one in origin.dims]
        places += [place for place in before if place not in places]
        if len(found) == MOST_STATIONS:
            break
    return found, begins


def _is_leaf(recording: Recording, tensor: int) -> bool:
    """A parameter: the ops that filled it say nothing of its shape."""
    info = recording.tensors[tensor]
    return info.name is not None and info.is_leaf
