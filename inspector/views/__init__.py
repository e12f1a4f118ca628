"""Records to pictures' contents: which nodes, edges and boxes a graph shows."""

from inspector.views.backward import backward_view
from inspector.views.dynamic import dynamic_view
from inspector.views.index import ViewIndex, index_of
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode
from inspector.views.opening import default_open
from inspector.views.twins import twin_view

__all__ = [
    "GraphView",
    "ViewBox",
    "ViewEdge",
    "ViewIndex",
    "ViewNode",
    "backward_view",
    "default_open",
    "dynamic_view",
    "index_of",
    "twin_view",
]
