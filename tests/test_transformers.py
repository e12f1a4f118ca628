"""Models that nobody here wrote: `transformers` from tiny configurations, nothing downloaded.

Oracle: the same model run by plain torch from the same seed. Recording must give bit-equal
outputs, gradients and random state, and attribute every op to a source line and a module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers

import inspector
from inspector.render.workbench import Shown, workbench_payload
from inspector.views import default_open

pytestmark = pytest.mark.slow

BASE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "vocab_size": 50,
    "max_position_embeddings": 16,
}
GPT = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 50, "n_positions": 16}
GROUPED = BASE | {"num_key_value_heads": 2}
EXPERTS = GROUPED | {"num_experts_per_tok": 1}
PAIR = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "vocab_size": 50,
}

MODELS: dict[str, dict[str, Any]] = {
    "Bert": BASE,
    "Roberta": BASE,
    "Electra": BASE | {"embedding_size": 16},
    "DistilBert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 20, "vocab_size": 50},
    "Albert": BASE | {"embedding_size": 8},
    "DebertaV2": BASE,
    "MPNet": BASE,
    "GPT2": GPT,
    "GPTNeo": {
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "vocab_size": 50,
        "attention_types": [[["global", "local"], 1]],
    },
    "GPTNeoX": BASE,
    "GPTJ": GPT | {"rotary_dim": 4},
    "Llama": GROUPED,
    "Mistral": GROUPED,
    "Qwen2": GROUPED,
    "Gemma": GROUPED | {"head_dim": 8},
    "Phi": BASE,
    "OPT": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 20,
        "vocab_size": 50,
        "word_embed_proj_dim": 16,
    },
    "Bloom": {"hidden_size": 16, "n_layer": 1, "n_head": 2, "vocab_size": 50},
    "Falcon": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 50,
    },
    "Mixtral": EXPERTS | {"num_local_experts": 2},
    "Qwen2Moe": EXPERTS
    | {"num_experts": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
    "T5": {"d_model": 16, "num_layers": 1, "num_heads": 2, "d_ff": 20, "vocab_size": 50, "d_kv": 8},
    "Bart": PAIR | {"max_position_embeddings": 16},
    "XLNet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 20, "vocab_size": 50},
    "Funnel": {
        "d_model": 16,
        "block_sizes": [1, 1],
        "n_head": 2,
        "d_head": 8,
        "d_inner": 20,
        "vocab_size": 50,
    },
    "Mamba": {"hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 50, "state_size": 4},
    "ViT": BASE | {"image_size": 16, "patch_size": 8},
    "Swin": {
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "image_size": 16,
        "patch_size": 4,
        "window_size": 2,
    },
    "ConvNext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "Segformer": {
        "num_encoder_blocks": 2,
        "depths": [1, 1],
        "sr_ratios": [2, 1],
        "hidden_sizes": [8, 16],
        "patch_sizes": [3, 3],
        "strides": [2, 2],
        "num_attention_heads": [1, 2],
        "mlp_ratios": [2, 2],
    },
    "Wav2Vec2": BASE
    | {
        "conv_dim": [8, 8],
        "conv_stride": [2, 2],
        "conv_kernel": [3, 3],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
    "Whisper": PAIR
    | {
        "num_mel_bins": 8,
        "max_source_positions": 10,
        "max_target_positions": 10,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
    },
    "Longformer": BASE | {"attention_window": 4},
    "BigBird": BASE | {"attention_type": "original_full"},
    "FNet": {name: value for name, value in BASE.items() if name != "num_attention_heads"},
}


def build(name: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A fresh model with seeded weights, and its inputs."""
    config = getattr(transformers, f"{name}Config")(**MODELS[name])
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(config).eval()
    words = torch.randint(3, 49, (2, 8))
    main = model.main_input_name
    if main == "pixel_values":
        side = getattr(config, "image_size", None) or 32
        return model, {main: torch.randn(2, 3, side, side)}
    if main == "input_values":
        return model, {main: torch.randn(2, 64)}
    if main == "input_features":
        return model, {main: torch.randn(2, 8, 20), "decoder_input_ids": words}
    if name in ("T5", "Bart"):
        return model, {main: words, "decoder_input_ids": words}
    return model, {main: words}


def tensors_of(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_of(item)


def loss_of(output: Any) -> torch.Tensor:
    return next(t for t in tensors_of(output.to_tuple()) if t.is_floating_point()).sum()


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own deprecations
@pytest.mark.parametrize("name", list(MODELS))
def test_recording_changes_nothing_and_places_every_op(name: str) -> None:
    plain, inputs = build(name)
    expected = plain(**inputs)
    loss_of(expected).backward()
    state = torch.get_rng_state()

    model, inputs = build(name)
    seen: list[Any] = []

    def loss(output: Any) -> torch.Tensor:
        seen.append([tensor.detach().clone() for tensor in tensors_of(output.to_tuple())])
        return loss_of(output)

    recording = inspector.record(model, loss=loss, **inputs)
    assert recording.failure is None
    assert torch.equal(torch.get_rng_state(), state)
    outputs = list(tensors_of(expected.to_tuple()))
    assert len(outputs) == len(seen[0])
    for mine, theirs in zip(seen[0], outputs, strict=True):
        assert torch.equal(mine, theirs)
    grads = dict(plain.named_parameters())
    for path, parameter in model.named_parameters():
        if grads[path].grad is None:
            assert parameter.grad is None, path
        else:
            assert torch.equal(parameter.grad, grads[path].grad), path

    forward = recording.ops[: recording.meta["loss_from"]]
    assert forward
    nowhere = [op.id for op in forward if op.source is None or op.module_call is None]
    assert nowhere == []
    loud = [one for one in inspector.findings(recording) if one.severity != "note"]
    assert loud == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Bert", "Llama", "T5", "Swin", "Mamba"])
def test_the_workbench_shows_it(name: str) -> None:
    model, inputs = build(name)
    recording = inspector.record(model, loss=loss_of, **inputs)
    payload = workbench_payload(Shown(recording, opened=default_open(recording)))
    drawn = {pane["id"]: pane.get("svg") for pane in payload["panes"]}
    assert drawn["dynamic"] is not None
    assert drawn["backward"] is not None
