"""Checks of an ONNX file: by ONNX's checker, and by running it with ONNX's reference evaluator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inspector.exported import Check
from inspector.language import sentence
from inspector.torchscript.exports.program import quiet
from inspector.torchscript.exports.runs import same
from inspector.torchscript.kept import collected_warnings

MAX_NODES, MAX_NUMBERS = 5_000, 50_000_000
"""Beyond this the reference evaluator, which is plain NumPy, is not asked to run the file."""


def well_formed(proto: Any) -> Check:
    """Whether ONNX's own checker takes the file, shape inference included."""
    import onnx

    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # ValidationError, InferenceError
        return Check("onnx.checker", False, str(error).strip())
    version = max(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    return Check(
        "onnx.checker",
        True,
        sentence("{n} nodes, opset {version}.", n=len(proto.graph.node), version=version),
    )


def gives_outputs(proto: Any, feeds: dict[str, Tensor], expected: list[Tensor]) -> Check:
    """The file run by ONNX's reference evaluator, against what the model returned."""
    name = sentence("gives the model's output")
    numbers = sum(tensor.numel() for tensor in feeds.values())
    numbers += sum(_numel(item.dims) for item in proto.graph.initializer)
    if len(proto.graph.node) > MAX_NODES or numbers > MAX_NUMBERS:
        return Check(
            name, None, sentence("Not run: the file is too large for ONNX's reference evaluator.")
        )
    from onnx.reference import ReferenceEvaluator

    try:
        with collected_warnings(), quiet():
            given = {key: tensor.detach().cpu().numpy() for key, tensor in feeds.items()}
            found = ReferenceEvaluator(proto).run(None, given)
    except Exception as error:  # an op that it lacks, a dtype that NumPy lacks
        return Check(
            name, None, sentence("ONNX's reference evaluator cannot run it: {error}", error=error)
        )
    # An ONNX tensor may come out as a NumPy scalar, or as a list for a sequence.
    tensors = [torch.as_tensor(each) for each in found if each is not None]
    return same(name, expected, tensors, exact=False)


def _numel(dims: Any) -> int:
    count = 1
    for size in dims:
        count *= size
    return count
