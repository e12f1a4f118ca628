"""See what a PyTorch model did for one input: ops, gradients, decisions, and its TorchScript.

    import inspector
    recording = inspector.record(model, x, loss="sum")
    print(recording.to_text())

Names are imported when first used, so that `import inspector` and the command line's help are
quick. That holds for functions named like their module (`overlay`, `compare`), too: an import of
the module does not put it in the function's place.
(The standard library's module for looking at Python objects is `inspect`.)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.advice import advice, model_facts
    from inspector.capture import CaptureOptions, Session, recording
    from inspector.capture.probes import probe_batch_mixing, probe_gradients
    from inspector.capture.record import record
    from inspector.capture.training import Training, record_training
    from inspector.capture.watching.chosen import recorded
    from inspector.census import census
    from inspector.census.fingerprint import fingerprint
    from inspector.compare import compare, value_drift
    from inspector.comparison import (
        Change,
        Comparison,
        DecisionDifference,
        Difference,
        Drift,
        LoopDifference,
    )
    from inspector.counted import (
        Branch,
        Census,
        CensusPoint,
        Coverage,
        DecisionSite,
        InputProblem,
        Leaf,
        Split,
        Variant,
        VariantDecision,
    )
    from inspector.errors import InspectorError
    from inspector.exported import (
        Check,
        Export,
        ExportedNode,
        ExportFailure,
        ScriptablePart,
    )
    from inspector.findings import findings
    from inspector.formats import export_data
    from inspector.found import Finding
    from inspector.gradients import GradientReport, gradient_report, largest_path
    from inspector.irdiff import graph_changes
    from inspector.lanes import lanes
    from inspector.library import Library
    from inspector.meetings import Lanes, Meeting, Mismatch
    from inspector.notebook import load_ipython_extension
    from inspector.overlay import overlay
    from inspector.records import (
        Collective,
        Decision,
        Disagreement,
        Divergence,
        Failure,
        GradNode,
        IRNode,
        IRValue,
        Kernel,
        LineBranch,
        ModuleCall,
        Op,
        Origin,
        Overlay,
        ParameterInfo,
        ProgramWarning,
        Recording,
        Source,
        StaticGraph,
        StaticWarning,
        Step,
        TensorInfo,
        TensorSummary,
    )
    from inspector.render.page import export_html
    from inspector.render.picture import to_graphviz
    from inspector.stages import (
        Advice,
        BatchPoint,
        BatchTiming,
        Machine,
        Measurement,
        ModelFacts,
        NodeChange,
        Stage,
        StageChange,
        Timing,
    )
    from inspector.static_run import Execution, RunFailure, StaticRun, StaticValue
    from inspector.store import load, save
    from inspector.text import to_text
    from inspector.torchscript import (
        export_onnx,
        export_program,
        load_torchscript,
        save_torchscript,
        script,
        scriptable_parts,
        torchscript_code,
        torchscript_ir,
        trace,
    )
    from inspector.torchscript.interpret import InterpretOptions, interpret
    from inspector.torchscript.measuring.sweep import sweep_batch
    from inspector.torchscript.measuring.timing import measure
    from inspector.torchscript.stages import optimisation_stages
    from inspector.truthful import line_marks, truth
    from inspector.truthful.check import check_truth
    from inspector.verdicts import LineMark, OutputMatch, Parting, Side, Truth
    from inspector.why_records import Why, WhyStep
    from inspector.whys import who_overwrote, why_no_gradient, why_nonfinite, why_this_shape

_HOME = {
    "inspector.advice": ("advice", "model_facts"),
    "inspector.capture": ("CaptureOptions", "Session", "record", "recording"),
    "inspector.capture.training": ("Training", "record_training"),
    "inspector.capture.watching.chosen": ("recorded",),
    "inspector.capture.probes": ("probe_batch_mixing", "probe_gradients"),
    "inspector.compare": ("compare", "value_drift"),
    "inspector.comparison": (
        "Change", "Comparison", "DecisionDifference", "Difference", "Drift", "LoopDifference",
    ),
    "inspector.census": ("census",),
    "inspector.census.fingerprint": ("fingerprint",),
    "inspector.counted": (
        "Branch", "Census", "CensusPoint", "Coverage", "DecisionSite", "InputProblem", "Leaf",
        "Split", "Variant", "VariantDecision",
    ),
    "inspector.errors": ("InspectorError",),
    "inspector.exported": (
        "Check", "Export", "ExportFailure", "ExportedNode", "ScriptablePart",
    ),
    "inspector.findings": ("findings",),
    "inspector.formats": ("export_data",),
    "inspector.found": ("Finding",),
    "inspector.gradients": ("GradientReport", "gradient_report", "largest_path"),
    "inspector.irdiff": ("graph_changes",),
    "inspector.lanes": ("lanes",),
    "inspector.meetings": ("Lanes", "Meeting", "Mismatch"),
    "inspector.records": (
        "Collective", "Decision", "Disagreement", "Divergence", "Failure", "GradNode", "IRNode",
        "IRValue", "Kernel", "LineBranch", "ModuleCall", "Op", "Origin", "Overlay",
        "ParameterInfo", "ProgramWarning", "Recording", "Source", "StaticGraph", "StaticWarning",
        "Step", "TensorInfo", "TensorSummary",
    ),
    "inspector.library": ("Library",),
    "inspector.notebook": ("load_ipython_extension",),
    "inspector.overlay": ("overlay",),
    "inspector.render.page": ("export_html",),
    "inspector.render.picture": ("to_graphviz",),
    "inspector.stages": (
        "Advice", "BatchPoint", "BatchTiming", "Machine", "Measurement", "ModelFacts",
        "NodeChange", "Stage", "StageChange", "Timing",
    ),
    "inspector.static_run": ("Execution", "RunFailure", "StaticRun", "StaticValue"),
    "inspector.store": ("load", "save"),
    "inspector.text": ("to_text",),
    "inspector.torchscript": (
        "export_onnx", "export_program", "load_torchscript", "save_torchscript", "script",
        "scriptable_parts", "torchscript_code", "torchscript_ir", "trace",
    ),
    "inspector.torchscript.interpret": ("InterpretOptions", "interpret"),
    "inspector.torchscript.stages": ("optimisation_stages",),
    "inspector.torchscript.measuring.sweep": ("sweep_batch",),
    "inspector.torchscript.measuring.timing": ("measure",),
    "inspector.truthful": ("line_marks", "truth"),
    "inspector.truthful.check": ("check_truth",),
    "inspector.verdicts": ("LineMark", "OutputMatch", "Parting", "Side", "Truth"),
    "inspector.why_records": ("Why", "WhyStep"),
    "inspector.whys": (
        "who_overwrote", "why_no_gradient", "why_nonfinite", "why_this_shape",
    ),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Advice", "BatchPoint", "BatchTiming", "Branch", "CaptureOptions", "Census", "CensusPoint",
    "Change", "Check", "Collective", "Comparison", "Coverage", "Decision", "DecisionDifference",
    "DecisionSite", "Difference", "Disagreement", "Divergence", "Drift", "Execution", "Export",
    "ExportFailure", "ExportedNode", "Failure", "Finding", "GradNode", "GradientReport", "IRNode",
    "IRValue", "InputProblem", "InspectorError", "InterpretOptions", "Kernel", "Lanes", "Leaf",
    "Library", "LineBranch", "LineMark", "LoopDifference", "Machine", "Measurement", "Meeting",
    "Mismatch", "ModelFacts", "ModuleCall", "NodeChange", "Op", "Origin", "OutputMatch", "Overlay",
    "ParameterInfo", "Parting", "ProgramWarning", "Recording", "RunFailure", "ScriptablePart",
    "Session", "Side", "Source", "Split", "Stage", "StageChange", "StaticGraph", "StaticRun",
    "StaticValue", "StaticWarning", "Step", "TensorInfo", "TensorSummary", "Timing", "Training",
    "Truth", "Variant", "VariantDecision", "Why", "WhyStep", "advice", "census", "check_truth",
    "compare", "export_data", "export_html", "export_onnx", "export_program", "findings",
    "fingerprint", "gradient_report", "graph_changes", "interpret", "lanes", "largest_path",
    "line_marks", "load", "load_ipython_extension", "load_torchscript", "measure", "model_facts",
    "optimisation_stages", "overlay", "probe_batch_mixing", "probe_gradients", "record",
    "record_training", "recorded", "recording", "save", "save_torchscript", "script",
    "scriptable_parts", "sweep_batch", "to_graphviz", "to_text", "torchscript_code",
    "torchscript_ir", "trace", "truth", "value_drift", "who_overwrote", "why_no_gradient",
    "why_nonfinite", "why_this_shape",
]  # fmt: skip

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'inspector' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


class _Face(ModuleType):
    """This package: names of functions stay theirs where a module of the name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _MODULE_OF):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
