"""The only place with colours: two palettes, and the CSS that applies them to a drawing.

A drawing names roles ("op-fill", "edge", "failed"), never colours. On a page the roles are CSS
variables, so that changing between light and dark redraws nothing; in a file that must stand
alone they are replaced by the colours themselves, since many viewers know no CSS variables.

Contrasts follow WCAG 2.1 AA: 4.5:1 for text (success criterion 1.4.3), 3:1 for the outlines and
edges that carry meaning (1.4.11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from inspector.errors import RenderError
from inspector.language import sentence
from inspector.views.model import NODE_KINDS

HEAT_STEPS = "abcdefgh"
"""A scale from low to high, in even steps of OKLCH lightness (Ottosson 2020) while the hue goes
from yellow over green to blue: lightness alone tells the order, to those who see fewer colours
too. The light end is low on a light page, the dark end on a dark one: low is near the canvas."""

_RAMP = "#f8f6d0 #c3e4a6 #76d29c #0db9a6 #0b97a7 #0876a1 #1e51a0 #392f78"
_DARK_RAMP = "#342f64 #214c8f #026f97 #098e9c #05af9b #4ace82 #b0df70 #f9eb80"


def _heat(ramp: str, *, dark_ink: str) -> dict[str, str]:
    """Roles of a scale: each step's colour, and the ink that can be read on it."""
    fills = {f"heat-{s}": colour for s, colour in zip(HEAT_STEPS, ramp.split(), strict=True)}
    inks = {f"heat-{s}-text": "#11151b" if s in dark_ink else "#ffffff" for s in HEAT_STEPS}
    return fills | inks


_LIGHT = {
    "canvas": "#ffffff",
    "text": "#1b2430",
    "muted": "#525d6b",
    "edge": "#7c8794",
    "edge-control": "#8a63b8",
    "edge-grad": "#b8578f",
    "edge-write": "#b5681c",
    "box-fill": "#f4f6f9",
    "box-fill-alt": "#ffffff",
    "box-stroke": "#c3ccd7",
    "op-fill": "#eaf1fb",
    "op-stroke": "#557fba",
    "input-fill": "#e5f5ea",
    "input-stroke": "#3f9160",
    "output-fill": "#e5f5ea",
    "output-stroke": "#3f9160",
    "parameter-fill": "#fdf3dc",
    "parameter-stroke": "#ad8023",
    "decision-fill": "#f3eafc",
    "decision-stroke": "#8d62be",
    "constant-fill": "#eef0f3",
    "constant-stroke": "#838d99",
    "grad-fill": "#fcebf4",
    "grad-stroke": "#bb5e93",
    "accumulate-fill": "#fcebf4",
    "accumulate-stroke": "#bb5e93",
    "branch-fill": "#f3eafc",
    "branch-stroke": "#8d62be",
    "loop-fill": "#e0f3f4",
    "loop-stroke": "#2f8f95",
    "box-closed-fill": "#ffffff",
    "box-closed-stroke": "#64748b",
    "failed": "#cf222e",
    "failed-fill": "#ffebe9",
    "nonfinite": "#b35309",
    "executed": "#1a7f37",
    "selected": "#0a63d1",
    "stage-new": "#1a7f37",
    "stage-gone": "#cf222e",
    "stage-fused": "#8250c4",
    "stage-unrolled": "#0a63d1",
    "stage-replaced": "#b35309",
    "side-a": "#a8480a",
    "side-a-fill": "#fdefe2",
    "side-b": "#6a35b8",
    "side-b-fill": "#f1eafc",
    "side-changed": "#1b2430",
    "mark-text": "#ffffff",
    "value-low": "#23518f",
    "value-lower": "#93b7dd",
    "value-zero": "#f6f6f3",
    "value-higher": "#f0b27f",
    "value-high": "#9c4406",
    **_heat(_RAMP, dark_ink="abcde"),
}

