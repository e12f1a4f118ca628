"""Where each node, edge and box goes: box by box, from the innermost outwards.

    nest.py      boxes within boxes, edges cut at the borders they cross
    framing.py   a box's content as a job, its drawing with a frame; the inner boxes first
    drawer.py    jobs to drawings, remembered by structure:
        packing.py   unconnected pieces apart, and packed
        dotjob.py    a piece by Graphviz, run by pool.py and read by dotanswer.py
        layered.py   a piece by ourselves, where Graphviz would need minutes
        lanes.py     edges that Graphviz is not given
    placing.py   every drawing at its place in the picture

So equal boxes are laid out once, opening a box lays out that box and those around it, and what is
inside the others stays as it was. (`dot` on a whole graph takes 7 s for 3,000 nodes.) Graphviz is
given fixed sizes and no text, so positions depend on no font, and are the same with an installed
`dot` as with the Graphviz inside the pygraphviz wheel (of the same version).
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.making import uncollected
from inspector.render.dot import direction
from inspector.render.drawer import Drawer
from inspector.render.framing import framed_boxes
from inspector.render.lanes import ARROW
from inspector.render.nest import nest
from inspector.render.placing import EdgePath, Layout, Point, Rect, placed
from inspector.render.pool import Cancelled, Pool
from inspector.render.process import find_graphviz, run_graphviz
from inspector.views.model import GraphView

__all__ = ["ARROW", "Cancelled", "EdgePath", "Layout", "Point", "Rect", "layout", "run_graphviz"]

_EMPTY_SIZE = (240.0, 80.0)


def layout(
    view: GraphView, timeout: float = 20.0, cancelled: Callable[[], bool] | None = None
) -> Layout:
    """Compute positions for a view.

    What Graphviz cannot draw in time is laid out more simply; `Layout.notes` says so.

    Args:
        view: what to draw.
        timeout: seconds that Graphviz may take for all of it.
        cancelled: asked often, from this thread; True ends the work.

    Raises:
        GraphvizMissing: there is no Graphviz here.
        Cancelled: `cancelled` said so.
        RenderError: Graphviz is broken.
    """
    if not view.nodes and not view.boxes:
        return Layout(*_EMPTY_SIZE)
    view = view.room or view
    turn = direction(view)
    # With a big recording in memory, looking through it for garbage takes longer than the layout.
    with uncollected(), Pool(find_graphviz(), timeout, cancelled) as pool:
        nested, routes = nest(view)
        drawer = Drawer(pool)
        framed = framed_boxes(nested, turn, drawer)
        return placed(view, nested, framed, routes, turn, drawer.notes())
