"""An order of all meetings that agrees with the order in every lane, as far as there is one."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.meetings import Meeting


def in_order(meetings: Sequence[Meeting]) -> tuple[list[int], dict[int, int]]:
    """Sort meetings so that each lane's come in the order in which the lane sent them.

    Returns:
        The numbers of the meetings in order; and, where the lanes contradict each other, the
        first place of it: the meeting that comes next in each lane then, by lane (else empty).
    """
    queues: dict[int, list[int]] = {}
    for number, meeting in enumerate(meetings):
        for lane in meeting.collectives:
            queues.setdefault(lane, []).append(number)
    for lane, queue in queues.items():
        queue.sort(key=lambda number: meetings[number].collectives[lane].id, reverse=True)
    order: list[int] = []
    crossed: dict[int, int] = {}
    done: set[int] = set()
    while heads := {lane: queue[-1] for lane, queue in queues.items() if queue}:
        ready = [
            number
            for number in heads.values()
            if all(heads[lane] == number for lane in meetings[number].collectives)
        ]
        if not ready:
            crossed = crossed or dict(heads)
        chosen = min(ready or heads.values(), key=lambda number: _far(meetings[number]))
        order.append(chosen)
        done.add(chosen)
        for queue in queues.values():
            while queue and queue[-1] in done:
                queue.pop()
    return order, crossed


def _far(meeting: Meeting) -> int:
    """How far into the run it is: the place in the lane where it comes first."""
    return min(one.id for one in meeting.collectives.values())
