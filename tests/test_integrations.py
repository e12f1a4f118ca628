"""The callbacks for PyTorch Lightning and `transformers.Trainer`.

Oracle: the same training without the callback, and the number of batches asked for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import inspector
from inspector.capture.session import running_session

pytestmark = [
    pytest.mark.slow,
    # Deprecations inside of Lightning and accelerate, and advice about slow data loaders.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def kinds(path: Path) -> list[str]:
    return [step.kind for step in inspector.load(path).steps]


@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_the_library_is_no_dependency(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import inspector.capture.watching.chosen"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=110)


# -- Lightning -------------------------------------------------------------------------------------


def fitted(folder: Path, *callbacks: Any, fail_at: int = -1) -> list[float]:
    """Train a tiny module on 4 batches; returns its losses."""
    lightning = pytest.importorskip("lightning.pytorch")

    class Tiny(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
            self.losses: list[float] = []

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            if index == fail_at:
                raise ValueError("bad batch")
            loss = self.body(batch).square().mean()
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    model = Tiny()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", callbacks=list(callbacks), default_root_dir=folder,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, DataLoader(torch.randn(4, 3), batch_size=2))
    return model.losses


def test_lightning_records_the_chosen_batches_and_trains_the_same(tmp_path: Path) -> None:
    from inspector.integrations.lightning import InspectorCallback

    alone = fitted(tmp_path)
    file = tmp_path / "run.inspect"
    assert fitted(tmp_path, InspectorCallback(steps=range(1, 3), path=file)) == alone
    # Lightning runs forward and backward in the closure of the optimizer's step.
    found = [step for step in inspector.load(file).steps if step.kind != "zero_grad"]
    assert [step.kind for step in found] == ["optimizer_step", "backward"] * 2
    recording = inspector.load(file)
    paths = {call.path for call in recording.module_calls}
    assert paths == {"Tiny.body", "Tiny.body.0", "Tiny.body.1", "Tiny.body.2"}
    assert [op.name for op in recording.ops].count("dropout") == 2
    assert running_session() is None


def test_lightning_writes_a_file_for_each_batch_through_all_epochs(tmp_path: Path) -> None:
    from inspector.integrations.lightning import InspectorCallback

    fitted(tmp_path, InspectorCallback(steps=[0, 3], path=tmp_path / "batch-{step}.inspect"))
    names = sorted(path.name for path in tmp_path.glob("*.inspect"))
    assert names == ["batch-0.inspect", "batch-3.inspect"]
    assert kinds(tmp_path / names[1]).count("optimizer_step") == 1


def test_lightning_keeps_a_batch_that_raised(tmp_path: Path) -> None:
    from inspector.integrations.lightning import InspectorCallback

    file = tmp_path / "run.inspect"
    with pytest.raises(ValueError, match="bad batch"):
        fitted(tmp_path, InspectorCallback(steps=range(5), path=file), fail_at=1)
    recording = inspector.load(file)
    assert recording.failure is not None
    assert recording.failure.message == "bad batch"
    assert running_session() is None


# -- transformers ----------------------------------------------------------------------------------


def trained(folder: Path, *callbacks: Any) -> list[float]:
    """Train a tiny BERT for 3 steps of 2 batches each; returns its parameters' sums."""
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        vocab_size=11, max_position_embeddings=8,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(config)
    tokens = torch.arange(30).reshape(6, 5) % 11
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=str(folder), per_device_train_batch_size=1, num_train_epochs=1,
            gradient_accumulation_steps=2, use_cpu=True, report_to=[], save_strategy="no",
            disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False,
        ),
        train_dataset=[{"input_ids": row, "labels": row} for row in tokens],
        callbacks=list(callbacks),
    )  # fmt: skip
    trainer.train()
    return [parameter.double().sum().item() for parameter in model.parameters()]


def test_trainer_records_the_chosen_steps_and_trains_the_same(tmp_path: Path) -> None:
    from inspector.integrations.transformers import InspectorCallback

    alone = trained(tmp_path)
    callback = InspectorCallback(steps=[1], path=tmp_path / "run.inspect")
    assert trained(tmp_path, callback) == alone
    found = kinds(tmp_path / "run.inspect")
    assert found.count("backward") == 2  # two batches are one step
    assert found.count("optimizer_step") == 1
    paths = {call.path for call in inspector.load(tmp_path / "run.inspect").module_calls}
    assert "BertForMaskedLM.bert.embeddings" in paths
    assert running_session() is None