_DARK = {
    "canvas": "#11151b",
    "text": "#e8edf3",
    "muted": "#a9b4c1",
    "edge": "#7f8b99",
    "edge-control": "#ad8bd8",
    "edge-grad": "#d583b3",
    "edge-write": "#d9924a",
    "box-fill": "#181d25",
    "box-fill-alt": "#11151b",
    "box-stroke": "#3a4452",
    "op-fill": "#1c2a3f",
    "op-stroke": "#6590cb",
    "input-fill": "#17301f",
    "input-stroke": "#4fa672",
    "output-fill": "#17301f",
    "output-stroke": "#4fa672",
    "parameter-fill": "#35290f",
    "parameter-stroke": "#c1943a",
    "decision-fill": "#2e2140",
    "decision-stroke": "#a57fd6",
    "constant-fill": "#232932",
    "constant-stroke": "#7f8b99",
    "grad-fill": "#3a1d2f",
    "grad-stroke": "#cf7aab",
    "accumulate-fill": "#3a1d2f",
    "accumulate-stroke": "#cf7aab",
    "branch-fill": "#2e2140",
    "branch-stroke": "#a57fd6",
    "loop-fill": "#123034",
    "loop-stroke": "#47a6ac",
    "box-closed-fill": "#222935",
    "box-closed-stroke": "#8796aa",
    "failed": "#ff7b72",
    "failed-fill": "#3d1a1c",
    "nonfinite": "#f0883e",
    "executed": "#56c271",
    "selected": "#6cb0ff",
    "stage-new": "#56c271",
    "stage-gone": "#ff7b72",
    "stage-fused": "#b78af5",
    "stage-unrolled": "#6cb0ff",
    "stage-replaced": "#f0883e",
    "side-a": "#f0883e",
    "side-a-fill": "#35220f",
    "side-b": "#b78af5",
    "side-b-fill": "#291d3e",
    "side-changed": "#e8edf3",
    "mark-text": "#11151b",
    "value-low": "#9accff",
    "value-lower": "#3d76b8",
    "value-zero": "#252b34",
    "value-higher": "#a8632a",
    "value-high": "#ffcb94",
    **_heat(_DARK_RAMP, dark_ink="defgh"),
}

THEMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"light": MappingProxyType(_LIGHT), "dark": MappingProxyType(_DARK)}
)
"""Theme name -> role -> colour ("#rrggbb"). Both themes have the same roles."""

STAGE_FLAGS = ("new", "gone", "fused", "unrolled", "replaced")
"""What became of an IR node between two stages; each has a role "stage-FLAG" and a mark."""

VALUE_SCALE = ("value-low", "value-lower", "value-zero", "value-higher", "value-high")
"""Roles of the colours of numbers: blue below zero, orange above it, in equal steps. Blue and
orange are told apart with every common kind of colour blindness, and lightness tells the size."""

CHINESE = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC'"
"""Fonts of systems with Chinese glyphs: without a name, a browser may take Japanese ones."""

FONT = (
    f"Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', {CHINESE}, sans-serif"
)
MONO = (
    "ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', "
    f"{CHINESE}, monospace"
)
TITLE_SIZE = 13.0
SUBTITLE_SIZE = 11.0
LABEL_SIZE = 10.5
BADGE_SIZE = 10.0
"""Font sizes in px; `measure` computes the room that text needs from the same numbers."""


def palette(theme: str) -> Mapping[str, str]:
    """Return the colours of `theme` ("light" or "dark"), by role.

    Raises:
        RenderError: there is no such theme.
    """
    if theme not in THEMES:
        raise RenderError(
            sentence(
                "There is no theme {theme!r}; choose one of: {known}.",
                theme=theme,
                known=", ".join(THEMES),
            )
        )
    return THEMES[theme]


def colour_role(kind: str) -> str:
    """Return the stem of the roles that colour nodes of `kind`: unknown kinds look like "op"."""
    if kind == "box":
        return "box-closed"
    return kind if kind in NODE_KINDS else "op"


def css_variables(theme: str) -> str:
    """Return the theme as CSS declarations, one a line, to be put inside a rule of your choice.

    >>> css_variables("light").splitlines()[0]
    '--graph-canvas: #ffffff;'
    """
    return "\n".join(f"--graph-{role}: {colour};" for role, colour in palette(theme).items())


def resolved_css(theme: str) -> str:
    """Return `graph_css()` with each variable replaced by the theme's colour."""
    colours = palette(theme)
    return re.sub(r"var\(--graph-([a-z-]+)\)", lambda m: colours[m[1]], graph_css())


def graph_css() -> str:
    """Return the CSS rules of a drawing's classes; colours are `var(--graph-ROLE)`.

    The same text styles a drawing inside a page and, resolved, one in a file. What a page marks
    (selected, linked, dimmed) is the page's own affair.
    """
    kinds = "\n".join(
        f".graph .node.{kind} .outline {{ fill: var(--graph-{colour_role(kind)}-fill); "
        f"stroke: var(--graph-{colour_role(kind)}-stroke); }}\n"
        f".graph .node.{kind} .detail {{ stroke: var(--graph-{colour_role(kind)}-stroke); }}\n"
        f".graph .node.{kind} .solid {{ fill: var(--graph-{colour_role(kind)}-stroke); }}"
        for kind in NODE_KINDS
    )
    stages = "\n".join(map(_stage_rules, STAGE_FLAGS))
    steps = "\n".join(map(_heat_rules, HEAT_STEPS))
    sides = "\n".join(map(_side_rules, "ab"))
    states = _STATE_CSS + stages + _GONE_CSS + sides + _SIDES_CSS + _MORPH_CSS
    return _BASE_CSS + kinds + states + steps


