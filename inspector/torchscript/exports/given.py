"""What is given to an export, in the form that all of them take; or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from inspector.errors import InspectorError
from inspector.language import sentence, sentences
from inspector.torchscript.make import no_model, uncompiled
from inspector.torchscript.wrapper import a_kind

Given = tuple[tuple[Any, ...], dict[str, Any]]


def given(model: Any, args: Any, kwargs: Any) -> Given:
    """The arguments as a tuple and a dict; a tensor alone is the only argument.

    Raises:
        InspectorError: there is no model, or these are no arguments.
    """
    misfit = no_model(uncompiled(model))
    if misfit:
        raise InspectorError(sentence("There is nothing to export. {misfit}", misfit=misfit))
    return _positional(args), _named(kwargs)


def _positional(args: Any) -> tuple[Any, ...]:
    if isinstance(args, Tensor):
        return (args,)
    if isinstance(args, tuple | list):
        return tuple(args)
    told = sentence("args is a tuple: (x,), and {kind} was given.", kind=a_kind(args))
    more = ""
    if isinstance(args, str | bytes):
        more = sentence('An export is made first and then written: export.save("model.pt").')
    if isinstance(args, Mapping):
        more = sentence("Pass arguments by name as kwargs.")
    raise InspectorError(sentences(told, more))


def _named(kwargs: Any) -> dict[str, Any]:
    if kwargs is None:
        return {}
    if isinstance(kwargs, Mapping) and all(isinstance(name, str) for name in kwargs):
        return dict(kwargs)
    raise InspectorError(
        sentence(
            "kwargs is a dict of arguments by name: {{'mask': mask}}, and {kind} was given.",
            kind=a_kind(kwargs),
        )
    )
