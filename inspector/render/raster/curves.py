"""The paths of a drawing as chains of cubic Bézier curves.

What `svg.py` and `shapes.py` write is understood: M, L, H, V, C, A and Z with absolute
coordinates. Arcs become curves of a quarter turn at most (SVG 1.1, appendix F.6.5; Goldapp 1991).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

XY = tuple[float, float]

_TOKEN = re.compile(r"([A-Za-z])|(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)")


@dataclass(slots=True)
class Chain:
    """One stroke: 3n + 1 points; `straight` while it has lines only, which are 1 point each."""

    points: list[XY]
    straight: bool = True
    closed: bool = False

    def line(self, end: XY) -> None:
        """Go straight on."""
        if self.straight:
            self.points.append(end)
        else:
            self.points.extend((self.points[-1], end, end))

    def curve(self, *three: XY) -> None:
        """Go on along a curve."""
        if self.straight:
            self.straight = False
            (first, *rest) = self.points
            self.points = [first]
            for point in rest:
                self.line(point)
        self.points.extend(three)


def chains(path: str) -> list[Chain]:
    """Return the strokes of the `d` of a path.

    Raises:
        ValueError: it has a command that is not known here.
    """
    found: list[Chain] = []
    tokens = [command or float(number) for command, number in _TOKEN.findall(path)]
    command, place = "", 0
    while place < len(tokens):
        token = tokens[place]
        if isinstance(token, str):
            command, place = token, place + 1
        count = _NUMBERS.get(command)
        if count is None:
            raise ValueError(f"a path with the command {command!r}")
        numbers = [float(number) for number in tokens[place : place + count]]
        place += count
        command = _go(found, command, numbers)
    return found


_NUMBERS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "A": 7, "Z": 0}


def _go(found: list[Chain], command: str, numbers: list[float]) -> str:
    """Carry out one command; what more numbers after it mean."""
    if command == "M":
        found.append(Chain([(numbers[0], numbers[1])]))
        return "L"
    chain = found[-1]
    x, y = chain.points[-1]
    if command == "L":
        chain.line((numbers[0], numbers[1]))
    elif command == "H":
        chain.line((numbers[0], y))
    elif command == "V":
        chain.line((x, numbers[0]))
    elif command == "C":
        chain.curve(*zip(numbers[::2], numbers[1::2], strict=True))
    elif command == "A":
        _arc(chain, numbers[0], bool(numbers[3]), bool(numbers[4]), (numbers[5], numbers[6]))
    else:
        if chain.points[0] != chain.points[-1]:
            chain.line(chain.points[0])
        chain.closed = True
    return command


def _arc(chain: Chain, radius: float, large: bool, sweep: bool, end: XY) -> None:
    """An arc of a circle from where the chain ends."""
    (x0, y0), (x1, y1) = chain.points[-1], end
    half = math.hypot(x1 - x0, y1 - y0) / 2
    if half == 0 or radius == 0:
        chain.line(end)
        return
    radius = max(radius, half)
    off = math.sqrt(radius * radius - half * half) * (-1 if large == sweep else 1)
    cx = (x0 + x1) / 2 - off * (y1 - y0) / (2 * half)
    cy = (y0 + y1) / 2 + off * (x1 - x0) / (2 * half)
    start = math.atan2(y0 - cy, x0 - cx)
    turn = (math.atan2(y1 - cy, x1 - cx) - start) % (2 * math.pi)
    if not sweep:
        turn -= 2 * math.pi
    parts = max(1, math.ceil(abs(turn) / (math.pi / 2) - 1e-6))
    _turn(chain, (cx, cy), radius, start, turn / parts, parts)


def _turn(chain: Chain, centre: XY, radius: float, start: float, step: float, parts: int) -> None:
    reach = 4 / 3 * math.tan(step / 4) * radius
    for part in range(parts):
        a, b = start + part * step, start + (part + 1) * step
        first = centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)
        last = centre[0] + radius * math.cos(b), centre[1] + radius * math.sin(b)
        chain.curve(
            (first[0] - reach * math.sin(a), first[1] + reach * math.cos(a)),
            (last[0] + reach * math.sin(b), last[1] - reach * math.cos(b)),
            last,
        )


def circle(x: float, y: float, radius: float) -> Chain:
    """Return a circle."""
    chain = Chain([(x + radius, y)])
    _turn(chain, (x, y), radius, 0.0, math.pi / 2, 4)
    chain.closed = True
    return chain


def halved(points: list[XY]) -> list[XY]:
    """Return the same chain of curves with each of them in two (de Casteljau 1959)."""
    found = points[:1]
    for at in range(0, len(points) - 3, 3):
        a, b, c, d = points[at : at + 4]
        ab, bc, cd = _middle(a, b), _middle(b, c), _middle(c, d)
        abc, bcd = _middle(ab, bc), _middle(bc, cd)
        found += [ab, abc, _middle(abc, bcd), bcd, cd, d]
    return found


def _middle(a: XY, b: XY) -> XY:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
