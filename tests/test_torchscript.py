"""Reading TorchScript: scripted, traced and loaded graphs as a `StaticGraph`."""

from __future__ import annotations

import importlib.util
import os
import random
import zipfile

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspector.errors import ScriptError
from inspector.torchscript import load_torchscript, script, scriptable_parts, trace
from inspector.torchscript.explain import is_users
from inspector.torchscript.stages import optimisation_stages
from sample_models import catalog

HERE = __file__


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.scale = 2.5

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.scale


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Inner(), Inner()])

    def forward(self, x: Tensor, times: int) -> Tensor:
        total = torch.zeros(3)
        for block in self.blocks:
            total = total + block(x).sum(0)
        for _ in range(times):
            if total.sum() > 0:
                total = self.shrink(total)
            else:
                total = F.relu(total)
        return total

    def shrink(self, x: Tensor) -> Tensor:
        return x / 2


def line_of(text: str) -> int:
    """The line of this file that reads `text`."""
    with open(HERE) as file:
        return next(i for i, line in enumerate(file, 1) if line.strip() == text)


def of_kind(static, kind):
    return [node for node in static.nodes if node.kind == kind]


def test_nodes_are_numbered_in_the_order_of_the_text_with_blocks_inside() -> None:
    static = script(Outer())
    assert [node.id for node in static.nodes] == list(range(len(static.nodes)))
    for node in static.nodes:
        if node.parent is not None:
            owner, block = node.parent
            assert owner < node.id
            assert block < static.nodes[owner].blocks


def test_the_top_level_is_line_for_line_what_torch_prints() -> None:
    static = script(Outer())
    printed = [line.strip().removeprefix("= ") for line in static.text.splitlines()]
    for node in static.nodes:
        if node.parent is None:
            assert node.text in printed


def test_calls_open_to_nodes_with_the_paths_of_named_modules() -> None:
    model = Outer()
    static = script(model)
    paths = {node.module_path for node in static.nodes}
    assert paths <= {name for name, _ in model.named_modules()}
    linears = of_kind(static, "aten::linear")
    assert [node.module_path for node in linears] == ["blocks.0.linear", "blocks.1.linear"]
    call = static.nodes[linears[0].parent[0]]
    assert (call.kind, call.module_path) == ("prim::CallMethod", "blocks.0")


def test_a_module_held_under_two_names_goes_by_its_first() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.append(model[0])
    for static in (script(model), trace(model, torch.ones(1, 2))):
        assert [node.module_path for node in of_kind(static, "aten::linear")] == ["0", "0"]


def test_values_are_unique_and_made_before_they_are_used() -> None:
    static = script(Outer())
    made = {name for names in static.block_inputs.values() for name in names}
    outputs = [name for node in static.nodes for name in node.outputs]
    assert len(outputs) == len(set(outputs))
    assert not made & set(outputs)
    for node in static.nodes:
        assert set(node.inputs) <= made | set(outputs)
    for names in static.block_outputs.values():
        assert set(names) <= made | set(outputs)


def test_what_enters_and_leaves_a_called_block_lines_up_with_the_call() -> None:
    static = script(Outer())
    calls = [node for node in static.nodes if node.kind.startswith("prim::Call")]
    assert {node.kind for node in calls} == {"prim::CallMethod", "prim::CallFunction"}
    for node in calls:
        assert node.blocks == 1
        inputs = static.block_inputs[node.id, 0]
        extra = 1 if node.kind == "prim::CallFunction" else 0  # the function itself
        assert len(inputs) == len(node.inputs) - extra
        assert len(static.block_outputs[node.id, 0]) == len(node.outputs)


def test_a_position_is_that_of_the_expression_in_the_file() -> None:
    static = script(Outer())
    (division,) = of_kind(static, "aten::div")
    source = division.source
    assert (source.file, source.line) == (HERE, line_of("return x / 2"))
    assert (source.column, source.end_column) == (15, 20)
    assert source.end_line == source.line
    assert source.function == "shrink"


def test_an_expression_over_several_lines_ends_on_its_last() -> None:
    static = script(Outer())
    (call,) = (
        node
        for node in of_kind(static, "prim::If")
        if node.source and node.source.line == line_of("if total.sum() > 0:")
    )
    assert call.source.end_line > call.source.line


def test_sources_hold_the_users_files_only() -> None:
    static = script(Outer())
    assert list(static.sources) == [HERE]
    with open(HERE) as file:
        assert static.sources[HERE] == file.read()


