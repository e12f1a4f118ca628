"""What each op says of the dimensions of its tensors: tables for `axes`.

The names are those of PyTorch's own documentation.
"""

from __future__ import annotations

from inspector.language import sentence

WORDS: dict[str, str] = {
    str(word): word
    for word in (
        sentence("classes"), sentence("embedding"), sentence("entries"), sentence("features"),
        sentence("heads"), sentence("hidden"), sentence("in"), sentence("keys"),
        sentence("layers"), sentence("out"), sentence("packed"), sentence("queries"),
    )
}  # fmt: skip
"""The names that are words, so that they can be told in another language; N, C, H, W are signs."""

REST = "…"
"""In a pattern: any number of dimensions that the op says nothing about."""

Pattern = tuple[str, ...]
Rule = dict[str, tuple[Pattern, ...]]
"""Role ("input", "weight", "output", "output1") -> patterns, of which the one that fits holds."""

_SPATIAL = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def _images(n: int) -> tuple[Pattern, ...]:
    """Batched and single pictures of n dimensions."""
    return ("N", "C", *_SPATIAL[n]), ("C", *_SPATIAL[n])


_BATCHES = tuple(("N", "C", *_SPATIAL[n]) for n in _SPATIAL)
_FEATURES: tuple[Pattern, ...] = ((REST, "features"),)
_CLASSES: tuple[Pattern, ...] = (("classes",), ("N", "classes"), ("N", "classes", REST))
_CHANNEL: tuple[Pattern, ...] = (("C",),)
_STEP: tuple[Pattern, ...] = (("N", "features"), ("features",))
_HIDDEN: tuple[Pattern, ...] = (("N", "hidden"), ("hidden",))


def _rules() -> dict[str, Rule]:
    """Name of an op -> what it says of its tensors."""
    rules: dict[str, Rule] = {
        "linear": {
            "input": _FEATURES,
            "weight": (("out", "in"),),
            "bias": (("out",),),
            "output": _FEATURES,
        },
        "embedding": {"weight": (("entries", "embedding"),), "output": ((REST, "embedding"),)},
        "layer_norm": {"input": _FEATURES, "weight": (("features",),), "bias": (("features",),)},
        "rms_norm": {"input": _FEATURES, "weight": (("features",),)},
        "batch_norm": {
            **dict.fromkeys(("input", "output"), (("N", "C"), *_BATCHES)),
            **dict.fromkeys(("running_mean", "running_var", "weight", "bias"), _CHANNEL),
        },
        "instance_norm": dict.fromkeys(("input", "output"), _BATCHES),
        "group_norm": {
            **dict.fromkeys(("input", "output"), (*_BATCHES, ("N", "C", REST))),
            **dict.fromkeys(("weight", "bias"), _CHANNEL),
        },
        "interpolate": dict.fromkeys(("input", "output"), _BATCHES),
        "pixel_shuffle": dict.fromkeys(("input", "output"), ((REST, "C", "H", "W"),)),
        "cross_entropy": {"input": _CLASSES, "target": (("N",),)},
        "nll_loss": {"input": _CLASSES, "target": (("N",),)},
        "one_hot": {"output": ((REST, "classes"),)},
        "scaled_dot_product_attention": {
            "query": ((REST, "queries", "features"),),
            "key": ((REST, "keys", "features"),),
            "value": ((REST, "keys", "features"),),
            "output": ((REST, "queries", "features"),),
        },
        "multi_head_attention_forward": {
            "query": (("queries", "N", "features"), ("queries", "features")),
            "key": (("keys", "N", "features"), ("keys", "features")),
            "value": (("keys", "N", "features"), ("keys", "features")),
            "output": (("queries", "N", "features"), ("queries", "features")),
            "output1": (
                ("queries", "keys"),
                ("N", "queries", "keys"),
                ("N", "heads", "queries", "keys"),
            ),
        },
    }
    for n, places in _SPATIAL.items():
        pictures = _images(n)
        kernel = tuple(f"k{place}" for place in places)
        for name, first in (("conv", ("out", "in")), ("conv_transpose", ("in", "out"))):
            rules[f"{name}{n}d"] = {
                "input": pictures,
                "weight": ((*first, *kernel),),
                "bias": (("out",),),
                "output": pictures,
            }
        for name in ("max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool"):
            rules[f"{name}{n}d"] = {"input": pictures, "output": pictures, "output1": pictures}
        rules[f"dropout{n}d"] = {"input": pictures, "output": pictures}
    for name, gates in GATES.items():
        rules[f"{name}_cell"] = {
            "input": _STEP,
            **dict.fromkeys(("hidden", "memory", "output", "output1"), _HIDDEN),
            "w_ih": ((gates, "in"),),
            "w_hh": ((gates, "hidden"),),
            **dict.fromkeys(("b_ih", "b_hh"), ((gates,),)),
        }
    return rules


GATES = {"lstm": "4·hidden", "gru": "3·hidden", "rnn_tanh": "hidden", "rnn_relu": "hidden"}
RULES = _rules()

PARAMETERS: dict[str, tuple[str, ...]] = {
    "embedding": ("input", "weight"),
    "layer_norm": ("input", "normalized_shape", "weight", "bias"),
    "rms_norm": ("input", "normalized_shape", "weight"),
    "batch_norm": ("input", "running_mean", "running_var", "weight", "bias"),
    "group_norm": ("input", "num_groups", "weight", "bias"),
    "cross_entropy": ("input", "target"),
    "nll_loss": ("input", "target"),
    "scaled_dot_product_attention": ("query", "key", "value"),
    "multi_head_attention_forward": ("query", "key", "value"),
    **{f"{name}_cell": ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh") for name in GATES},
}
"""Names of an op's parameters, where they are not input, weight and bias."""

ELEMENTWISE = frozenset(
    "add sub rsub mul div true_divide neg abs exp log sqrt pow square clamp clip relu relu6 gelu "
    "elu selu celu silu mish softplus leaky_relu prelu sigmoid tanh hardtanh hardswish "
    "hardsigmoid logsigmoid dropout alpha_dropout feature_alpha_dropout softmax log_softmax "
    "masked_fill where batch_norm instance_norm group_norm layer_norm rms_norm normalize sin cos "
    "contiguous clone detach requires_grad_ float double half bfloat16 to type cpu cuda "
    "lerp addcmul addcdiv maximum minimum nan_to_num copy_ zero_ "
    "zeros_like ones_like empty_like rand_like randn_like full_like".split()
)
"""Ops whose result has the dimensions of their input of the same shape."""

PRODUCTS = frozenset({"matmul", "bmm", "baddbmm"})
