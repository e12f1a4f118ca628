"""Records to pictures' contents: which nodes, edges and boxes a graph shows."""

from inspector.views.backward import backward_view
from inspector.views.boxes import default_open
from inspector.views.dynamic import dynamic_view
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

__all__ = [
    "GraphView",
    "ViewBox",
    "ViewEdge",
    "ViewNode",
    "backward_view",
    "default_open",
    "dynamic_view",
]
