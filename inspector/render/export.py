"""A view as the bytes of a file: DOT, SVG, PNG or PDF."""

from __future__ import annotations

from inspector.errors import GraphvizMissing, GraphvizTimeout, RenderError
from inspector.language import Translate, sentence
from inspector.render.dot import to_dot
from inspector.render.layout import layout
from inspector.render.raster import from_svg
from inspector.render.svg import to_svg
from inspector.render.told import told_view
from inspector.views.model import GraphView

FORMATS = ("dot", "svg", "png", "pdf")


def to_bytes(
    view: GraphView,
    format: str,
    theme: str = "light",
    *,
    timeout: float = 60.0,
    translate: Translate = str,
) -> bytes:
    """Return a file that shows the view.

    Args:
        view: what to draw.
        format: "dot" (needs no Graphviz; whoever draws it lays it out anew), "svg" (our own
            drawing, complete in itself), "png" (2 pixels for each px of it, at most
            `LONGEST_SIDE` and `MOST_PIXELS`) or "pdf" (at most `LONGEST_PAGE`): the same picture
            in pixels or as a page with texts, smaller where it would be too large.
        theme: "light" or "dark".
        timeout: seconds that Graphviz may take.
        translate: tells the picture's sentences in the reader's language.

    Raises:
        RenderError: an unknown format or theme, or a format that the Graphviz here cannot write.
        GraphvizMissing: there is no Graphviz here.
        GraphvizTimeout: it took longer than `timeout`.
    """
    if format not in FORMATS:
        raise RenderError(
            sentence(
                "Cannot write {format!r}; the formats are: {formats}.",
                format=format,
                formats=", ".join(FORMATS),
            )
        )
    view = told_view(view, translate)
    if format == "dot":
        return to_dot(view, theme).encode("utf-8")
    drawn = to_svg(view, layout(view, timeout), standalone=True, theme=theme, translate=translate)
    if format == "svg":
        return drawn.encode("utf-8")
    size = sentence(
        "{nodes:,} nodes and {edges:,} edges", nodes=len(view.nodes), edges=len(view.edges)
    )
    try:
        return from_svg(drawn, format, theme, timeout=timeout, size=size)
    except (GraphvizMissing, GraphvizTimeout):
        raise
    except RenderError as error:
        if "not recognized" not in str(error):
            raise
        raise RenderError(
            sentence(
                "The Graphviz here cannot write {format}. Install a complete one (your system's "
                "graphviz package) or `pip install pygraphviz`; or export as svg. ({error})",
                format=format.upper(),
                error=error.message,
            )
        ) from error
