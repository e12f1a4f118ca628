"""Taking a model away: TorchScript file, code and IR, ONNX, torch.export. Nothing else changes.

Oracles: plain torch on the same inputs, `torch.jit.load`, `onnx.checker` and ONNX's reference
evaluator on the bytes that came out, and the model's state before and after.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inspector
from inspector.errors import InspectorError
from inspector.exported import Export, ExportFailure
from inspector.records import StaticWarning
from inspector.torchscript import (
    export_onnx,
    export_program,
    save_torchscript,
    torchscript_code,
    torchscript_ir,
)

HERE = __file__
X = torch.arange(6.0).reshape(2, 3)
EVERY: tuple[Callable[..., Export], ...] = (
    save_torchscript,
    torchscript_code,
    torchscript_ir,
    export_program,
    export_onnx,
)


@pytest.fixture(autouse=True)
def _deprecations_of_the_tests_own_calls() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def line_of(text: str) -> int:
    """The line of this file that reads `text`."""
    with open(HERE) as file:
        return next(i for i, line in enumerate(file, 1) if line.strip() == text)


def scaled(x: Tensor, by: float) -> Tensor:
    return x * by


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: Tensor) -> Tensor:
        return scaled(self.norm(self.linear(x)), 0.5)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            y = x + 1
        else:
            y = x - 1
        return y


class Reading(nn.Module):
    def forward(self, x: Tensor, batch: dict[str, Any]) -> Tensor:
        k = int(x.max().item())
        return x[:k] + batch["bias"]


class Spectrum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x)


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = Small()

    def forward(self, x: Tensor, *more: Tensor, flag: bool = False) -> dict[str, Any]:
        y = self.small(x)
        return {"y": y, "none": None, "both": [y + 1, {"n": 3, "z": y * 2}], "flag": flag}


def state_of(model: nn.Module) -> dict[str, Any]:
    return {
        "values": copy.deepcopy(model.state_dict()),
        "versions": [tensor._version for tensor in model.state_dict(keep_vars=True).values()],
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "training": model.training,
        "random": torch.get_rng_state(),
        "logging": logging.root.manager.disable,
    }


@pytest.mark.parametrize("export", EVERY)
@pytest.mark.parametrize("build", [Small, Branching, Structured, Reading])
def test_no_export_changes_the_model_the_inputs_or_the_random_state(
    export: Callable[..., Export], build: type[nn.Module], capfd: Any
) -> None:
    model = build()
    args = (X, {"bias": X[:1], "name": "b"}) if build is Reading else (X,)
    before, given = state_of(model), X.clone()
    export(model, args)
    after = state_of(model)
    for name, value in before.pop("values").items():
        assert torch.equal(value, after["values"][name]), name
    assert torch.equal(before.pop("random"), after["random"])
    assert before == {key: after[key] for key in before}
    assert torch.equal(X, given)
    assert capfd.readouterr() == ("", "")


def test_a_saved_file_loads_again_and_gives_the_same_bits() -> None:
    model = Small().eval()
    export = save_torchscript(model, (X,))
    assert (export.ok, export.kind, export.way) == (True, "torchscript file", "script")
    assert export.file_name == "Small.pt"
    assert [check.passed for check in export.checks] == [True, True]
    assert "bit by bit" in export.checks[1].detail
    assert isinstance(export.data, bytes)
    assert torch.equal(torch.jit.load(io.BytesIO(export.data))(X), model(X))


def test_a_model_that_does_not_script_is_saved_as_its_trace_and_says_so() -> None:
    model = Structured().eval()
    export = save_torchscript(model, (X,), {"flag": True})
    assert (export.ok, export.way) == (True, "trace")
    assert export.inputs == ("x",)
    assert export.outputs == ("y", "both[0]", "both[1]['z']")
    notes = [warning.message for warning in export.warnings]
    assert any("does not script" in note and "*args" in note for note in notes)
    y = model(X)["y"]
    assert isinstance(export.data, bytes)
    found = torch.jit.load(io.BytesIO(export.data))(X)
    assert all(map(torch.equal, found, (y, y + 1, y * 2)))


def test_dropout_in_training_mode_still_compares_because_the_random_state_is_the_same() -> None:
    export = save_torchscript(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), (X,))
    assert export.checks[1].passed is True


def test_without_inputs_nothing_is_compared_and_only_a_script_can_be_made() -> None:
    assert save_torchscript(Small()).checks[1].passed is None
    failed = save_torchscript(Structured())
    assert failed.failure is not None
    assert failed.data == b""
    assert not failed.ok


def test_a_model_that_raises_itself_is_not_blamed_on_the_file() -> None:
    check = save_torchscript(Small(), (torch.ones(2, 9),)).checks[1]
    assert check.passed is None
    assert "model itself raises RuntimeError" in check.detail


def test_only_the_known_ways_are_taken() -> None:
    with pytest.raises(ValueError, match="way must be"):
        save_torchscript(Small(), (X,), way="compile")
    assert save_torchscript(Branching(), (X,), way="trace").way == "trace"


def test_the_code_has_all_classes_and_functions_and_the_ir_all_graphs() -> None:
    code = torchscript_code(Small(), (X,)).data
    assert isinstance(code, str)
    for text in ("class Small(Module):", "class Linear(Module):", "class BatchNorm1d(Module):"):
        assert text in code
    assert "def scaled(" in code
    ir = torchscript_ir(Small(), (X,)).data
    assert isinstance(ir, str)
    assert "prim::CallMethod" in ir
    for title in ("# Small\n", "# linear (Linear).forward", "# norm (BatchNorm1d).forward"):
        assert title in ir
    assert ir.count("aten::linear(") == 1


def test_torch_export_gives_its_nodes_with_lines_and_module_paths() -> None:
    export = export_program(Small().eval(), (X,))
    assert export.ok
    assert "bit by bit" in export.checks[0].detail
    assert export.inputs == ("x",)
    by_target = {node.target: node for node in export.nodes}
    linear = by_target["aten.linear.default"]
    line = line_of("return scaled(self.norm(self.linear(x)), 0.5)")
    assert (linear.module_path, linear.type) == ("linear", "float32[2, 2]")
    assert linear.source is not None
    assert (linear.source.file, linear.source.line) == (HERE, line)
    assert linear.inputs[0] == "x"
    product = by_target["aten.mul.Tensor"]
    assert product.source is not None
    assert product.source.line == line  # torch.export keeps the lines of `forward` alone
    assert "torch.ops.aten.linear.default" in str(export.data)
    assert [node.id for node in export.nodes] == list(range(len(export.nodes)))


def test_torch_export_takes_keyword_arguments_and_structured_outputs() -> None:
    export = export_program(Structured().eval(), (X,), {"flag": True})
    assert export.ok
    assert export.outputs == ("y", "both[0]", "both[1]['z']")
    assert {node.module_path for node in export.nodes} >= {"small.linear", "small.norm"}


@pytest.mark.parametrize(
    ("model", "args", "line", "words", "remedy"),
    [
        (Branching(), (X,), "if x.sum() > 0:", "depends on a value", "torch.cond"),
        (
            Reading(),
            (X, {"bias": X[:1]}),
            "k = int(x.max().item())",
            "number is read out of a tensor",
            "Keep computing with the tensor",
        ),
    ],
)
def test_what_torch_export_refuses_is_told_on_its_line_with_a_remedy(
    model: nn.Module, args: Any, line: str, words: str, remedy: str
) -> None:
    for strict in (False,) if isinstance(model, Reading) else (False, True):
        failure = export_program(model, args, strict=strict).failure
        assert isinstance(failure, ExportFailure)
        assert words in failure.message
        assert f"`{line}`" in failure.message
        assert remedy in failure.remedy
        assert (failure.file, failure.line) == (HERE, line_of(line))
        assert "Traceback" not in str(failure)


@pytest.mark.parametrize("export", [export_program, export_onnx])
def test_a_model_that_does_not_run_is_told_with_its_line(export: Callable[..., Export]) -> None:
    failure = export(Small(), (torch.ones(2, 9),)).failure
    assert failure is not None
    assert "raises RuntimeError on these inputs" in failure.message
    assert failure.line == line_of("return scaled(self.norm(self.linear(x)), 0.5)")


def test_an_onnx_file_is_well_formed_and_gives_the_models_output() -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = Small().eval()
    export = export_onnx(model, (X,))
    assert (export.ok, export.way, export.file_name) == (True, "torch.export", "Small.onnx")
    assert [check.passed for check in export.checks] == [True, True]
    assert isinstance(export.data, bytes)
    onnx.checker.check_model(onnx.load_model_from_string(export.data), full_check=True)
    (found,) = ReferenceEvaluator(onnx.load_model_from_string(export.data)).run(
        None, {export.inputs[0]: X.numpy()}
    )
    assert torch.allclose(torch.from_numpy(found), model(X), atol=1e-5)
    assert export.inputs == ("x",)


def test_an_if_on_data_reaches_onnx_through_the_script_with_both_branches() -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    export = export_onnx(Branching().eval(), (X,))
    assert (export.ok, export.way) == (True, "script")
    assert isinstance(export.data, bytes)
    proto = onnx.load_model_from_string(export.data)
    assert "If" in [node.op_type for node in proto.graph.node]
    for given in (X, -X):
        (found,) = ReferenceEvaluator(proto).run(None, {"x": given.numpy()})
        assert torch.equal(torch.from_numpy(found), Branching()(given))
    note = export.warnings[-1]
    assert "older exporter" in note.message
    assert note.line == line_of("if x.sum() > 0:")


def test_an_op_that_onnx_lacks_is_named_with_its_line() -> None:
    export = export_onnx(Spectrum(), (torch.eye(3),))
    assert export.failure is not None
    assert export.failure.op.startswith("aten.linalg_eig")
    assert export.failure.op in export.failure.message
    assert export.failure.line == line_of("return torch.linalg.eigvals(x)")
    assert export.failure.remedy


def test_a_model_that_neither_exports_nor_scripts_gets_no_baked_in_branch() -> None:
    export = export_onnx(Reading(), (X, {"bias": X[:1], "name": "b"}))
    assert export.failure is not None
    assert export.data == b""


def test_batch_norm_in_training_mode_is_found_out_by_the_comparison() -> None:
    # torch's exporter writes batch norm with the running statistics, whatever the mode.
    training, ready = export_onnx(Small(), (X,)), export_onnx(Small().eval(), (X,))
    assert (training.ok, ready.ok) == (False, True)
    assert training.checks[1].passed is False
    assert "call eval() first" in training.checks[1].detail
    assert any("training mode" in warning.message for warning in training.warnings)


def test_random_numbers_are_not_held_against_the_onnx_file() -> None:
    export = export_onnx(nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.5)), (X,))
    assert export.checks[1].passed is None
    assert "random numbers" in export.checks[1].detail
    assert any("training mode" in warning.message for warning in export.warnings)


def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name)
    )
    failure = export_onnx(Small(), (X,)).failure
    assert failure is not None
    assert "onnxscript" in failure.message
    assert "pip install onnxscript" in failure.remedy


def test_functions_are_taken_away_too() -> None:
    for export in EVERY:
        made = export(lambda x: x * 2, (X,))
        assert made.ok, (export, made.failure)


def test_records_read_as_sentences() -> None:
    warning = StaticWarning("TracerWarning", "A value was fixed.", "m.py", 3, "Do not.")
    assert str(warning) == "TracerWarning: A value was fixed. (m.py:3)"
    assert str(StaticWarning("Note", "Two outputs.")) == "Note: Two outputs."
    failure = ExportFailure("It refuses", "Change it.", file="m.py", line=3)
    assert str(failure) == "It refuses (m.py:3). Change it."
    assert repr(Export("onnx", "M", b"1234")) == "<Export of M: onnx, 4 bytes>"
    assert repr(Export("onnx", "M", failure=failure)) == "<Export of M: onnx, failed: It refuses>"


def _export(model: nn.Module) -> str:
    return str(torch.export.export(model, (X,)).graph)


def _export_strictly(model: nn.Module) -> str:
    return str(torch.export.export(model, (X,), strict=True).graph)


def _onnx(model: nn.Module) -> str:
    with contextlib.redirect_stdout(io.StringIO()):
        program: Any = torch.onnx.export(model, (X,), dynamo=True, verbose=False)
    return str(program.model_proto.graph.node)


def _old_onnx(model: nn.Module) -> str:
    buffer: Any = io.BytesIO()
    torch.onnx.export(model, (X,), buffer, dynamo=False)
    return str(len(buffer.getvalue()))


def _trace(model: nn.Module) -> str:
    return str(torch.jit.trace(model, (X,), check_trace=False).code)


@pytest.mark.filterwarnings("ignore")  # the exporters' own, in training mode
@pytest.mark.parametrize("take_away", [_export, _export_strictly, _onnx, _old_onnx, _trace])
@pytest.mark.parametrize("kernels", [False, True])
def test_exporting_inside_a_recording_changes_neither_the_export_nor_the_recording(
    take_away: Callable[[nn.Module], str], kernels: bool
) -> None:
    def program(model: nn.Module) -> tuple[Tensor, str, Tensor]:
        return model(X), take_away(model), model(X)

    def fresh() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(Small(), nn.Dropout(0.5))

    plain = program(fresh())
    state = torch.get_rng_state()
    model = fresh()
    options = inspector.CaptureOptions(kernels=kernels)
    with inspector.recording(options, net=model) as session:
        watched = program(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(plain[0], watched[0])
    assert plain[1] == watched[1]
    assert torch.equal(plain[2], watched[2])
    recording = session.recording
    paths = [call.path for call in recording.module_calls]
    once = ["net", "net.0", "net.0.linear", "net.0.norm", "net.1"]
    assert paths == once * 2
    names = [op.name for op in recording.ops]
    assert names == ["linear", "add_", "batch_norm", "mul", "dropout"] * 2
    assert sum("ran inside" in note for note in recording.notes) == 1


# -- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("export", EVERY)
def test_a_tensor_alone_is_the_only_argument(export: Callable[..., Export]) -> None:
    alone, wrapped = export(scaled_by_two, X), export(scaled_by_two, (X,))
    listed = export(scaled_by_two, [X])
    assert alone.ok
    assert alone.inputs == wrapped.inputs == listed.inputs
    assert alone.checks == wrapped.checks == listed.checks


def scaled_by_two(x: Tensor) -> Tensor:
    return x * 2.0


@pytest.mark.parametrize("export", EVERY)
@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ("/tmp/x.pt", None, r"args is a tuple: \(x,\), and a str was given.*export\.save"),
        (3, None, r"args is a tuple: \(x,\), and an int was given\.$"),
        (None, None, r"args is a tuple: \(x,\), and None was given"),
        ({"x": X}, None, "a dict was given. Pass arguments by name as kwargs"),
        ((X,), [1], "kwargs is a dict .* and a list was given"),
        ((X,), {1: X}, "kwargs is a dict"),
    ],
)
def test_what_is_no_argument_is_refused(
    export: Callable[..., Export], args: Any, kwargs: Any, words: str
) -> None:
    with pytest.raises(InspectorError, match=words):
        export(scaled_by_two, args, kwargs)


@pytest.mark.parametrize("export", EVERY)
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("abc", "The model is a str: pass a module or a function"),
        (None, "The model is None: pass"),
        (nn.Linear, "Linear is a class: pass an instance of it"),
    ],
)
def test_what_is_no_model_is_not_exported(
    export: Callable[..., Export], model: Any, words: str
) -> None:
    with pytest.raises(InspectorError, match=words):
        export(model, (X,))


def test_an_export_is_saved_whole(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    target.write_bytes(b"older")
    save_torchscript(scaled_by_two, X).save(target)
    assert torch.equal(torch.jit.load(target)(X), X * 2)
    torchscript_ir(scaled_by_two, X).save(str(tmp_path / "model.txt"))
    assert (tmp_path / "model.txt").read_text(encoding="utf-8").startswith("# scaled_by_two\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.pt", "model.txt"]


def test_a_failed_export_is_not_saved(tmp_path: Path) -> None:
    failed = Export("onnx", "M", failure=ExportFailure("It refuses", "Change it."))
    with pytest.raises(InspectorError, match=r"no onnx to save\. It refuses\. Change it\."):
        failed.save(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_output_without_a_tensor_is_told_in_plain_words() -> None:
    failure = export_program(lambda x: 1.0, X).failure
    assert str(failure) == (
        "The model returns a float without a tensor in it, and a graph has to end in tensors. "
        "Return what it computed."
    )
    assert "returns None, and" in str(export_program(lambda x: None, X).failure)


def test_a_missing_argument_is_on_no_line_of_the_standard_library() -> None:
    failure = export_program(nn.Linear(3, 3)).failure
    assert failure is not None
    assert failure.file is None
    assert str(failure) == (
        "The model raises TypeError on these inputs: missing a required argument: 'input'. "
        "Call it with inputs that it runs on."
    )
