"""The rules that come with this package, one file each."""

from __future__ import annotations

from inspector.findings.rule import Rule
from inspector.findings.rules import (
    backward_on_non_scalar,
    batch_mixed,
    broadcast_to_square,
    dead_relu,
    device_mismatch,
    dropout_always_on,
    dtype_mismatch,
    exploding_gradient,
    grad_of_non_leaf,
    gradient_cut,
    graph_kept_across_steps,
    graph_used_twice,
    graphs_kept_alive,
    index_out_of_range,
    inference_in_train_mode,
    leaf_overwritten,
    loss_without_graph,
    nonfinite_gradient,
    nonfinite_value,
    numpy_needs_detach,
    recomputation_differs,
    run_failed,
    saved_tensor_overwritten,
    script_cannot_compile,
    shapes_do_not_fit,
    softmax_twice,
    stale_gradient,
    trace_freezes_decision,
    unregistered_module,
    unused_in_a_step,
    vanishing_gradient,
    view_overwritten,
    write_hidden_from_autograd,
    wrong_backward,
)

_MODULES = (
    # They explain a run that failed; `run_failed` is the last resort.
    shapes_do_not_fit,
    saved_tensor_overwritten,
    leaf_overwritten,
    view_overwritten,
    graph_used_twice,
    graph_kept_across_steps,
    loss_without_graph,
    backward_on_non_scalar,
    device_mismatch,
    dtype_mismatch,
    index_out_of_range,
    numpy_needs_detach,
    script_cannot_compile,
    recomputation_differs,
    run_failed,
    # They speak of what went through without an error.
    write_hidden_from_autograd,
    grad_of_non_leaf,
    trace_freezes_decision,
    nonfinite_value,
    nonfinite_gradient,
    gradient_cut,
    stale_gradient,
    unregistered_module,
    inference_in_train_mode,
    dropout_always_on,
    broadcast_to_square,
    softmax_twice,
    graphs_kept_alive,
    dead_relu,
    vanishing_gradient,
    exploding_gradient,
    unused_in_a_step,
    # They are asked for: probes run the model again.
    batch_mixed,
    wrong_backward,
)

RULES: tuple[Rule, ...] = tuple(module.RULE for module in _MODULES)
"""All of them; `check --rules` lists them in this order."""
