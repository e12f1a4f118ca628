"""A recording as one JSON document, and the JSON Schema of such documents.

Both follow the dataclasses of `inspector.records`: a field that is added there is in both. JSON has
no NaN and no infinity: they are the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import inspect
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy

from inspector import records
from inspector.formats.described import FIELDS
from inspector.records import Recording

Json = dict[str, Any]

FORMAT = "inspector-recording"
VERSION = 1
LEFT_OUT = ("values", "grads")
"""Fields of a recording that are arrays: they are in its own file only."""

_ODD = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(recording: Recording) -> Json:
    """A recording as JSON knows it: all but the arrays of values.

    The records have the names and fields of `inspector.records`. `tensors` is a list, in the order
    of the ids; line numbers, which are keys, are texts.
    """
    found: Json = {"format": FORMAT, "version": VERSION}
    for field in fields(recording):
        if field.name == "tensors":
            found["tensors"] = plain([recording.tensors[i] for i in sorted(recording.tensors)])
        elif field.name not in LEFT_OUT:
            found[field.name] = plain(getattr(recording, field.name))
    return found


def plain(value: Any) -> Any:
    """A record, or a value in one, as JSON knows it; what JSON has no form for becomes text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value)


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text_of(document: Any) -> str:
    """A document as text, in ASCII: half characters (lone surrogates) stay what they are."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


# -- the schema ---------------------------------------------------------------------------------


def schema() -> Json:
    """The JSON Schema (draft 2020-12) of what `to_json` makes."""
    kinds: Json = {
        "number": {
            "description": "A number; JSON has no NaN and no infinity.",
            "anyOf": [{"type": "number"}, {"enum": list(_ODD)}],
        }
    }
    body = _object(Recording, kinds)
    body["properties"]["tensors"] = {
        "description": FIELDS["Recording.tensors"],
        "type": "array",
        "items": {"$ref": "#/$defs/TensorInfo"},
    }
    properties = {
        "format": {"description": "What this document is.", "const": FORMAT},
        "version": {"description": "Of what the fields mean.", "const": VERSION},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recording of the inspector",
        **body,
        "properties": properties | body["properties"],
        "required": [*properties, *body["required"]],
        "$defs": dict(sorted(kinds.items())),
    }


def _object(record_type: type[Any], kinds: Json) -> Json:
    known = {"numpy": numpy, "os": os}
    hints = typing.get_type_hints(record_type, vars(records) | known)
    names = [field.name for field in fields(record_type) if field.name not in LEFT_OUT]
    told = {name: FIELDS[f"{record_type.__name__}.{name}"] for name in names}
    return {
        "description": inspect.cleandoc(record_type.__doc__ or ""),
        "type": "object",
        "properties": {
            name: {"description": told[name], **_type(hints[name], kinds)} for name in names
        },
        "required": names,
        "additionalProperties": False,
    }


_PLAIN = {bool: "boolean", int: "integer", str: "string", type(None): "null"}


def _type(hint: Any, kinds: Json) -> Json:
    """The schema of a type; of a record a reference, which is described in `kinds`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is float:
        return {"$ref": "#/$defs/number"}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(one, kinds) for one in inner]}
    if origin is tuple:
        return {"type": "array", "items": _type(inner[0], kinds)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _type(inner[1], kinds)}
    if isinstance(hint, type) and is_dataclass(hint):
        name = hint.__name__
        if name not in kinds:
            kinds[name] = {}  # a record may hold others of its kind
            kinds[name] = _object(hint, kinds)
        return {"$ref": f"#/$defs/{name}"}
    return {}
