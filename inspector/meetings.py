"""What `inspector.lanes` finds: the ranks of one run side by side, and where they meet.

Lanes
├── recordings   Recording   one per rank, in the order of the ranks: the lanes
├── meetings     Meeting     one message, with what each lane has to do with it
└── mismatches   Mismatch    where the lanes do not fit together, the first one first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.records import Collective, Op, Recording


@dataclass(frozen=True, slots=True)
class Meeting:
    """One message of a process group, or what takes its place where the lanes do not fit.

    `id` counts from 0 in an order in which all lanes can have been. `collectives` maps the number
    of a lane to its `Collective`; `missing` are lanes that belong to the message and never send
    it. `mismatch` is the number of what is wrong with it in `Lanes.mismatches`.
    """

    id: int
    kind: str
    group: str
    number: int
    collectives: Mapping[int, Collective]
    missing: tuple[int, ...] = ()
    mismatch: int | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Lanes that do not fit together.

    `kind` is "missing" (a rank never comes), "kind" (other messages), "tensors" (other sizes or
    dtypes), "reduction", "peer" (another root), "order" (they wait for each other) or "values"
    (they hold other values where they should be equal). `message` says who, what and where,
    `help` what to do. `places` maps lanes to the ops that it is about.
    """

    kind: str
    message: str
    help: str
    meeting: int
    places: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Lanes:
    """The ranks of one run: `ranks[i]` is the rank of `recordings[i]`, in ascending order.

    `world_size` is how many ranks the run had; those without a recording are `absent`.
    """

    recordings: tuple[Recording, ...] = field(repr=False)
    ranks: tuple[int, ...]
    world_size: int
    meetings: tuple[Meeting, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def absent(self) -> tuple[int, ...]:
        """Ranks of the run that have no recording here."""
        return tuple(rank for rank in range(self.world_size) if rank not in self.ranks)

    def op(self, lane: int, collective: Collective) -> Op:
        """The op that sent a message in a lane."""
        return self.recordings[lane].ops[collective.op]

    def waited_us(self, lane: int, collective: Collective) -> float | None:
        """How long a lane waited for a message, in µs; None where nobody was seen waiting.

        One op can wait for several messages; then this is the time for all of them. Nothing is
        known of what C++ sent: it waits where nobody sees it.
        """
        if collective.wait is None or self.op(lane, collective).function.startswith("c10d."):
            return None
        return self.recordings[lane].ops[collective.wait].duration_us
