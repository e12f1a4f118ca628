"""What goes into a saved page, as short texts: alike beside alike, gzipped, in base64.

gzip looks back 32 KB. What is alike further away than that (equal layers, the values of one tensor
in several cards) is there once, with its number wherever it is used.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_MARKUP = re.compile(r"(?<=>)|(?=<)")
_NUMBERED = re.compile(r"(op|grad):(\d+)")
_MARK = "\x01"
"""Stands before a number that was made smaller; no SVG has this character."""


def packed_drawings(made: Iterable[Json]) -> Json:
    """Drawings of boxes, each different part of an SVG once: equal layers differ in a few names.

    The ops and autograd nodes of a drawing are counted from its first one, so that those of equal
    layers have equal numbers.
    """
    known: dict[str, int] = {}
    places: Json = {}
    found: Json = {key: [] for key in ("svg", "first", "items", "heat", "pane")}
    for one in made:
        places[one["box"]] = {}
        for name, drawing in one["drawings"].items():
            places[one["box"]][name] = len(found["svg"])
            pane = dict(drawing["pane"])
            svg, first = _counted_anew(pane.pop("svg", None) or "")
            parts = [known.setdefault(part, len(known)) for part in _MARKUP.split(svg)]
            row = {**drawing, "pane": pane, "svg": parts if svg else None, "first": first}
            for key, column in found.items():  # alike stands by alike: it is packed better
                column.append(row[key])
    return {"parts": list(known), "places": places, **found}


def _counted_anew(svg: str) -> tuple[str, dict[str, int]]:
    """A drawing with its ops and autograd nodes counted from the first one, and these numbers."""
    first: dict[str, int] = {}
    for kind, number in _NUMBERED.findall(svg):
        first[kind] = min(first.get(kind, int(number)), int(number))
    return _NUMBERED.sub(lambda m: f"{_MARK}{m[1]}:{int(m[2]) - first[m[1]]}", svg), first


_MEASURED = ("stats", "histogram", "range", "sample", "warn")
"""What a card tells of a tensor's values: the same in the cards of all that have to do with it."""


def packed_cards(cards: Mapping[str, Json]) -> Json:
    """Cards by name, each once, and each once what they tell of a tensor's values."""
    known: dict[str, int] = {}
    values: dict[str, int] = {}
    names: dict[str, int] = {}
    different: list[Json] = []
    for name, card in cards.items():
        number = names[name] = known.setdefault(json.dumps(card), len(known))
        if number == len(different):
            tensors = [_by_number(tensor, values) for tensor in card.get("tensors", ())]
            different.append({**card, "tensors": tensors})
    told_of_values = columns([json.loads(text) for text in values])
    return {"names": names, "cards": columns(different), "values": told_of_values}


def columns(rows: Sequence[Json]) -> dict[str, list[Any]]:
    """Rows as columns, with None where a row has no such value: what is alike is packed better."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key) for row in rows] for key in keys}


def _by_number(tensor: Json, values: dict[str, int]) -> Json:
    """A tensor of a card, with a number in `values` in place of what is told of its values."""
    told_of_it = json.dumps({key: tensor[key] for key in _MEASURED if key in tensor})
    rest = {key: value for key, value in tensor.items() if key not in _MEASURED}
    return {**rest, "measured": values.setdefault(told_of_it, len(values))}


def piece(value: Any) -> str:
    """A value as gzipped JSON in base64. The same value always gives the same text."""
    # ASCII only: a name can hold half a character (a lone surrogate), which UTF-8 has not.
    return zipped(json.dumps(value, allow_nan=False, separators=(",", ":")))


def zipped(text: str) -> str:
    """A text gzipped, in base64."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")
