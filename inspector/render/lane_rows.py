"""The ranks of a run as rows side by side: what stands in each column, for a page to draw.

A column is a message between ranks; in front of it stand the ops that each rank ran since the one
before. What one op sends in several messages (`all_gather_object`) is one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from os.path import basename
from typing import Any

from inspector.language import Translate, counted, listed, sentence, sentences
from inspector.meetings import Lanes, Meeting
from inspector.records import Op
from inspector.render.cardparts import duration_text
from inspector.render.messagewords import message_text

Json = dict[str, Any]

LATE_US = 5000.0
"""A wait that is shorter than this is never told as one for somebody who is late."""


@dataclass(frozen=True, slots=True)
class Column:
    """Meetings of the same ops. `before` is, per lane, the first and the end of the ops that ran
    before it and after the column in front; `ops` the op of each lane that is part of it.
    """

    meetings: tuple[Meeting, ...]
    ops: tuple[int | None, ...]
    before: tuple[tuple[int, int], ...]


def columns(lanes: Lanes) -> list[Column]:
    """All columns, and a last one without meetings for what ran after them."""
    found: list[Column] = []
    reached = [0] * len(lanes.ranks)
    for group in _of_same_ops(lanes.meetings):
        first = group[0]
        ops = tuple(
            first.collectives[lane].op if lane in first.collectives else None
            for lane in range(len(lanes.ranks))
        )
        before = tuple(
            (reached[lane], max(reached[lane], op) if op is not None else reached[lane])
            for lane, op in enumerate(ops)
        )
        found.append(Column(tuple(group), ops, before))
        reached = [
            reached[lane] if op is None else max(reached[lane], op + 1)
            for lane, op in enumerate(ops)
        ]
    ends = tuple(
        (reached[lane], len(recording.ops)) for lane, recording in enumerate(lanes.recordings)
    )
    found.append(Column((), (None,) * len(lanes.ranks), ends))
    return found


def _of_same_ops(meetings: Sequence[Meeting]) -> list[list[Meeting]]:
    groups: list[list[Meeting]] = []
    for meeting in meetings:
        if groups and _ops(groups[-1][0]) == _ops(meeting) and meeting.mismatch is None:
            groups[-1].append(meeting)
        else:
            groups.append([meeting])
    return groups


def _ops(meeting: Meeting) -> dict[int, int]:
    return {lane: one.op for lane, one in meeting.collectives.items()}


def lane_rows(lanes: Lanes, tell: Translate, part: Sequence[Column] | None = None) -> Json:
    """What a page draws.

    Args:
        lanes: the ranks.
        tell: tells a sentence in the reader's language.
        part: of the columns, those that are shown; None for all.
    """
    shown = columns(lanes) if part is None else part
    several = len({meeting.group for meeting in lanes.meetings}) > 1
    return {
        "lanes": [
            {
                "name": tell(sentence("rank {rank}", rank=rank)),
                "failed": recording.failure is not None,
                "title": tell(counted("{count} op", "{count} ops", len(recording.ops))),
            }
            for rank, recording in zip(lanes.ranks, lanes.recordings, strict=True)
        ],
        "columns": [_column(lanes, column, several, tell) for column in shown],
    }


def _column(lanes: Lanes, column: Column, several: bool, tell: Translate) -> Json:
    wrong = [one.mismatch for one in column.meetings if one.mismatch is not None]
    missing = {lane for meeting in column.meetings for lane in meeting.missing}
    late = _late(lanes, column)
    return {
        "group": tell(sentence("group {name}", name=column.meetings[0].group))
        if several and column.meetings
        else "",
        "wrong": bool(wrong),
        "title": "\n".join(tell(lanes.mismatches[number].message) for number in wrong),
        "between": [_between(lanes, lane, span, tell) for lane, span in enumerate(column.before)],
        "cells": [
            _cell(lanes, lane, column, op, late, tell)
            if op is not None
            else {"missing": True, "title": tell(_NEVER)}
            if lane in missing
            else None
            for lane, op in enumerate(column.ops)
        ],
    }


_NEVER = sentence("This rank never comes to this message.")


def _between(lanes: Lanes, lane: int, span: tuple[int, int], tell: Translate) -> Json | None:
    first, end = span
    if first >= end:
        return None
    recording = lanes.recordings[lane]
    failure = recording.failure
    failed = failure is not None and failure.op is not None and first <= failure.op < end
    names = dict.fromkeys(op.name for op in recording.ops[first:end])
    some = ", ".join(list(names)[:6]) + (", …" if len(names) > 6 else "")
    return {
        "text": tell(counted("{count} op", "{count} ops", end - first)),
        "op": failure.op if failed and failure is not None else first,
        "first": first,
        "end": end,
        "failed": failed,
        "title": tell(
            sentence("ops {first} to {last}: {names}", first=first, last=end - 1, names=some)
        ),
    }


def _cell(
    lanes: Lanes, lane: int, column: Column, number: int, late: float | None, tell: Translate
) -> Json:
    op = lanes.recordings[lane].ops[number]
    one = column.meetings[0].collectives[lane]
    waited = lanes.waited_us(lane, one)
    return {
        "text": op.name,
        "op": number,
        "wait": one.wait,
        "time": "" if waited is None else tell(duration_text(waited)),
        "waits": late is not None and waited is not None and waited > late,
        "title": "\n".join(tell(text) for text in _told(lanes, lane, column, op, waited)),
    }


def _told(lanes: Lanes, lane: int, column: Column, op: Op, waited: float | None) -> list[str]:
    """What a cell says when it is pointed at."""
    place = "" if op.source is None else f" ({basename(op.source.file)}:{op.source.line})"
    sent = [one.collectives[lane] for one in column.meetings]
    found: list[str] = [sentence("op {id}: {name}{place}", id=op.id, name=op.name, place=place)]
    found += [message_text(one) for one in sent[:4]]
    if waited is not None:
        found.append(sentence("waited {time}", time=duration_text(waited)))
    elif sent[0].wait is None:
        found.append(sentence("nobody was seen waiting for it"))
    return found


def _late(lanes: Lanes, column: Column) -> float | None:
    """The time in µs beyond which a lane has waited for another one that came late."""
    waits = _waits(lanes, column)
    if len(waits) < 2:
        return None
    least, most = min(waits.values()), max(waits.values())
    return (least + most) / 2 if most - least > max(LATE_US, most / 2) else None


def _waits(lanes: Lanes, column: Column) -> dict[int, float]:
    if not column.meetings:
        return {}
    found = {
        lane: lanes.waited_us(lane, one) for lane, one in column.meetings[0].collectives.items()
    }
    return {lane: waited for lane, waited in found.items() if waited is not None}


def longest_wait(lanes: Lanes) -> str:
    """Which rank waited longest for another one, in a sentence; "" where none did notably."""
    best: tuple[float, int, Column] | None = None
    for column in columns(lanes):
        if _late(lanes, column) is None:
            continue
        waits = _waits(lanes, column)
        lane = max(waits, key=lambda number: waits[number])
        if best is None or waits[lane] > best[0]:
            best = waits[lane], lane, column
    if best is None:
        return ""
    waited, lane, column = best
    waits = _waits(lanes, column)
    last = min(waits, key=lambda number: waits[number])
    op = lanes.op(lane, column.meetings[0].collectives[lane])
    place = "" if op.source is None else f" ({basename(op.source.file)}:{op.source.line})"
    return sentence(
        "Rank {rank} waited longest: {time} in {name}{place}, until rank {other} came.",
        rank=lanes.ranks[lane],
        time=duration_text(waited),
        name=op.name,
        place=place,
        other=lanes.ranks[last],
    )


def summary(lanes: Lanes) -> str:
    """Ranks, messages and whether they fit, in a sentence."""
    told = [
        counted(
            "{count} message between {ranks} of {size} ranks.",
            "{count} messages between {ranks} of {size} ranks.",
            len(lanes.meetings),
            ranks=len(lanes.ranks),
            size=lanes.world_size,
        )
    ]
    if lanes.absent:
        told.append(
            sentence(
                "No recording of rank {ranks} is here.",
                ranks=listed(str(rank) for rank in lanes.absent),
            )
        )
    if not lanes.mismatches:
        told.append(sentence("They fit together on all ranks."))
    return sentences(*told)


def lanes_asset(name: str) -> str:
    """The text of a file that draws the rows: "lanes.js" or "lanes.css"."""
    folder = resources.files("inspector.render") / "assets" / "lanes"
    return (folder / name).read_text(encoding="utf-8")
