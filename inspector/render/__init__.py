"""Pictures of a `GraphView`: DOT text, positions, SVG, and files of several formats.

    to_dot(view)             DOT text for any Graphviz
    layout(view)             where everything goes, in px
    to_svg(view, layout)     our own SVG: classes and CSS variables, no colours
    to_bytes(view, format)   "dot", "svg", "png" or "pdf", to be saved

`theme` is the only module that knows colours.
"""

from inspector.render.dot import to_dot
from inspector.render.export import to_bytes
from inspector.render.layout import EdgePath, Layout, Rect, layout, run_graphviz
from inspector.render.svg import to_svg
from inspector.render.theme import css_variables, graph_css

__all__ = [
    "EdgePath",
    "Layout",
    "Rect",
    "css_variables",
    "graph_css",
    "layout",
    "run_graphviz",
    "to_bytes",
    "to_dot",
    "to_svg",
]
