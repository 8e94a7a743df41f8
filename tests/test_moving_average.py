"""What training keeps is an average of the last tenth of the run, however short the run is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from hangtag.catalogue import read_catalogue
from hangtag.lightning_module import Lesson
from hangtag.moving_average import moving_average
from hangtag.recipe import Recipe
from hangtag.training_data import prepare


class Climb(LightningModule):
    """One weight that grows by one a step."""

    def __init__(self) -> None:
        super().__init__()
        self.height = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return -self.height + 0 * batch.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


@pytest.mark.parametrize(("decay", "lag"), [(0.999, 20), (0.5, 1)])
def test_average_lags_by_a_tenth_of_the_run_or_less(decay: float, lag: float, tmp_path) -> None:
    module = Climb()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[moving_average(decay)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, DataLoader(torch.zeros(200, 1)))
    assert 200 - module.height.item() == pytest.approx(lag, abs=1.5)


def test_the_averaged_network_leaves_the_photos_on_disk(
    monkeypatch: pytest.MonkeyPatch, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    data = prepare(read_catalogue(drawn_catalogue), tiny_recipe)
    lesson = Lesson(tiny_recipe, data, weights=None, scratch=True)
    copied: list[type] = []
    monkeypatch.setattr(
        np.memmap, "__deepcopy__", lambda *_: copied.append(np.memmap), raising=False
    )
    trainer = Trainer(
        accelerator="cpu", max_steps=1, callbacks=[moving_average(0.9)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, num_sanity_val_steps=0, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(lesson)
    assert isinstance(data.pool.arrays[0], np.memmap)
    assert not copied
