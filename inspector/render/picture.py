"""`to_graphviz`: a recording or IR graph as DOT that shows itself in a notebook."""

from __future__ import annotations

import graphviz

from inspector.errors import RenderError
from inspector.language import sentence
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.dot import to_dot
from inspector.views import backward_view, default_open, dynamic_view
from inspector.views.static import static_view


def to_graphviz(
    subject: Recording | StaticGraph,
    graph: str = "dynamic",
    *,
    overlay: Overlay | None = None,
    theme: str = "light",
) -> graphviz.Source:
    """Draw one of the three graphs with the `graphviz` package.

    In a notebook the result shows itself where a `dot` program is installed; `.source` is
    the DOT text everywhere. `python -m inspector export` and the app draw without `dot` too.

    Args:
        subject: a recording, or a static graph.
        graph: "dynamic" or "backward", for a recording.
        overlay: what a recording ran of the static graph: it is lit.
        theme: "light" or "dark".

    Raises:
        RenderError: there is no such graph or theme, or no backward pass was recorded.
    """
    if isinstance(subject, StaticGraph):
        return graphviz.Source(to_dot(static_view(subject, overlay), theme))
    if graph not in ("dynamic", "backward"):
        raise RenderError(
            sentence('graph must be "dynamic" or "backward", not {graph!r}.', graph=graph)
        )
    if graph == "backward" and not subject.grad_nodes:
        raise RenderError(sentence("No backward pass was recorded: record with a loss."))
    opened = default_open(subject)
    view = dynamic_view(subject, opened) if graph == "dynamic" else backward_view(subject, opened)
    return graphviz.Source(to_dot(view, theme))
