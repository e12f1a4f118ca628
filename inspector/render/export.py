"""A view as the bytes of a file: DOT, SVG, PNG or PDF."""

from __future__ import annotations

from inspector.errors import GraphvizMissing, GraphvizTimeout, RenderError
from inspector.render.dot import to_dot
from inspector.render.layout import layout, run_graphviz
from inspector.render.svg import to_svg
from inspector.views.model import GraphView

FORMATS = ("dot", "svg", "png", "pdf")


def to_bytes(view: GraphView, format: str, theme: str = "light", *, timeout: float = 60.0) -> bytes:
    """Return a file that shows the view.

    Args:
        view: what to draw.
        format: "dot" (needs no Graphviz), "svg" (our own drawing, complete in itself), "png" or
            "pdf" (drawn by Graphviz from the DOT text).
        theme: "light" or "dark".
        timeout: seconds that Graphviz may take.

    Raises:
        RenderError: an unknown format or theme, or a format that the Graphviz here cannot write.
        GraphvizMissing: there is no Graphviz here.
        GraphvizTimeout: it took longer than `timeout`.
    """
    if format not in FORMATS:
        raise RenderError(f"Cannot write {format!r}; the formats are: {', '.join(FORMATS)}.")
    if format == "dot":
        return to_dot(view, theme).encode("utf-8")
    if format == "svg":
        return to_svg(view, layout(view, timeout), standalone=True, theme=theme).encode("utf-8")
    size = f"{len(view.nodes):,} nodes and {len(view.edges):,} edges"
    try:
        return run_graphviz(to_dot(view, theme), format, timeout, size=size)
    except (GraphvizMissing, GraphvizTimeout):
        raise
    except RenderError as error:
        if "not recognized" not in str(error):
            raise
        raise RenderError(
            f"The Graphviz here cannot write {format.upper()}. Install a complete one (your "
            f"system's graphviz package) or `pip install pygraphviz`; or export as svg. ({error})"
        ) from error
