"""What is wrong where the ranks of a run meet: who, what, on which line, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import basename

from inspector.language import counted, listed, sentence, sentences
from inspector.meetings import Lanes, Meeting, Mismatch
from inspector.records import Collective, TensorSummary

There = Mapping[int, Collective]
"""What each lane has to do with one message."""

SAME_SIZE = (
    "all_reduce", "all_reduce_coalesced", "broadcast", "reduce", "scatter", "gather",
    "all_gather_into_tensor", "send", "recv",
)  # fmt: skip
"""Messages in which all ranks give or get equally much. Of others only dtypes are compared."""

SAME_VALUES = (
    "all_reduce", "all_reduce_coalesced", "broadcast", "all_gather", "all_gather_into_tensor",
)  # fmt: skip
"""Messages after which all ranks hold the same values."""

_SAME_ORDER = sentence(
    "All ranks of a group have to send the same messages in the same order; else they wait for "
    "each other without end, or mix data up. Look above these lines for an `if`, a loop or an "
    "exception that depends on the rank or on the rank's own data."
)


def unlike(side: Lanes, there: There) -> Mismatch | None:
    """Why the lanes do not mean the same message, if they do not."""
    if len({_way(one) for one in there.values()}) > 1:
        return _mismatch(
            side, there, "kind",
            sentence(
                "The ranks part at message {number} of group {group}: {calls}.",
                number=_number(there), group=_group(there),
                calls=_each(side, there, lambda one: one.kind),
            ),
            _SAME_ORDER,
        )  # fmt: skip
    kind = next(iter(there.values())).kind
    told = {lane: _sizes(one) for lane, one in there.items()}
    if len(set(told.values())) > 1:
        return _mismatch(
            side, there, "tensors",
            sentence(
                "In {kind}, message {number} of group {group}, the ranks' tensors do not fit: "
                "{tensors}.",
                kind=kind, number=_number(there), group=_group(there),
                tensors=_each(side, there, lambda one: ", ".join(one.tensors)),
            ),
            sentence(
                "Depending on the backend this is an error, an endless wait or wrong values. Make "
                "the tensors equal on all ranks: pad the last batch, leave it out (drop_last=True) "
                "or convert to one dtype."
            ),
        )  # fmt: skip
    return _other_options(side, there)


def _other_options(side: Lanes, there: There) -> Mismatch | None:
    kind = next(iter(there.values())).kind
    known = {one.reduction for one in there.values()} - {""}
    if len(known) > 1:
        message = sentence(
            "In {kind}, message {number} of group {group}, the ranks ask for other reductions: "
            "{calls}.",
            kind=kind, number=_number(there), group=_group(there),
            calls=_each(side, there, lambda one: one.reduction),
        )  # fmt: skip
        return _mismatch(
            side, there, "reduction", message,
            sentence("Each rank computes its own way: the result is none of them. Use one `op`."),
        )  # fmt: skip
    if kind not in ("send", "recv") and len({one.peer for one in there.values()}) > 1:
        message = sentence(
            "In {kind}, message {number} of group {group}, the ranks name other ranks as its "
            "source or destination: {calls}.",
            kind=kind, number=_number(there), group=_group(there),
            calls=_each(side, there, lambda one: str(one.peer)),
        )  # fmt: skip
        return _mismatch(
            side, there, "peer", message,
            sentence("`src` or `dst` is a rank of the whole program, and the same one for all."),
        )  # fmt: skip
    return None


def never_comes(
    side: Lanes, there: There, missing: Sequence[int], row: Mapping[int, Sequence[Collective]]
) -> Mismatch:
    """Some lanes send a message that others of its members never send."""
    waiting = _each(side, there, lambda one: one.kind)
    absent = listed(
        (_never(side, lane, len(row[lane])) for lane in missing), sentence("{first} {then}")
    )
    message = sentence(
        "Not all ranks come to message {number} of group {group}: {calls}. {absent}",
        number=_number(there), group=_group(there), calls=waiting, absent=absent,
    )  # fmt: skip
    help_ = sentences(
        _SAME_ORDER,
        sentence(
            "If that rank's recording was ended earlier on purpose (`max_ops`, `--steps`), this is "
            "its end and no fault."
        ),
    )
    return _mismatch(side, there, "missing", message, help_)


def _never(side: Lanes, lane: int, sent: int) -> str:
    rank = side.ranks[lane]
    failure = side.recordings[lane].failure
    if failure is not None:
        return sentence(
            "Rank {rank} never does: it ended before, with {type}: {message}{place}.",
            rank=rank, type=failure.type, message=failure.message,
            place="" if failure.source is None else _at(failure.source.file, failure.source.line),
        )  # fmt: skip
    return counted(
        "Rank {rank} never does: its recording has {count} message of this group.",
        "Rank {rank} never does: its recording has {count} messages of this group.",
        sent,
        rank=rank,
    )


def waiting_crosswise(
    side: Lanes, meetings: Sequence[Meeting], crossed: Mapping[int, int]
) -> tuple[int, Mismatch] | None:
    """Lanes each of which waits for another one, which waits in turn.

    Args:
        side: the lanes.
        meetings: in any order.
        crossed: the number of the meeting that comes next in each lane.

    Returns:
        The number of the first meeting that it is about, and what is wrong; None where the lanes
        do not wait at once (`async_op=True`), or could have been served by buffers (`send`).
    """
    heads = {lane: meetings[number].collectives[lane] for lane, number in crossed.items()}
    waits = {
        lane: one
        for lane, one in heads.items()
        if one.kind not in ("send", "recv") and one.wait == one.op
    }
    if len({crossed[lane] for lane in waits}) < 2:
        return None
    message = sentence(
        "The ranks wait for each other crosswise: {calls}. Each comes to the other's message only "
        "after its own.",
        calls=_each(side, waits, lambda one: one.kind),
    )
    help_ = sentence(
        "Have all ranks send the messages of several groups in one order, or start them with "
        "async_op=True and wait later."
    )
    first = min(crossed[lane] for lane in waits)
    return first, _mismatch(side, waits, "order", message, help_)


def unequal_values(side: Lanes, there: There) -> Mismatch | None:
    """Lanes that hold other values after a message that makes them equal.

    Args:
        side: the lanes.
        there: messages that were each waited for on their own.
    """
    kind = next(iter(there.values())).kind
    if kind not in SAME_VALUES or len(there) < 2:
        return None
    results = {lane: _results(side, lane, one) for lane, one in there.items()}
    if len({len(found) for found in results.values()}) > 1:
        return None
    for parts in zip(*results.values(), strict=True):
        known = [part for part in parts if part is not None]
        if len(known) == len(parts) and len({_comparable(part) for part in known}) > 1:
            by_lane = dict(zip(results, known, strict=True))
            message = sentence(
                "After {kind}, message {number} of group {group}, the ranks should hold the same "
                "values, and they do not: {values}.",
                kind=kind, number=_number(there), group=_group(there),
                values=listed(_holds(side, lane, there, part) for lane, part in by_lane.items()),
            )  # fmt: skip
            return _mismatch(
                side, there, "values", message,
                sentence(
                    "Something wrote into the tensor while the message was under way, or before it "
                    "was waited for; or the backend does not add in the same order everywhere."
                ),
            )  # fmt: skip
    return None


def _results(side: Lanes, lane: int, one: Collective) -> list[TensorSummary | None]:
    """What a lane holds after a message."""
    recording = side.recordings[lane]
    if one.wait is None:
        return []
    return [recording.tensors[number].summary for number in recording.ops[one.wait].outputs]


def _comparable(summary: TensorSummary) -> str:
    """The same for the same values: mean and deviation are rounded, by way of summing up."""
    exact = summary.numel, summary.min, summary.max, summary.nan_count, summary.inf_count
    return repr((*exact, summary.zero_fraction, summary.sample))  # NaN equals itself as text


def _holds(side: Lanes, lane: int, there: There, part: TensorSummary) -> str:
    return sentence(
        "rank {rank} has values from {min} to {max}, the first one {first}{place}",
        rank=side.ranks[lane], min=_rounded(part.min), max=_rounded(part.max),
        first=_rounded(part.sample[0] if part.sample else None),
        place=_place(side, lane, there[lane]),
    )  # fmt: skip


def _rounded(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.6g}"


# -- parts of sentences -------------------------------------------------------------------------


def _mismatch(side: Lanes, there: There, kind: str, message: str, help_: str) -> Mismatch:
    return Mismatch(kind, message, help_, 0, {lane: one.op for lane, one in there.items()})


def _each(
    side: Lanes,
    there: There,
    what: Callable[[Collective], str],
) -> str:
    """What each lane does, those that do the same on the same line together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for lane, one in there.items():
        groups.setdefault((what(one), _place(side, lane, one)), []).append(side.ranks[lane])
    return listed(
        sentence("{ranks}: {what}{place}", ranks=_ranks(ranks), what=did, place=place)
        for (did, place), ranks in groups.items()
    )


def _ranks(ranks: Iterable[int]) -> str:
    many = list(ranks)
    return counted(
        "rank {ranks}", "ranks {ranks}", len(many), ranks=", ".join(str(rank) for rank in many)
    )


def _place(side: Lanes, lane: int, one: Collective) -> str:
    source = side.op(lane, one).source
    return "" if source is None else _at(source.file, source.line)


def _at(file: str, line: int) -> str:
    return sentence(" ({file}:{line})", file=basename(file), line=line)


def _number(there: There) -> int:
    """People count from 1."""
    return next(iter(there.values())).number + 1


def _group(there: There) -> str:
    return next(iter(there.values())).group


def _way(one: Collective) -> str:
    """What a message is, with sending and receiving as one."""
    return "send" if one.kind == "recv" else one.kind


def _sizes(one: Collective) -> tuple[str, ...]:
    """What has to be equal on all ranks."""
    if one.kind in SAME_SIZE:
        return one.tensors
    return tuple(sorted({tensor.partition("[")[0] for tensor in one.tensors}))
