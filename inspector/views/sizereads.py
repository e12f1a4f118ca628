"""Decisions that no op read: sizes and types that reached a test or a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from inspector.records import Decision, TensorInfo
from inspector.views import words
from inspector.views.index import ViewIndex
from inspector.views.model import ViewNode
from inspector.views.sketch import Sketch
from inspector.views.visible import Visible

MOST_READS = 100
"""Of more reads in one box, the rest is not drawn."""


class SizeReads:
    """The size reads that show: those in closed boxes do not.

    Args:
        index: of the recording.
        visible: what is drawn.
    """

    def __init__(self, index: ViewIndex, visible: Visible) -> None:
        self._index = index
        self._visible = visible
        self._waiting = self._shown()
        self._next = next(self._waiting, None)
        self._drawn: list[tuple[int, Decision]] = []

    def _shown(self) -> Iterator[tuple[int, Decision, int, str | None]]:
        """(the op that ran next, the read, how often, its frame)."""
        counts: dict[int, int] = {}
        for before in sorted(self._index.reads):
            for read, count in self._index.reads[before]:
                box = self._index.box_of_read(read)
                frame = self._visible.frame_of.get(box)
                if frame is None:
                    continue
                counts[frame] = counts.get(frame, 0) + 1
                if counts[frame] <= MOST_READS:
                    yield before, read, count, self._index.boxes[frame].id or None

    def add_before(self, op: int | None, sketch: Sketch) -> None:
        """Draw the reads that happened before an op; None: all that are left."""
        while self._next is not None and (op is None or self._next[0] <= op):
            before, read, count, frame = self._next
            own = f"decision:{read.id}"
            sketch.nodes[own] = ViewNode(
                id=own,
                kind="decision",
                title=words.value(read.value),
                subtitle=read.kind,
                badge=f"×{count}" if count > 1 else "",
                box=frame,
                source=words.line(read.source),
            )
            self._drawn.append((before, read))
            self._next = next(self._waiting, None)

    def connect(
        self,
        sketch: Sketch,
        origin: Callable[[TensorInfo, str], str],
        node_of: Callable[[int], str],
    ) -> None:
        """A size read hangs on its tensor, and points at what ran next, as other decisions do."""
        recording = self._index.recording
        for before, read in self._drawn:
            own = f"decision:{read.id}"
            if read.tensor is not None:
                tensor = recording.tensors[read.tensor]
                sketch.edge(origin(tensor, own), own, words.carried(tensor))
            if before < len(recording.ops) and before not in self._index.decisions:
                sketch.edge(own, node_of(before), "", "control")
