"""One graph at five stages of optimisation, each compared with the one before.

raw        what the compiler or tracer wrote
inlined    calls replaced by the code that they call
frozen     parameters and flags made constants (torch.jit.freeze)
optimised  rewritten for inference (torch.jit.optimize_for_inference)
executed   what the executor made of it while it ran (the last executed graph)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch

from inspector.errors import ScriptError
from inspector.irdiff import computes, graph_changes
from inspector.language import sentence
from inspector.records import StaticGraph
from inspector.stages import Stage
from inspector.torchscript.copies import copied_values, in_words, is_training, traced_values
from inspector.torchscript.flat import read_flat
from inspector.torchscript.kept import collected_warnings, random_state_kept
from inspector.torchscript.make import (
    Compiled,
    compile_script,
    compile_trace,
    no_model,
    runnable,
)
from inspector.torchscript.read import first_paths_of, forward_of, name_of, read

_WARM_UP = 4
"""The executor watches the first run and optimises for the next ones, up to two times."""

_ABOUT = {
    "raw": (
        sentence("As compiled"),
        sentence("The graph that the compiler or the tracer wrote, calls unopened."),
    ),
    "inlined": (sentence("Inlined"), sentence("Each call is replaced by the code that it calls.")),
    "frozen": (
        sentence("Frozen"),
        sentence(
            "torch.jit.freeze made parameters, buffers and flags constants, and computed "
            "what follows from constants alone."
        ),
    ),
    "optimised": (
        sentence("Optimised for inference"),
        sentence(
            "torch.jit.optimize_for_inference rewrote the frozen graph with faster "
            "kernels; it cannot be trained any more."
        ),
    ),
    "executed": (
        sentence("Last executed"),
        sentence(
            "What TorchScript's executor made of the inlined graph while it ran on this "
            "input: unrolled, merged and fused where that paid."
        ),
    ),
}
_ONLY_MODULES = sentence(
    "This stage is for modules: a function has no parameters or flags that could become constants."
)


def optimisation_stages(
    model: Any,
    *args: Any,
    how: str = "script",
    grad: bool = False,
    kwargs: Mapping[str, Any] | None = None,
) -> tuple[Stage, ...]:
    """The stages of a model's graph, with what changed from one to the next.

    Copies of the model and the arguments are compiled and run; the model, its buffers and the
    random generators stay as they are.

    Args:
        model: a module or a function.
        args: what to call it with. Without any, a script has no "executed" graph.
        how: "script"; or "trace". A model that cannot be scripted is traced instead, and a
            note of the first stage says why.
        grad: whether autograd records in the runs of the last stage.
        kwargs: keyword arguments of the model.

    Returns:
        Always five stages. One that torch refuses has no graph but a `reason`; the next one
        is then compared with the last stage that has a graph. The executed graph is that of
        the plain model, and compared with "inlined": what the executor does is not done on
        top of freezing.

    Raises:
        ValueError: `how` is neither "script" nor "trace".
        ScriptError: `model` is neither a module nor a function.
    """
    if how not in ("script", "trace"):
        raise ValueError(f'how must be "script" or "trace", not {how!r}')
    misfit = no_model(model)
    if misfit:
        raise ScriptError(sentence("There are no stages to show. {misfit}", misfit=misfit))
    maker = _Maker(model, args, dict(kwargs or {}), how, grad)
    with collected_warnings(), random_state_kept():
        found = [maker.raw(), maker.inlined(), maker.frozen(), maker.optimised(), maker.executed()]
    return tuple(_compared(found))


def _compared(stages: list[Stage]) -> list[Stage]:
    """Give each stage the changes since the one that it is to be compared with."""
    done: dict[str, Stage] = {}
    result: list[Stage] = []
    for stage in stages:
        earlier = [name for name in done if stage.name != "executed" or name in ("raw", "inlined")]
        if stage.graph is not None and earlier:
            before = done[earlier[-1]].graph
            assert before is not None
            change = graph_changes(before, stage.graph)
            stage = _with(stage, change=change, compared_with=earlier[-1])
        if stage.graph is not None:
            done[stage.name] = stage
        result.append(stage)
    return result


def _with(stage: Stage, **changed: Any) -> Stage:
    return Stage(**{name: getattr(stage, name) for name in stage.__slots__} | changed)


def _stage(name: str, graph: StaticGraph | None, reason: str = "", *notes: str) -> Stage:
    title, about = _ABOUT[name]
    nodes = graph.nodes if graph is not None else ()
    kinds = dict(Counter(node.kind for node in nodes).most_common())
    computing = sum(map(computes, nodes))
    return Stage(name, title, about, graph, kinds, computing, reason=reason, notes=notes)


class _Maker:
    """Makes the stages of one model; each method makes one."""

    def __init__(
        self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], how: str, grad: bool
    ) -> None:
        self._model = model
        self._name = name_of(model)
        self._args = args
        self._kwargs = kwargs
        self._grad = grad
        self._notes: list[str] = []
        self._reason = ""
        self._how = how
        self._made: Compiled | None = None
        self._eval_module: Any = None
        try:
            self._made = self._script_or_trace()
        except ScriptError as error:
            self._reason = error.message

    def _script_or_trace(self) -> Compiled:
        if self._how == "script":
            try:
                return self._compile()
            except ScriptError as error:
                if not self._args and not self._kwargs:
                    raise
                self._notes.append(
                    sentence("{error} These are the stages of its trace.", error=error)
                )
                self._how = "trace"
        return self._compile()

    def _compile(self, evaluating: bool = False) -> Compiled:
        """Script or trace a copy of the model, in evaluation mode if asked."""
        with runnable(self._model) as own:
            if evaluating:
                own.eval()
            if self._how == "script":
                return compile_script(own)
            return compile_trace(own, *copied_values(self._args, self._kwargs))

    def _is_module(self) -> bool:
        return self._made is not None and isinstance(self._made.module, torch.jit.ScriptModule)

    def _labels(self, made: Compiled, method: Any) -> list[str]:
        known = [argument.name for argument in method.schema.arguments]
        return known if made.call is None else [*known[: self._is_module()], *made.call.labels]

    def _method(self, compiled: Any) -> Any:
        return forward_of(compiled._c, self._name) if self._is_module() else compiled

    def _flat(self, graph: Any, kind: str) -> StaticGraph:
        assert self._made is not None
        labels = self._labels(self._made, self._method(self._made.module))
        return read_flat(
            graph, kind=kind, name=self._name, labels=labels, is_method=self._is_module()
        )

    # -- the stages ------------------------------------------------------------------------

    def raw(self) -> Stage:
        """The graph as compiled or traced."""
        if self._made is None:
            return _stage("raw", None, self._reason, *self._notes)
        graph = read(
            self._how,
            self._name,
            self._made.module,
            first_paths=first_paths_of(self._model),
            caught=self._made.caught,
            notes=self._made.notes,
            labels=None if self._made.call is None else self._made.call.labels,
        )
        return _stage("raw", graph, "", *self._notes)

    def inlined(self) -> Stage:
        """The graph with its calls inlined."""
        if self._made is None:
            return _stage("inlined", None, self._reason)
        graph = self._method(self._made.module).graph.copy()
        torch._C._jit_pass_inline(graph)
        return _stage("inlined", self._flat(graph, "inlined"))

    def frozen(self) -> Stage:
        """The graph with parameters and flags made constants."""
        return self._changed("frozen", torch.jit.freeze)

    def optimised(self) -> Stage:
        """The graph rewritten for inference."""
        return self._changed("optimised", torch.jit.optimize_for_inference)

    def _changed(self, name: str, change: Callable[[Any], Any]) -> Stage:
        """A stage that torch makes from a module in evaluation mode."""
        if self._made is None:
            return _stage(name, None, self._reason)
        if not self._is_module():
            return _stage(name, None, _ONLY_MODULES)
        notes = []
        if is_training(self._model):
            notes.append(
                sentence(
                    "The model is in training mode. Freezing makes the flag a constant and needs "
                    "evaluation mode, so a copy in that mode was taken: without dropout, and "
                    "with the running statistics of batch norms."
                )
            )
        try:
            changed = change(self._evaluating().eval())
            return _stage(name, self._flat(changed.graph, name), "", *notes)
        except Exception as error:  # torch refuses with every kind of exception
            return _stage(
                name, None, sentence("torch refuses this: {error}", error=in_words(error)), *notes
            )

    def _evaluating(self) -> Any:
        """The compiled model to be frozen, which changes a copy of it: one does for both stages."""
        if self._eval_module is None:
            made = self._made
            training = is_training(self._model)
            made = self._compile(evaluating=True) if training or made is None else made
            self._eval_module = made.module
        return self._eval_module

    def executed(self) -> Stage:
        """The graph that the executor ran last."""
        made = self._made
        if made is None:
            return _stage("executed", None, self._reason)
        if self._how == "script" and not self._args and not self._kwargs:
            return _stage("executed", None, sentence("Nothing was run: there are no inputs."))
        # An overloaded forward (LSTM) has a mangled name, and the module cannot be called.
        plain = not self._is_module() or hasattr(made.module, "forward")
        run = made.module if plain else self._method(made.module)
        method = self._method(made.module)
        expected = len(list(method.graph.inputs()))
        # All models of a class share what earlier runs, perhaps in training, made of its code.
        method._debug_flush_compilation_cache()
        try:
            with torch.set_grad_enabled(self._grad):
                for _ in range(_WARM_UP):
                    args, kwargs = self._values()
                    run(*args, **kwargs)
            graph = torch._C._last_executed_optimized_graph()
        except Exception as error:  # whatever the model raises comes out here
            return _stage(
                "executed", None, sentence("The model raised {error}", error=in_words(error))
            )
        if len(list(graph.inputs())) != expected:
            reason = sentence(
                "The graph that ran last is not this one: the model calls other compiled code."
            )
            return _stage("executed", None, reason)
        if self._grad:
            note = sentence("After {n} runs on this input, with gradients.", n=_WARM_UP)
        else:
            note = sentence("After {n} runs on this input, without gradients.", n=_WARM_UP)
        return _stage("executed", self._flat(graph, "executed"), "", note)

    def _values(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Fresh copies of the arguments, as the compiled model takes them."""
        if self._how == "script":
            return copied_values(self._args, self._kwargs)
        return traced_values(self._model, self._args, self._kwargs)
