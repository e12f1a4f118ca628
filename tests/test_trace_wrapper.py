"""Tracing what does not trace by itself: any arguments, any output, and nothing left behind.

Oracle: the model run by plain torch, and its own state before and after.
"""

from __future__ import annotations

import copy
import random
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import test_transformers as transformers_models
import torch
from torch import Tensor, nn

import inspector
from inspector.errors import ScriptError
from inspector.torchscript import script, scriptable_parts, trace
from inspector.torchscript.exports.runs import eager_outputs, outputs_of
from inspector.torchscript.make import compile_trace

X = torch.arange(6.0).reshape(2, 3)


class Cache:
    """Holds tensors as attributes, like the key-value caches of language models."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []
        self.seen = 0

    def update(self, key: Tensor) -> Tensor:
        self.keys.append(key)
        self.seen += 1
        return torch.cat(self.keys)


@dataclass
class Result:
    logits: Tensor
    loss: Tensor | None = None
    cache: Cache | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(
        self,
        ids: Tensor,
        *,
        mask: Tensor | None = None,
        scale: float = 1.0,
        cache: Cache | None = None,
        batch: dict[str, Any] | None = None,
    ) -> Result:
        y = self.inner(ids) * scale
        if mask is not None:
            y = y * mask
        if batch is not None:
            y = y + batch["bias"]
        cache = Cache() if cache is None else cache
        return Result(cache.update(y), cache=cache, extra={"pair": Pair(y, y + 1), "n": 3})


def kinds(static: inspector.StaticGraph) -> list[str]:
    return [node.kind for node in static.nodes if node.kind.startswith("aten::")]


def test_dataclasses_caches_and_none_are_flattened_and_said_in_the_warnings() -> None:
    static = trace(Decoder(), X)
    assert len(static.block_outputs[None, 0]) == 1  # one tuple of tensors
    note = static.warnings[-1]
    assert (note.category, note.file) == ("Note", None)
    for label in ("`logits`", "`cache.keys[0]`", "`extra['pair'].left`", "`extra['pair'].right`"):
        assert label in note.message
    assert "`cache` is a Cache" in note.message
    assert "loss" not in note.message


def test_what_the_trace_returns_is_what_the_model_returns_in_that_order() -> None:
    model = Decoder()
    made = compile_trace(model, (X,), {"scale": 2.0})
    assert made.call is not None
    expected = model(X, scale=2.0)
    found = made.module(X)
    pair = expected.extra["pair"]
    for mine, theirs in zip(
        found, (expected.logits, expected.cache.keys[0], pair.left, pair.right), strict=True
    ):
        assert torch.equal(mine, theirs)
    assert made.call.outputs[0] == "logits"


def test_module_paths_have_no_prefix_and_labels_are_the_users() -> None:
    model = Decoder()
    static = trace(model, ids=X, mask=torch.ones(2, 3), scale=2.0, batch={"bias": X, "name": "b"})
    assert [value.label for value in static.inputs] == ["ids", "mask", "batch['bias']"]
    assert {node.module_path for node in static.nodes} == {"", "inner", "inner.0", "inner.1"}
    assert static.name == "Decoder"


@pytest.mark.parametrize("kwargs", [{}, {"scale": 2.0}, {"mask": torch.ones(2, 3)}])
def test_a_recording_lies_on_such_a_trace_op_by_op(kwargs: dict[str, Any]) -> None:
    model = Decoder()
    static = trace(model, X, **kwargs)
    recording = inspector.record(model, X, **kwargs)
    laid = inspector.overlay(static, recording)
    assert laid.unmatched_ops == ()
    assert len(laid.op_to_node) == len(recording.ops)
    assert laid.first_divergence is None
    for op, node in laid.op_to_node.items():
        assert static.nodes[node].kind == f"aten::{recording.ops[op].name}"


def test_a_cache_that_is_passed_in_gives_inputs_and_is_not_written_to() -> None:
    cache = Cache()
    cache.update(X)
    static = trace(Decoder(), X, cache=cache)
    assert [value.label for value in static.inputs] == ["ids", "cache.keys[0]"]
    assert cache.seen == 1
    assert len(cache.keys) == 1


def test_ordered_dicts_and_plain_dicts_of_tensors_stay_dicts() -> None:
    def both(x: Tensor) -> dict[str, Tensor]:
        return OrderedDict(a=x + 1, b=x + 2)

    static = trace(both, X)
    assert [node.kind for node in static.nodes][-1] == "prim::DictConstruct"
    assert static.warnings == ()


def test_functions_with_star_arguments_are_traced_by_name() -> None:
    def total(first: Tensor, *rest: Tensor, times: int = 1, **named: Tensor) -> Tensor:
        return (first + sum(rest)) * times - named["last"]

    static = trace(total, X, X, X, times=2, last=X)
    assert [value.label for value in static.inputs] == ["first", "rest[0]", "rest[1]", "last"]
    assert kinds(static).count("aten::sub") == 1


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.calls = 0

    def forward(self, x: Tensor, extra: str = "") -> dict[str, Any]:
        self.calls += 1
        self.last = x
        return {"y": self.drop(self.norm(x)), "extra": extra, "nothing": None}


def snapshot(model: nn.Module) -> dict[str, Any]:
    return {
        "state": copy.deepcopy(model.state_dict()),
        "versions": [tensor._version for tensor in model.state_dict(keep_vars=True).values()],
        "attributes": {name: set(vars(module)) for name, module in model.named_modules()},
        "training": [module.training for module in model.modules()],
        "asks": [parameter.requires_grad for parameter in model.parameters()],
        "calls": getattr(model, "calls", None),
        "random": (torch.get_rng_state(), random.getstate()),
    }


def assert_as_before(model: nn.Module, before: dict[str, Any]) -> None:
    after = snapshot(model)
    for name, value in before["state"].items():
        assert torch.equal(value, after["state"][name]), name
    assert torch.equal(before["random"][0], after["random"][0])
    assert before["random"][1] == after["random"][1]
    for key in ("versions", "attributes", "training", "asks", "calls"):
        assert before[key] == after[key], key
    assert torch.jit._trace._trace_module_map is None


def test_a_trace_through_the_wrapper_leaves_the_model_as_it_was() -> None:
    model = Counting()
    before = snapshot(model)
    trace(model, X, extra="text")
    assert_as_before(model, before)


def test_a_function_that_reaches_a_model_leaves_it_as_it_was() -> None:
    model = Counting()
    before = snapshot(model)
    saved = model.norm.weight * 2  # a graph that waits for its backward pass
    for function in (lambda x: model(x)["y"], model.forward):
        static = trace(function, X)
        assert "aten::batch_norm" in kinds(static)
        assert_as_before(model, before)
    saved.sum().backward()
    assert torch.equal(model.norm.weight.grad, torch.full((3,), 2.0))


def test_a_model_that_cannot_be_copied_is_traced_and_set_back() -> None:
    model = Counting()
    model.held = (model.norm.weight * 2).detach().requires_grad_() * 3  # no leaf: no deepcopy
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model)
    heard: list[int] = []
    handle = model.norm.register_forward_hook(lambda *_: heard.append(1))
    before = snapshot(model)
    static = trace(model, X)
    assert "norm" in {node.module_path for node in static.nodes}
    assert_as_before(model, before)
    assert heard == [1]
    handle.remove()  # the handle still finds the module's own dict
    model(X)
    assert heard == [1]


def test_a_trace_that_fails_leaves_the_model_as_it_was_too() -> None:
    model = Counting()
    before = snapshot(model)
    with pytest.raises(ScriptError, match="RuntimeError"):
        trace(model, torch.ones(2, 5), extra="text")
    assert_as_before(model, before)


def test_hooks_of_the_outermost_module_get_what_the_user_passes() -> None:
    model = Counting()
    heard: list[Any] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
        heard.append((len(args), kwargs))
        return (args[0] * 10,), kwargs

    def after(module: nn.Module, args: Any, output: Any) -> None:
        heard.append(sorted(output))

    model.register_forward_pre_hook(before, with_kwargs=True)
    model.register_forward_hook(after)
    static = trace(model, X, extra="text")
    assert heard == [(1, {"extra": "text"}), ["extra", "nothing", "y"]]
    assert kinds(static)[0] == "aten::mul"
    assert len(model._forward_hooks) == len(model._forward_pre_hooks) == 1


def test_backward_hooks_do_not_keep_a_model_from_being_traced() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    model[0].register_full_backward_hook(lambda *_: None)
    assert kinds(trace(model, X)) == ["aten::linear"]
    assert len(model[0]._backward_hooks) == 1


def test_what_torch_compile_made_is_traced_as_what_it_was_made_of() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    static = trace(torch.compile(model, backend="eager"), X)
    assert static.name == "Sequential"
    assert {node.module_path for node in static.nodes} == {"", "0"}
    assert "torch.compile" in static.warnings[-1].message


def test_a_random_generator_that_is_passed_in_is_not_moved() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()

    def noisy(x: Tensor, generator: torch.Generator) -> Tensor:
        return x + torch.rand(3, generator=generator)

    trace(noisy, X, generator=generator)
    assert torch.equal(generator.get_state(), state)


def test_a_trace_keeps_no_model_alive() -> None:
    model = Counting()
    static = trace(model, X)
    gone = weakref.ref(model)
    del model
    assert gone() is None
    assert static.nodes


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "None, and a graph"),
        ({"n": 3}, "a dict without a tensor"),
        ("text", "a str without a tensor"),
        (7, "an int without a tensor"),
        ((), "a tuple without a tensor"),
    ],
)
def test_an_output_without_a_tensor_is_refused_in_plain_words(returned: Any, words: str) -> None:
    with pytest.raises(ScriptError, match=f"returns {words}"):
        trace(lambda x: returned, X)


def test_arguments_that_do_not_fit_are_told() -> None:
    with pytest.raises(ScriptError, match="missing a required argument"):
        trace(Decoder(), mask=X)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("try:\n            return x\n        except ValueError:\n            return x", "try"),
        ("return (lambda y: y)(x)", "Lambda"),
        ("return missing_name", "missing_name"),
        ("yield x", "Yield"),
    ],
)
def test_unsupported_python_is_told_with_its_line_and_the_trace_as_the_way_out(
    code: str, words: str, tmp_path: Any
) -> None:
    path = tmp_path / "unsupported.py"
    path.write_text(
        "import torch\nclass Odd(torch.nn.Module):\n    def forward(self, x):\n        " + code
    )
    names: dict[str, Any] = {"__name__": "unsupported"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    # As an imported module would be found.
    import sys
    import types

    module = types.ModuleType("unsupported")
    module.__dict__.update(names, __file__=str(path))
    sys.modules["unsupported"] = module
    try:
        with pytest.raises(ScriptError, match=words) as caught:
            script(names["Odd"]())
    finally:
        del sys.modules["unsupported"]
    assert caught.value.file == str(path)
    assert caught.value.line is not None
    assert caught.value.line >= 4
    assert "trace instead" in str(caught.value)


def test_methods_and_callable_objects_are_refused_with_the_trace_as_the_way_out() -> None:
    class Callable:
        def __call__(self, x: Tensor) -> Tensor:
            return x + 1

    for thing in (nn.Linear(3, 3).forward, Callable()):
        with pytest.raises(ScriptError, match="trace instead"):
            script(thing)
        assert trace(thing, X).nodes


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.good = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.other = nn.Linear(3, 3)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        return self.other(self.good(x))


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Odd(), Odd()])

    def forward(self, x: Tensor, **kwargs: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def test_parts_that_script_are_listed_largest_first_each_structure_once() -> None:
    model = Holder()
    before = snapshot(model)
    parts = scriptable_parts(model)
    assert_as_before(model, before)
    good = [(part.paths, part.type, part.parameters) for part in parts if part.scripts]
    assert good == [
        (("blocks.0.good", "blocks.1.good"), "Sequential", 12),
        (("blocks.0.other", "blocks.1.other"), "Linear", 12),
    ]
    bad = {part.paths: part for part in parts if not part.scripts}
    assert list(bad) == [("",), ("blocks.0", "blocks.1")]
    assert "*args" in bad[("blocks.0", "blocks.1")].reason
    assert bad[("",)].line is not None


def test_a_part_is_a_graph_of_its_own_with_the_recording_of_the_whole_on_it() -> None:
    model = Holder()
    part = scriptable_parts(model)[0]
    static = script(model.get_submodule(part.paths[0]))
    recording = inspector.record(model, X)
    laid = inspector.overlay(static, recording)
    assert laid.unmatched_ops == ()
    names = {recording.ops[op].name for op in laid.op_to_node}
    assert names == {"linear", "relu"}


def test_parts_of_a_model_that_scripts_are_the_model_and_time_is_bounded() -> None:
    (whole,) = scriptable_parts(nn.Sequential(nn.Linear(3, 3)))
    assert (whole.paths, whole.scripts) == (("",), True)
    assert all("time" in part.reason for part in scriptable_parts(Holder(), seconds=-1.0))
    with pytest.raises(ScriptError, match="no module"):
        scriptable_parts(len)  # type: ignore[arg-type]


def test_looking_for_parts_leaves_the_compilers_reason_as_it_was() -> None:
    def reason() -> str:
        with pytest.raises(ScriptError) as caught:
            script(Holder())
        return str(caught.value)

    before = reason()
    scriptable_parts(Holder())
    assert reason() == before


ALL_MATCHED = frozenset(
    "Bert Electra DistilBert Albert GPT2 ViT ConvNext ResNet Segformer Wav2Vec2 Whisper "
    "FNet".split()
)
"""Models whose every recorded op has its node; the others convert dtypes that are right already."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # transformers warns of its own deprecations
@pytest.mark.parametrize("name", list(transformers_models.MODELS))
def test_every_transformers_model_traces_with_the_paths_of_a_recording(name: str) -> None:
    model, inputs = transformers_models.build(name)
    before = snapshot(model)
    made = compile_trace(model, (), inputs)
    static = trace(model, **inputs)
    assert_as_before(model, before)
    assert [value.label for value in static.inputs] == list(inputs)
    recording = inspector.record(model, **inputs)
    recorded = {call.path for call in recording.module_calls}
    assert {node.module_path for node in static.nodes} - {""} <= recorded
    laid = inspector.overlay(static, recording)
    assert len(laid.op_to_node) >= 0.8 * len(recording.ops)
    if name in ALL_MATCHED:
        assert laid.unmatched_ops == ()
    assert made.call is not None
    expected = eager_outputs(model, made.call)
    found = outputs_of(made.module, made.call.tensors)
    assert len(expected) == len(found) == len(made.call.outputs)
    for mine, theirs in zip(expected, found, strict=True):
        assert torch.equal(mine, theirs)


class SizeKeeping(nn.Module):
    def forward(self, x: Tensor) -> Result:
        cache = Cache()
        cache.seen = x.shape[0]  # a tensor while the tracer runs, else a number
        return Result(x + 1, cache=cache, extra={"count": torch.tensor(7)})


def test_a_size_is_no_output_though_the_tracer_makes_it_a_tensor() -> None:
    made = compile_trace(SizeKeeping(), (X,), {})
    assert made.call is not None
    assert made.call.outputs == ("logits", "extra['count']")
    assert torch.equal(made.module(X)[0], X + 1)
    assert "seen" not in made.notes[-1].message


def test_a_model_that_writes_into_its_input_is_traced_on_a_copy() -> None:
    given = X.clone()
    made = compile_trace(lambda x: x.mul_(2), (given,), {})
    assert made.call is not None
    assert torch.equal(given, X)
    assert torch.equal(made.call.tensors[0], X)
