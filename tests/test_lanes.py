"""Ranks side by side: which message is which, and what is said where they do not fit.

The recordings are made by hand: what is wrong in them is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import inspector
from inspector.errors import RanksError
from inspector.languages import language
from inspector.records import (
    Collective,
    Failure,
    Op,
    Recording,
    Source,
    TensorInfo,
    TensorSummary,
)
from inspector.render.lane_rows import columns, lane_rows, longest_wait, summary

Sent = tuple[str, str]
"""Kind and tensor of a message."""

REDUCE, CAST = ("all_reduce", "float32[4]"), ("broadcast", "float32[4]")


def rank(
    number: int,
    *sent: Sent,
    size: int = 2,
    between: int = 2,
    group: str = "0",
    waits: Sequence[float] = (),
    results: Sequence[float] = (),
    **more: object,
) -> Recording:
    """A rank that runs `between` ops before each message; message i is sent on line i + 1.

    `waits` are the durations of the messages' ops in µs, `results` what each leaves behind.
    """
    ops: list[Op] = []
    tensors: dict[int, TensorInfo] = {}
    collectives: list[Collective] = []
    for at, (kind, tensor) in enumerate(sent):
        ops += [Op(len(ops) + i, "relu", "relu", (), ()) for i in range(between)]
        place = Source("train.py", at + 1, 0, "main")
        taken = waits[at] if waits else 10.0
        made: tuple[int, ...] = ()
        if results:
            value = results[at]
            found = TensorSummary(1, value, value, value, 0.0, 0, 0, 0.0, (), (value,))
            tensors[at] = TensorInfo(at, (1,), "float32", "cpu", False, True, summary=found)
            made = (at,)
        op = Op(len(ops), kind, kind, (), made, source=place, duration_us=taken)
        ops.append(op)
        collectives.append(
            Collective(at, op.id, kind, group, tuple(range(size)), at, (tensor,), wait=op.id)
        )
    meta = {"rank": number, "world_size": size}
    return Recording(tuple(ops), tensors, collectives=tuple(collectives), meta=meta, **more)  # type: ignore[arg-type]


def test_messages_meet_in_their_order() -> None:
    found = inspector.lanes([rank(1, REDUCE, CAST), rank(0, REDUCE, CAST)])
    assert found.ranks == (0, 1)
    assert [recording.meta["rank"] for recording in found.recordings] == [0, 1]
    assert [(m.kind, sorted(m.collectives), m.missing) for m in found.meetings] == [
        ("all_reduce", [0, 1], ()),
        ("broadcast", [0, 1], ()),
    ]
    assert found.mismatches == found.absent == ()


def test_another_call_on_one_rank_is_told_with_both_lines() -> None:
    found = inspector.lanes([rank(0, REDUCE, REDUCE, CAST), rank(1, REDUCE, CAST, REDUCE)])
    (one,) = found.mismatches
    assert (one.kind, one.meeting, one.places) == ("kind", 1, {0: 5, 1: 5})
    assert one.message == (
        "The ranks part at message 2 of group 0: rank 0: all_reduce (train.py:2), rank 1: "
        "broadcast (train.py:2)."
    )
    assert "same order" in one.help
    # After that nobody knows which belongs to which.
    assert [len(meeting.collectives) for meeting in found.meetings] == [2, 2, 1, 1]


def test_a_rank_that_never_comes_is_named() -> None:
    found = inspector.lanes([rank(0, REDUCE, REDUCE), rank(1, REDUCE)])
    (one,) = found.mismatches
    assert one.kind == "missing"
    assert one.message == (
        "Not all ranks come to message 2 of group 0: rank 0: all_reduce (train.py:2). Rank 1 never "
        "does: its recording has 1 message of this group."
    )
    assert found.meetings[1].missing == (1,)


def test_a_rank_that_failed_before_is_named_with_its_exception() -> None:
    failure = Failure("ValueError", "no batch", None, Source("data.py", 7, 0, "load"))
    found = inspector.lanes([rank(0, REDUCE, REDUCE), rank(1, REDUCE, failure=failure)])
    assert "ended before, with ValueError: no batch (data.py:7)" in found.mismatches[0].message


def test_a_rank_without_any_message_is_missing_in_all() -> None:
    found = inspector.lanes([rank(0, REDUCE), rank(1)])
    assert [one.kind for one in found.mismatches] == ["missing"]
    assert "its recording has 0 messages" in found.mismatches[0].message


@pytest.mark.parametrize("other", ["float32[3]", "float64[4]"])
def test_other_sizes_or_dtypes_are_told(other: str) -> None:
    found = inspector.lanes([rank(0, REDUCE), rank(1, ("all_reduce", other))])
    (one,) = found.mismatches
    assert one.kind == "tensors"
    assert f"rank 0: float32[4] (train.py:1), rank 1: {other} (train.py:1)" in one.message


def test_ranks_may_gather_parts_of_different_size() -> None:
    parts = [("all_gather", "float32[4]"), ("all_gather", "float32[3]")]
    assert inspector.lanes([rank(0, parts[0]), rank(1, parts[1])]).mismatches == ()
    other = ("all_gather", "int64[4]")
    assert inspector.lanes([rank(0, parts[0]), rank(1, other)]).mismatches[0].kind == "tensors"


def test_other_reductions_and_roots_are_told() -> None:
    def changed(recording: Recording, **fields: object) -> Recording:
        first = replace(recording.collectives[0], **fields)
        return replace(recording, collectives=(first,))

    sides = [changed(rank(n, REDUCE), reduction=r) for n, r in enumerate(("sum", "max"))]
    assert [one.kind for one in inspector.lanes(sides).mismatches] == ["reduction"]
    sides = [changed(rank(n, CAST), peer=n) for n in (0, 1)]
    assert [one.kind for one in inspector.lanes(sides).mismatches] == ["peer"]
    # What C++ sends does not say its reduction.
    sides = [changed(rank(n, REDUCE), reduction=r) for n, r in enumerate(("sum", ""))]
    assert inspector.lanes(sides).mismatches == ()


def test_other_values_after_a_message_that_makes_them_equal_are_told() -> None:
    sides = [rank(n, REDUCE, REDUCE, results=(3.0, 4.0 + n)) for n in (0, 1)]
    (one,) = inspector.lanes(sides).mismatches
    assert (one.kind, one.meeting) == ("values", 1)
    assert "rank 0 has values from 4 to 4" in one.message
    assert "rank 1 has values from 5 to 5" in one.message
    assert (
        inspector.lanes([rank(n, REDUCE, results=(float("nan"),)) for n in (0, 1)]).mismatches == ()
    )


def test_groups_in_another_order_are_a_deadlock() -> None:
    def both(number: int, names: str) -> Recording:
        found = rank(number, REDUCE, REDUCE)
        sent = [
            replace(one, group=name, number=0)
            for one, name in zip(found.collectives, names, strict=True)
        ]
        return replace(found, collectives=tuple(sent))

    found = inspector.lanes([both(0, "ab"), both(1, "ba")])
    (one,) = found.mismatches
    assert one.kind == "order"
    assert "wait for each other crosswise" in one.message
    assert [sorted(meeting.collectives) for meeting in found.meetings] == [[0, 1], [0, 1]]
    assert inspector.lanes([both(0, "ab"), both(1, "ab")]).mismatches == ()


def test_sends_meet_the_receives_of_the_other_end() -> None:
    def end(number: int, kinds: Sequence[tuple[str, int]], size: int = 3) -> Recording:
        found = rank(number, *[(kind, "float32[4]") for kind, _ in kinds], size=size)
        counts: dict[tuple[str, int], int] = {}
        sent = []
        for one, (kind, peer) in zip(found.collectives, kinds, strict=True):
            counts[kind, peer] = counts.get((kind, peer), -1) + 1
            sent.append(replace(one, peer=peer, number=counts[kind, peer]))
        return replace(found, collectives=tuple(sent))

    ring = [end(n, [("send", (n + 1) % 3), ("recv", (n - 1) % 3)]) for n in range(3)]
    found = inspector.lanes(ring)
    assert found.mismatches == ()
    ends = [sorted((lane, one.kind) for lane, one in m.collectives.items()) for m in found.meetings]
    assert sorted(ends) == [
        [(0, "recv"), (2, "send")],
        [(0, "send"), (1, "recv")],
        [(1, "send"), (2, "recv")],
    ]
    lost = inspector.lanes([end(0, [("send", 1)], 2), end(1, [], 2)])
    assert [one.kind for one in lost.mismatches] == ["missing"]


def test_ranks_without_a_recording_are_no_mismatch() -> None:
    found = inspector.lanes([rank(0, REDUCE, size=4), rank(3, REDUCE, size=4)])
    assert (found.absent, found.mismatches) == ((1, 2), ())
    assert "No recording of rank 1, 2 is here." in summary(found)


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        ([], "There are 0 recordings"),
        ([rank(0)], "There is 1 recording"),
        ([rank(0), rank(0)], "Two of the recordings are of rank 0"),
        ([rank(0), rank(1, size=3)], "one had 2 ranks, another 3"),
        ([rank(0), Recording((), {})], "Recording 2 does not say"),
        ([rank(0), Recording((), {}, meta={"rank": 9, "world_size": 2})], "Recording 2 does not"),
    ],
)
def test_what_are_no_ranks_of_one_run_is_refused(recordings: list[Recording], said: str) -> None:
    with pytest.raises(RanksError, match=said):
        inspector.lanes(recordings)


def test_columns_have_the_ops_between_messages_and_after_the_last() -> None:
    first = rank(0, REDUCE, CAST, between=3)
    other = rank(1, REDUCE, CAST, between=1)
    more = Op(len(other.ops), "relu", "relu", (), ())
    found = columns(inspector.lanes([first, replace(other, ops=(*other.ops, more))]))
    assert [column.ops for column in found] == [(3, 1), (7, 3), (None, None)]
    assert [column.before for column in found] == [
        ((0, 3), (0, 1)),
        ((4, 7), (2, 3)),
        ((8, 8), (4, 5)),
    ]


def test_messages_of_the_same_ops_are_one_column() -> None:
    def twice(number: int) -> Recording:
        found = rank(number, REDUCE, REDUCE)
        sent = [replace(one, op=found.ops[-1].id) for one in found.collectives]
        return replace(found, collectives=tuple(sent))

    found = columns(inspector.lanes([twice(0), twice(1)]))
    assert [len(column.meetings) for column in found] == [2, 0]


def test_who_waited_for_whom_is_told() -> None:
    sides = [rank(0, REDUCE, REDUCE, waits=(90.0, 900e3)), rank(1, REDUCE, REDUCE)]
    found = inspector.lanes(sides)
    assert longest_wait(found) == (
        "Rank 0 waited longest: 900 ms in all_reduce (train.py:2), until rank 1 came."
    )
    cells = [column["cells"] for column in lane_rows(found, language("en"))["columns"]]
    assert [[cell["waits"] for cell in column] for column in cells[:2]] == [
        [False, False],
        [True, False],
    ]
    assert longest_wait(inspector.lanes([rank(0, REDUCE), rank(1, REDUCE)])) == ""
