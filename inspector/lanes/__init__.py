"""The recordings of the ranks of one run, laid side by side by the messages between them."""

from __future__ import annotations

from inspector.lanes.match import lanes

__all__ = ["lanes"]
