"""Why a dimension is as long as it is: the ops in which it got its size, up to where it began."""

from __future__ import annotations

from inspector.errors import QuestionError
from inspector.language import listed, sentence
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
        raise QuestionError(_no_such_dimension(tensor_words(recording, tensor), rank, dim))
    dim %= rank
    stations, begins = _chain(recording, tensor, dim)
    words = tensor_words(recording, tensor)
    size = info.shape[dim]
    told = [sentence("Dimension {dim} of {tensor} is {size}.", dim=dim, tensor=words, size=size)]
    changed = next((pair for pair in stations if pair[1].changes), None)
    if changed is not None:
        op = op_words(recording, recording.ops[changed[0]])
        told.append(sentence("{op}: {phrase}.", op=op, phrase=changed[1].phrase))
    if begins and begins != [(tensor, dim)]:
        places = listed((_place(recording, *b) for b in begins), "{first} and {then}")
        told.append(sentence("It comes from {places}.", places=places))
    steps = {(op, origin.phrase): WhyStep(op, origin.phrase) for op, origin in stations}
    cause = None if changed is None else changed[0]
    source = None if cause is None else recording.ops[cause].source
    return Why(tuple(told), tuple(steps[key] for key in sorted(steps)), cause, source)


def _no_such_dimension(tensor: str, rank: int, dim: int) -> str:
    if not rank:
        return sentence("{tensor} has no dimensions, not {dim}.", tensor=tensor, dim=dim)
    return sentence(
        "{tensor} has dimensions 0 to {last}, not {dim}.", tensor=tensor, last=rank - 1, dim=dim
    )


def _place(recording: Recording, tensor: int, dim: int) -> str:
    words = tensor_words(recording, tensor)
    return sentence("dimension {dim} of {tensor}", dim=dim, tensor=words)


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
            shape = shape_text(recording.tensors[number])
            text = sentence("{op} makes {shape}", op=op.name, shape=shape)
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