def test_attributes_read_as_values() -> None:
    static = script(Outer())
    constants = [node.attributes.get("value", "") for node in of_kind(static, "prim::Constant")]
    assert None in constants
    attributes = {
        node.attributes["name"]: node.attributes for node in of_kind(static, "prim::GetAttr")
    }
    assert attributes["scale"]["value"] == 2.5
    assert attributes["weight"]["value"] == "Tensor(3x2 float32)"
    assert attributes["blocks"]["module"] == "blocks"
    loops = of_kind(static, "prim::Loop")
    condition = next(node for node in static.nodes if loops[0].inputs[1] in node.outputs)
    assert condition.attributes["value"] is True


def test_inputs_are_the_users_without_self() -> None:
    static = script(Outer())
    assert [(value.label, value.type) for value in static.inputs] == [
        ("x", "Tensor"),
        ("times", "int"),
    ]
    assert (static.kind, static.name) == ("script", "Outer")


def helper(x: Tensor) -> Tensor:
    return torch.sin(x) + torch.cos(x)


def uses_helper(x: Tensor) -> Tensor:
    return helper(helper(x))


def test_functions_open_like_modules_do() -> None:
    static = script(uses_helper)
    assert static.name == "uses_helper"
    assert [value.label for value in static.inputs] == ["x"]
    assert len(of_kind(static, "aten::sin")) == 2
    assert [node.kind for node in trace(uses_helper, torch.ones(2)).nodes].count("aten::sin") == 2


def test_overloaded_forwards_and_deep_torch_code_are_opened() -> None:
    lstm = script(nn.Sequential(nn.LSTM(2, 2)))
    assert {node.module_path for node in of_kind(lstm, "aten::lstm")} == {"0"}
    assert of_kind(script(nn.LSTM(2, 2)), "aten::lstm")
    attention = script(nn.MultiheadAttention(4, 2))
    functions = {
        node.attributes["function"].rsplit(".", 1)[1]
        for node in of_kind(attention, "prim::CallFunction")
    }
    assert "multi_head_attention_forward" in functions
    assert of_kind(attention, "aten::scaled_dot_product_attention")


def test_what_is_compiled_already_is_read_as_it_is() -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        compiled = torch.jit.script(Outer())
    assert script(compiled).nodes == script(Outer()).nodes


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x.mul_(2)
        y = F.dropout(self.norm(x), 0.5, self.training)
        if y.sum() > 100:
            y = y + 1
        return y


