"""A view while it is put together: nodes by id, and edges that join those of one kind."""

from __future__ import annotations

from inspector.views import words
from inspector.views.model import ViewEdge, ViewNode


class Sketch:
    """Nodes and edges of a view to be.

    Attributes:
        nodes: by id, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, ViewNode] = {}
        self._labels: dict[tuple[str, str, str, bool], dict[str, None]] = {}

    def edge(
        self, source: str, target: str, label: str, kind: str = "data", up: bool = False
    ) -> None:
        """Add an edge, or a label to the one that is there; none from a node to itself."""
        if source != target:
            self._labels.setdefault((source, target, kind, up), {})[label] = None

    def edges(self) -> list[ViewEdge]:
        """The edges, in the order in which they were added."""
        return [
            ViewEdge(source, target, _joined([label for label in labels if label]), kind, up)
            for (source, target, kind, up), labels in self._labels.items()
        ]


def _joined(labels: list[str]) -> str:
    if not labels:
        return ""
    return words.spaced((labels[0], f"+{len(labels) - 1}" if len(labels) > 1 else ""))
