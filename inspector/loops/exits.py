"""How control leaves a statement: to the next one, or by `break`, `continue` or `return`."""

from __future__ import annotations

import ast

from inspector.loops.syntax import BREAK, CONTINUE, FALL, RETURN, Region


def exits(node: ast.stmt, regions: list[Region]) -> int:
    """How control can leave a statement whose regions are known."""
    if isinstance(node, (ast.Return, ast.Raise)):
        return RETURN
    if isinstance(node, ast.Break):
        return BREAK
    if isinstance(node, ast.Continue):
        return CONTINUE
    ends = [region.to_the_end(0, FALL) for region in regions]
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
        return _loop_exits(node, *ends)
    if isinstance(node, ast.If):
        return ends[0] | ends[1]
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return ends[0]
    if isinstance(node, ast.Match):
        return sum({bit for end in ends for bit in _bits(end)} | {FALL})
    if isinstance(node, (ast.Try, ast.TryStar)):
        *tried, final = ends
        return sum({bit for end in tried for bit in _bits(end)}) if final & FALL else final
    return FALL


def _loop_exits(node: ast.stmt, body: int, otherwise: int) -> int:
    """A loop ends by itself (then its `else` runs) unless it goes on for ever, or by `break`."""
    test = getattr(node, "test", None)
    endless = isinstance(test, ast.Constant) and bool(test.value)
    by_itself = 0 if endless else otherwise
    return by_itself | (body & RETURN) | (FALL if body & BREAK else 0)


def _bits(modes: int) -> list[int]:
    return [bit for bit in (FALL, BREAK, CONTINUE, RETURN) if modes & bit]