def test_a_trace_leaves_model_inputs_and_random_state_as_they_were() -> None:
    model = Dropping()
    model.norm.weight.grad = torch.ones(3)
    given = torch.arange(6.0).reshape(2, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    states = torch.get_rng_state(), random.getstate()
    trace(model, given)
    script(model)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    assert model.training
    assert model.calls == 0
    assert torch.equal(model.norm.weight.grad, torch.ones(3))
    assert torch.equal(given, torch.arange(6.0).reshape(2, 3))


def test_a_trace_keeps_shapes_stacks_and_the_tracers_warnings() -> None:
    static = trace(Dropping(), torch.ones(2, 3))
    (norm,) = of_kind(static, "aten::batch_norm")
    assert norm.types[0].startswith("Float(2, 3,")
    assert norm.module_path == "norm"
    stack = norm.attributes["stack"]
    assert stack[0].startswith(f"{norm.source.file}:{norm.source.line}:")
    line = line_of("y = F.dropout(self.norm(x), 0.5, self.training)")
    assert stack[-1] == f"{HERE}:{line}:forward"
    assert all(str(warning).startswith("TracerWarning: ") for warning in static.warnings)
    decision = static.warnings[-1]
    assert (decision.file, decision.line) == (HERE, line_of("if y.sum() > 100:"))
    assert str(decision).endswith(f"({HERE}:{decision.line})")
    assert "torch.where" in decision.remedy
    assert (static.kind, static.name) == ("trace", "Dropping")
    assert HERE in static.sources


def scaled(x: Tensor, by: float, *, plus: Tensor | None = None) -> Tensor:
    return x * by if plus is None else x * by + plus


def test_arguments_that_are_no_tensors_are_built_into_the_trace() -> None:
    static = trace(scaled, torch.ones(2), 3.0, plus=torch.ones(2))
    assert len(static.inputs) == 2
    assert "Tensor(scalar float64)" in [
        node.attributes["value"] for node in of_kind(static, "prim::Constant")
    ]
    static = trace(Outer(), torch.ones(1, 2), times=2)
    assert len(static.inputs) == 1
    assert "blocks.1.linear" in {node.module_path for node in static.nodes}


class StarArguments(nn.Module):
    def forward(self, *x: Tensor) -> Tensor:
        return x[0]


class OneBranchOnly(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            y = x
        return y


class NoSuchAttribute(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.nowhere(x)


class WrongType(nn.Module):
    def forward(self, tensors):
        return torch.cat(tensors)


def endless(x: Tensor) -> Tensor:
    return endless(x)


@pytest.mark.parametrize(
    ("model", "words", "line"),
    [
        (StarArguments(), "*args", "def forward(self, *x: Tensor) -> Tensor:"),
        (OneBranchOnly(), "both branches", "if x.sum() > 0:"),
        (NoSuchAttribute(), "attribute", "return self.nowhere(x)"),
        (WrongType(), "annotate the types", "return torch.cat(tensors)"),
        (endless, "calls itself", "return endless(x)"),
    ],
)
def test_what_the_compiler_refuses_is_explained_on_its_line(model, words: str, line: str) -> None:
    with pytest.raises(ScriptError) as caught:
        script(model)
    error = caught.value
    assert words in str(error)
    assert "trace instead" in str(error)
    assert (error.file, error.line) == (HERE, line_of(line))
    assert "HERE" in error.detail


def test_code_without_a_source_text_is_refused_with_a_remedy() -> None:
    with pytest.raises(ScriptError, match="lambda") as caught:
        script(lambda x: x + 1)
    assert caught.value.line == line_of("script(lambda x: x + 1)")
    for namespace in ({}, {"__name__": "made_up"}):
        exec("def nowhere(x):\n    return x + 1\n", namespace)
        with pytest.raises(ScriptError, match="on disk"):
            script(namespace["nowhere"])


@pytest.mark.parametrize(
    ("thing", "words"), [(3, "an int"), ("model", "a str"), (None, "None"), (4.0, "a float")]
)
def test_what_is_no_model_is_refused(thing, words) -> None:
    with pytest.raises(ScriptError, match="neither a module nor a function"):
        script(thing)
    with pytest.raises(ScriptError, match=f"The model is {words}: pass a module or a function"):
        trace(thing, torch.ones(1))


def test_a_class_is_told_from_its_instances() -> None:
    for attempt in (
        lambda: script(nn.Linear),
        lambda: trace(nn.Linear, torch.ones(1)),
        lambda: scriptable_parts(nn.Linear),
        lambda: optimisation_stages(nn.Linear, torch.ones(1)),
    ):
        with pytest.raises(ScriptError, match="Linear is a class: pass an instance of it"):
            attempt()


def test_a_missing_argument_is_on_no_line_of_the_standard_library() -> None:
    with pytest.raises(ScriptError, match="missing a required argument: 'input'") as caught:
        trace(nn.Linear(3, 3))
    assert caught.value.file is None
    assert "inspect.py" not in str(caught.value)
    assert is_users(os.path.join(os.path.dirname(os.__file__), "site-packages", "mine", "net.py"))
    assert not is_users(os.__file__)
    assert is_users(__file__)


def test_a_model_that_raises_when_traced_is_told_with_its_line() -> None:
    with pytest.raises(ScriptError) as caught:
        trace(Outer(), torch.ones(1, 5), 1)
    assert "RuntimeError" in str(caught.value)
    line = line_of("return self.linear(x) * self.scale")
    assert (caught.value.file, caught.value.line) == (HERE, line)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(Outer()), path)
    return path


def test_a_file_is_read_with_its_archived_code_and_first_lines(saved) -> None:
    static = load_torchscript(saved)
    assert (static.kind, static.name) == ("loaded", "Outer")
    (division,) = of_kind(static, "aten::div")
    assert (division.source.file, division.source.line) == (HERE, line_of("return x / 2"))
    archived, line = division.attributes["archived"].rsplit(":", 1)
    assert "torch.div(x, 2)" in static.sources[archived].splitlines()[int(line) - 1]
    # A stranger's file names paths of this machine: only what the archive holds is shown.
    assert all(name.startswith("code/") for name in static.sources)
    kinds = [node.kind for node in script(Outer()).nodes if node.kind.startswith("aten::")]
    assert sorted(n.kind for n in static.nodes if n.kind.startswith("aten::")) == sorted(kinds)


def test_files_that_are_no_torchscript_are_refused_in_plain_words(saved, tmp_path) -> None:
    def refused(name: str, words: str) -> None:
        with pytest.raises(ScriptError, match=words) as caught:
            load_torchscript(tmp_path / name)
        assert name in str(caught.value)

    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "short.pt").write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "weights.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("a/b", "c")
    refused("text.pt", "no TorchScript file")
    refused("short.pt", "damaged or cut short")
    refused("empty.pt", "cannot be read as TorchScript")
    refused("weights.pt", "state_dict")
    refused("zip.pt", "no TorchScript code")
    refused("missing.pt", "no such file")
    (tmp_path / "folder").mkdir()
    refused("folder", "a folder")


def rewritten(saved, path, *, drop: str = "", old: bytes = b"", new: bytes = b"") -> None:
    """A copy of a .pt file without the entries that end in `drop`, with other code."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".py"):
                content = content.replace(old, new)
            if not drop or drop not in name:
                target.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drop": "constants.pkl"}, "damaged or cut short"),
        ({"drop": "/data.pkl"}, "damaged or cut short"),
        ({"drop": "/data/"}, "damaged or cut short"),
        ({"drop": "/code/"}, "code is missing"),
        ({"old": b"torch.div", "new": b"torch.ops.mine.div"}, "op of an extension"),
        (
            {"old": b"  training : bool", "new": b"  x : __torch__.torch.classes.mine.Thing"},
            "class of a C\\+\\+ extension",
        ),
        ({"old": b"class ", "new": b"!!!"}, "no TorchScript: the file was changed"),
    ],
)
def test_a_changed_or_incomplete_archive_is_told_apart(saved, tmp_path, change, words) -> None:
    path = tmp_path / "changed.pt"
    rewritten(saved, path, **change)
    with pytest.raises(ScriptError, match=words):
        load_torchscript(path)


def test_files_of_other_kinds_are_named(tmp_path) -> None:
    model = nn.Linear(1, 1)
    torch.save(model, tmp_path / "module.pt")
    torch.save(model.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "random.pt").write_bytes(random.Random(0).randbytes(4000))
    with zipfile.ZipFile(tmp_path / "program.pt2", "w") as archive:
        archive.writestr("program/archive_format", "pt2")
    for name, words in (
        ("module.pt", "pickled model"),
        ("old.pt", "is a pickle"),
        ("random.pt", "no TorchScript file"),
        ("program.pt2", "torch.export.load"),
    ):
        with pytest.raises(ScriptError, match=words):
            load_torchscript(tmp_path / name)


def test_positions_hold_in_a_deeply_indented_class(tmp_path) -> None:
    code = (
        "import torch\n"
        "def build():\n"
        "    if True:\n"
        "        class Deep(torch.nn.Module):\n"
        "            def forward(self, x):\n"
        "                return x + torch.exp(x)\n"
        "    return Deep()\n"
    )
    (tmp_path / "deep.py").write_text(code)
    spec = importlib.util.spec_from_file_location("deep", tmp_path / "deep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (exp,) = of_kind(script(module.build()), "aten::exp")
    row = code.splitlines()[exp.source.line - 1]
    assert row[exp.source.column : exp.source.end_column] == "torch.exp"


@pytest.mark.parametrize("name", [n for n, sample in catalog().items() if sample.scriptable])
def test_every_scriptable_sample_is_read(name: str) -> None:
    sample = catalog()[name]
    model = sample.static(sample.build())
    static = script(model)
    assert set(static.sources) <= {sample.file}
    assert all(node.blocks for node in static.nodes if node.kind.startswith("prim::Call"))
    given = next(iter(sample.inputs.values())).make()
    assert trace(model, *sample.static_inputs(given)).nodes


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_a_second_attempt_at_what_cannot_be_scripted_gives_the_same_reason() -> None:
    sample = catalog()["detach_no_grad"]
    with pytest.raises(RuntimeError):
        torch.jit.script(sample.build())  # the user's own attempt, before ours
    reasons = []
    for _ in range(3):
        with pytest.raises(ScriptError) as caught:
            script(sample.build())
        reasons.append((str(caught.value), caught.value.line))
    assert "With item expression must return an object" in reasons[0][0]
    assert reasons[0] == reasons[1] == reasons[2]