def _heat_rules(step: str) -> str:
    fill = f"var(--graph-heat-{step})"
    return (
        f".graph .node.heat-{step} > .outline {{ fill: {fill}; }}\n"
        f".graph .node.heat-{step} > :is(.title, .subtitle) {{ "
        f"fill: var(--graph-heat-{step}-text); }}"
    )


def _stage_rules(flag: str) -> str:
    colour = f"var(--graph-stage-{flag})"
    return (
        f".graph .node.{flag} .outline {{ stroke: {colour}; stroke-width: 2.2; }}\n"
        f".graph .box.{flag}:not(.node) > rect {{ stroke: {colour}; stroke-width: 2; }}\n"
        f".graph .mark-{flag} .plate {{ fill: {colour}; }}"
    )


def _side_rules(side: str) -> str:
    """What only one of two runs has: its colour, its line (A broken, B heavy) and its letter."""
    flag, colour, fill = (
        f"only-{side}",
        f"var(--graph-side-{side})",
        f"var(--graph-side-{side}-fill)",
    )
    line = "stroke-width: 2; stroke-dasharray: 7 3;" if side == "a" else "stroke-width: 2.6;"
    return (
        f".graph .node.{flag} .outline {{ fill: {fill}; stroke: {colour}; {line} }}\n"
        f".graph .node.{flag} .detail {{ stroke: {colour}; }}\n"
        f".graph .box.{flag}:not(.node) > rect {{ stroke: {colour}; {line} }}\n"
        f".graph .box.{flag}:not(.node) .badge-plate {{ fill: {colour}; }}\n"
        f".graph .edge.{flag} path {{ stroke: {colour}; {line} }}\n"
        f".graph .mark-{flag} .plate {{ fill: {colour}; }}\n"
        f".graph .badge-{side} .badge-plate {{ fill: {colour}; }}"
    )


_SIDES_CSS = """
.graph .edge.only-a path { stroke-width: 1.5; }
.graph .edge.only-b path { stroke-width: 2.2; }
.graph .mark-changed .plate { fill: var(--graph-side-changed); }
"""

_MORPH_CSS = """
.graph .node.arrived .outline { stroke: var(--graph-stage-new); stroke-width: 2.6; }
.graph .box.arrived:not(.node) > rect { stroke: var(--graph-stage-new); stroke-width: 2.2; }
.graph .edge.arrived path { stroke: var(--graph-stage-new); stroke-width: 2.2; }
.graph .box.arrived:not(.node) .badge-plate, .graph .mark-arrived .plate {
  fill: var(--graph-stage-new); }
.graph .vanished { opacity: 0.72; }
.graph .vanished :is(.title, .subtitle, .box-title, .box-subtitle, .edge-label) {
  fill: var(--graph-text); font-weight: 400; }
.graph .node.vanished .outline, .graph .box.vanished:not(.node) > rect {
  fill: var(--graph-canvas); stroke: var(--graph-muted); stroke-dasharray: 2 3; }
.graph .edge.vanished path { stroke: var(--graph-muted); stroke-dasharray: 2 3; }
.graph .mark-vanished .plate { fill: var(--graph-stage-gone); }
.graph .mark-altered .plate { fill: var(--graph-side-changed); }
"""

