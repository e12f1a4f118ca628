"""Our SVG as PNG or PDF, by Graphviz's own renderers: the same picture, not another layout.

styles.py    the CSS of a drawing, as far as `theme` uses it
curves.py    the paths of a drawing as chains of Bézier curves
drawing.py   a drawing as DOT text in which everything has its place already
write.py     that text through Graphviz, at a scale within the formats' limits
"""

from __future__ import annotations

from inspector.render.raster.write import LONGEST_PAGE, LONGEST_SIDE, MOST_PIXELS, from_svg

__all__ = ["LONGEST_PAGE", "LONGEST_SIDE", "MOST_PIXELS", "from_svg"]
