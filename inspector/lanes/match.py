"""Which message of one rank is which of another: by group and order, as torch itself goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from inspector.errors import RanksError
from inspector.lanes.misfits import never_comes, unequal_values, unlike, waiting_crosswise
from inspector.lanes.order import in_order
from inspector.language import counted, sentence
from inspector.meetings import Lanes, Meeting, Mismatch
from inspector.ranks import rank_of
from inspector.records import Collective, Recording

ONE_TO_ONE = ("send", "recv")

Row = Mapping[int, Sequence[Collective]]
"""The messages of one group, or of one rank to another, by lane."""


def lanes(recordings: Iterable[Recording]) -> Lanes:
    """Lay the recordings of the ranks of one run side by side.

    Args:
        recordings: one per rank, in any order; not all ranks need one.

    Raises:
        RanksError: fewer than two recordings, one that is not of a run of several processes, two
            of the same rank, or of runs of different size.
    """
    ranks, size, sides = _sides(recordings)
    together = Lanes(sides, ranks, size, (), ())
    found: list[Meeting] = []
    problems: list[tuple[int, Mismatch]] = []
    shared = [_shared(recording) for recording in sides]
    for row in _rows(together):
        _match(together, row, found, problems, shared)
    order, crossed = in_order(found)
    place = {number: at for at, number in enumerate(order)}
    meetings = [replace(found[number], id=at) for at, number in enumerate(order)]
    if crossed and (problem := waiting_crosswise(together, found, crossed)) is not None:
        problems.append(problem)
    told = sorted(((place[number], problem) for number, problem in problems), key=_first)
    for at, (number, _) in reversed(list(enumerate(told))):
        meetings[number] = replace(meetings[number], mismatch=at)
    mismatches = tuple(replace(problem, meeting=number) for number, problem in told)
    return replace(together, meetings=tuple(meetings), mismatches=mismatches)


def _first(problem: tuple[int, Mismatch]) -> int:
    return problem[0]


def _sides(recordings: Iterable[Recording]) -> tuple[tuple[int, ...], int, tuple[Recording, ...]]:
    by_rank: dict[int, Recording] = {}
    sizes: set[int] = set()
    for number, recording in enumerate(recordings, 1):
        known = rank_of(recording.meta)
        if known is None:
            raise RanksError(
                sentence(
                    "Recording {number} does not say which of several processes it is of. Lanes "
                    "are for the files that `torchrun ... -m inspector record` writes, one per "
                    "rank.",
                    number=number,
                )
            )
        if known[0] in by_rank:
            raise RanksError(
                sentence("Two of the recordings are of rank {rank}: choose one.", rank=known[0])
            )
        by_rank[known[0]] = recording
        sizes.add(known[1])
    if len(by_rank) < 2:
        raise RanksError(
            counted(
                "There is {count} recording; lanes need those of two ranks at least.",
                "There are {count} recordings; lanes need those of two ranks at least.",
                len(by_rank),
            )
        )
    if len(sizes) > 1:
        raise RanksError(
            sentence(
                "The recordings are of different runs: one had {size} ranks, another {other}.",
                size=min(sizes),
                other=max(sizes),
            )
        )
    ranks = tuple(sorted(by_rank))
    return ranks, sizes.pop(), tuple(by_rank[rank] for rank in ranks)


def _rows(side: Lanes) -> Iterator[Row]:
    """The messages that have to fit, by lane: of each group, and of each pair and direction."""
    rows: dict[tuple[object, ...], dict[int, list[Collective]]] = {}
    for lane, recording in enumerate(side.recordings):
        for one in recording.collectives:
            key: tuple[object, ...] = one.group, one.ranks
            members: Iterable[int | None] = one.ranks
            if one.kind in ONE_TO_ONE:
                ends = (side.ranks[lane], one.peer)
                members = ends if one.kind == "send" else ends[::-1]
                key += (tuple(members),)
            # A lane with nothing to show for a message that it belongs to is there, empty.
            row = rows.setdefault(
                key, {at: [] for at, rank in enumerate(side.ranks) if rank in members}
            )
            row.setdefault(lane, []).append(one)
    return iter(rows.values())


def _match(
    side: Lanes,
    row: Row,
    found: list[Meeting],
    problems: list[tuple[int, Mismatch]],
    shared: Sequence[frozenset[int]],
) -> None:
    """Add the meetings of one row, and the first thing that is wrong with it."""
    apart = False
    for number in range(max(map(len, row.values()))):
        there = {lane: sent[number] for lane, sent in row.items() if number < len(sent)}
        missing = tuple(lane for lane in row if lane not in there)
        if apart:  # from here on nobody knows which belongs to which
            found += [_meeting({lane: one}) for lane, one in there.items()]
            continue
        problem = never_comes(side, there, missing, row) if missing else unlike(side, there)
        apart = problem is not None and problem.kind in ("missing", "kind")
        found.append(_meeting(there, missing))
        if problem is None and not any(one.wait in shared[lane] for lane, one in there.items()):
            problem = unequal_values(side, there)
        if problem is not None:
            problems.append((len(found) - 1, problem))


def _shared(recording: Recording) -> frozenset[int]:
    """Ops that waited for several messages: what they wrote is not told apart."""
    waits = Counter(one.wait for one in recording.collectives if one.wait is not None)
    return frozenset(op for op, count in waits.items() if count > 1)


def _meeting(there: Mapping[int, Collective], missing: tuple[int, ...] = ()) -> Meeting:
    first = next(iter(there.values()))
    kind = "send" if first.kind in ONE_TO_ONE else first.kind
    return Meeting(0, kind, first.group, first.number, there, missing)