_BASE_CSS = f"""
.graph {{ font-family: {FONT}; }}
.graph .canvas {{ fill: var(--graph-canvas); }}
.graph text {{ fill: var(--graph-text); stroke: none; }}
.graph .box:not(.node) > rect {{ fill: var(--graph-box-fill); stroke: var(--graph-box-stroke); }}
.graph .box.level-1:not(.node) > rect {{ fill: var(--graph-box-fill-alt); }}
.graph .box.block:not(.node) > rect, .graph .box.step:not(.node) > rect {{
  stroke: var(--graph-muted); stroke-dasharray: 5 3; }}
.graph .box.loop:not(.node) > rect, .graph .box.trip:not(.node) > rect,
.graph .box.repeat:not(.node) > rect {{ stroke: var(--graph-loop-stroke); stroke-width: 1.4; }}
.graph .box.trip:not(.node) > rect {{ stroke-dasharray: 9 4; }}
.graph .box.range:not(.node) > rect {{ stroke: var(--graph-muted); stroke-dasharray: 1.5 4;
  stroke-width: 1.6; stroke-linecap: round; }}
.graph .box-title {{ font-size: {TITLE_SIZE}px; font-weight: 600; }}
.graph .box-subtitle {{ font-family: {MONO}; font-size: {SUBTITLE_SIZE}px; }}
.graph .box-subtitle, .graph .subtitle, .graph .note {{ fill: var(--graph-muted); }}
.graph .note {{ font-size: {SUBTITLE_SIZE}px; }}
.graph .box-toggle {{ cursor: pointer; }}
.graph .box-toggle rect {{ fill: var(--graph-canvas); stroke: var(--graph-muted); }}
.graph .box-toggle path {{ fill: none; stroke: var(--graph-muted); stroke-width: 1.4; }}
.graph .edge {{ pointer-events: none; }}
.graph .edge path {{ fill: none; stroke: var(--graph-edge); stroke-width: 1.3; }}
.graph .edge.control path {{ stroke: var(--graph-edge-control); stroke-dasharray: 6 4; }}
.graph .edge.grad path {{ stroke: var(--graph-edge-grad); }}
.graph .edge.carried path {{ stroke: var(--graph-loop-stroke); stroke-dasharray: 9 3; }}
.graph .edge.write path {{ stroke: var(--graph-edge-write); stroke-dasharray: 2 3;
  stroke-width: 2; }}
.graph .arrow {{ fill: var(--graph-edge); fill: context-stroke; }}
.graph .edge-label {{ font-family: {MONO}; font-size: {LABEL_SIZE}px; fill: var(--graph-muted);
  stroke: var(--graph-canvas); stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }}
.graph .node {{ cursor: pointer; outline: none; }}
.graph .node .outline {{ fill: var(--graph-op-fill); stroke: var(--graph-op-stroke);
  stroke-width: 1.2; stroke-linejoin: round; }}
.graph .node .detail {{ fill: none; stroke: var(--graph-op-stroke); stroke-width: 1.2;
  stroke-linejoin: round; stroke-linecap: round; }}
.graph .node .solid {{ fill: var(--graph-op-stroke); stroke: none; }}
.graph .node .title {{ font-size: {TITLE_SIZE}px; font-weight: 600; }}
.graph .node .subtitle {{ font-family: {MONO}; font-size: {SUBTITLE_SIZE}px; }}
.graph .badge {{ font-size: {BADGE_SIZE}px; font-weight: 600; fill: var(--graph-mark-text); }}
.graph .badge-plate {{ fill: var(--graph-muted); }}
.graph .mark .plate {{ fill: var(--graph-muted); stroke: var(--graph-canvas); }}
.graph .mark .glyph {{ fill: none; stroke: var(--graph-mark-text); stroke-width: 1.5;
  stroke-linecap: round; stroke-linejoin: round; }}
.graph .mark-failed .plate {{ fill: var(--graph-failed); }}
.graph .mark-nonfinite .plate {{ fill: var(--graph-nonfinite); }}
.graph .mark-accumulated .plate {{ fill: var(--graph-grad-stroke); }}
.graph .mark-turn .plate {{ fill: var(--graph-loop-stroke); }}
.graph .mark-inplace .plate {{ fill: var(--graph-edge-write); }}
"""

_STATE_CSS = """
.graph .node.constant .outline { stroke: none; }
.graph .node.constant .title { font-weight: 400; }
.graph .node.inplace .outline { stroke-dasharray: 5 3; }
.graph .node.executed .outline { stroke: var(--graph-executed); stroke-width: 2.2; }
.graph .box.executed:not(.node) > rect { stroke: var(--graph-executed); stroke-width: 1.6;
  stroke-dasharray: none; }
.graph .node.skipped .outline, .graph .box.skipped:not(.node) > rect {
  fill: var(--graph-canvas); stroke: var(--graph-muted); stroke-dasharray: 3 3; stroke-width: 1; }
.graph .skipped .title, .graph .skipped .subtitle, .graph .skipped .box-title,
.graph .skipped .box-subtitle { fill: var(--graph-muted); font-weight: 400; }
.graph .node.skipped .detail { stroke: var(--graph-muted); }
.graph .node.nonfinite .outline { stroke: var(--graph-nonfinite); stroke-width: 2.2; }
.graph .node.failed .outline { fill: var(--graph-failed-fill); stroke: var(--graph-failed);
  stroke-width: 3; }
.graph .node:hover .outline { stroke-width: 2.2; }
.graph .node:focus-visible .outline {
  stroke: var(--graph-selected); stroke-width: 3; }
.graph .box-toggle:hover rect, .graph .box-toggle:focus-visible rect {
  stroke: var(--graph-selected); }
"""

_GONE_CSS = """
.graph .node.gone .outline { stroke-dasharray: 2 3; }
"""
