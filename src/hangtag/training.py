"""Training: a catalogue and a recipe in, a model folder out. The loop is Lightning's."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from hangtag.augmentation import Augmenter
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.finishing import TestSet, finish
from hangtag.losses import balanced_class_weights, partial_cross_entropy
from hangtag.network import HangtagNetwork
from hangtag.photo_cache import Progress
from hangtag.recipe import Recipe, read_recipe
from hangtag.split import Kind, count_parts
from hangtag.training_data import TrainingBatches, TrainingData, prepare

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

CHECKPOINTS = "checkpoints"
LOGS = "logs"
_SAVE_EVERY_STEPS = 200
_VALIDATION_BATCH = 256
_BACKGROUNDS = 1500


def train(
    catalogue: "Catalogue | str | Path",
    recipe: Recipe | str | Path = "default",
    output: str | Path = "model",
    *,
    alternate: str | Path | None = None,
    extra: Sequence[str | Path] = (),
    details: str | Path | None = None,
    split: Kind = "random",
    weights: str | Path | None = None,
    from_scratch: bool = False,
    resume: bool = False,
    name: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train a network on a catalogue's training products and write a model folder.

    Confidences are calibrated on its validation products; the test products give the numbers of
    the model card and are used for nothing else.

    Args:
        catalogue: A catalogue, or the path of one.
        recipe: A recipe, the name of one that ships, or a TOML file.
        output: Folder to write: the model, and beside it checkpoints and logs.
        alternate: A folder or zip of other photos of the same products, named by their ids.
        extra: Further catalogues to learn from, through the recipe's translations.
        details: A table of further attributes of the same products.
        split: How to tell training, validation and test products apart.
        weights: Local file of backbone weights.
        from_scratch: Start from random weights.
        resume: Go on from the newest checkpoint in ``output``.
        name: The model's name; by default that of the output folder.
        command: What was typed to start the training, for the model card.
        progress: Told about the reading of photos.

    Returns:
        The model folder.

    Raises:
        HangtagError: Anything a user can mend: unreadable input, weights that can't be had, an
            output folder that holds another run.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    if not hasattr(catalogue, "table"):
        catalogue = read_catalogue(catalogue)
    if details is not None:
        catalogue = catalogue.with_columns_from(details)
    folder = Path(output)
    checkpoint = newest_checkpoint(folder) if resume else None
    if checkpoint is None and list((folder / CHECKPOINTS).glob("*.ckpt")):
        raise HangtagError(
            f"{folder}: holds an unfinished or finished run; go on with --resume or take another -o"
        )
    seed_everything(recipe.seed, verbose=False)
    data = prepare(
        catalogue,
        recipe,
        alternate=Path(alternate) if alternate else None,
        extra=[Path(path) for path in extra],
        split=split,
        progress=progress,
    )
    for part, count in count_parts(data.parts[~data.extra]).items():
        if not count:
            raise HangtagError(
                f"{catalogue.source}: no {part} products; the catalogue is too small"
            )
    lesson = Lesson(recipe, data, weights=Path(weights) if weights else None, scratch=from_scratch)
    best = _fit(lesson, folder, checkpoint)
    lesson.load_state_dict(_read_checkpoint(best)["state_dict"])
    if lesson.global_rank == 0:
        judged_on = {"test": TestSet(catalogue)}
        if alternate is not None:
            judged_on["test, alternate photos"] = TestSet(catalogue, Path(alternate))
        for path in extra:
            judged_on[f"test, {Path(path).stem}"] = TestSet(Path(path))
        facts = {"name": name or folder.name, "catalogue": catalogue.source.name}
        if command is not None:
            facts["command"] = command
        finish(
            lesson.network,
            recipe,
            data,
            judged_on=judged_on,
            folder=folder,
            facts=facts,
            progress=progress,
        )
    return folder


class Lesson(LightningModule):
    """What Lightning needs to know: batches, loss, optimiser, validation."""

    def __init__(
        self, recipe: Recipe, data: TrainingData, *, weights: Path | None, scratch: bool
    ) -> None:
        super().__init__()
        self.recipe, self.data = recipe, data
        heads = [*data.attributes, *data.auxiliary]
        self.network = HangtagNetwork(
            recipe.network, heads, recipe.input_size, weights=weights, from_scratch=scratch
        ).to(memory_format=torch.channels_last)
        self._batches: TrainingBatches | None = None
        self._augment = Augmenter(recipe.augmentation, _backgrounds(data, recipe))
        self._sums: dict[str, Tensor] = {}
        main = data.rows("train", extra=False)
        for attribute in heads:
            allowed = torch.from_numpy(data.targets[attribute.name][main])
            if recipe.loss.class_weights == "balanced":
                weight = balanced_class_weights(allowed)
                self.register_buffer(f"weight_{attribute.name}", weight, persistent=False)
            if recipe.loss.logit_adjustment:
                prior = (allowed.float().sum(0) + 1).log_softmax(0)
                self.register_buffer(
                    f"prior_{attribute.name}", recipe.loss.logit_adjustment * prior, False
                )

    def train_dataloader(self) -> TrainingBatches:
        """The training batches of this process."""
        trainer = self.trainer
        self._batches = TrainingBatches(
            self.data, self.recipe, trainer.global_rank, trainer.world_size
        )
        self._batches.epoch = trainer.current_epoch
        return self._batches

    def val_dataloader(self) -> DataLoader:
        """The validation rows, main and extra, in order."""
        rows = self.data.rows("validation")
        chunks = [
            rows[at : at + _VALIDATION_BATCH] for at in range(0, len(rows), _VALIDATION_BATCH)
        ]
        return DataLoader(chunks, batch_size=None, collate_fn=_as_is)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, _: int) -> Any:
        """Move arrays as they come from the cache onto the device."""
        if isinstance(batch, dict):
            return {key: torch.from_numpy(value).to(device) for key, value in batch.items()}
        return batch

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Sum of the attributes' losses on one batch."""
        size = self._stage_size()
        photos = self._augment(batch["photos"], size).contiguous(memory_format=torch.channels_last)
        losses = self._losses(self.network(photos), batch)
        total = torch.stack(list(losses.values())).sum()
        self.log("train/loss", total.detach(), prog_bar=True, batch_size=len(photos))
        return total

    def validation_step(self, rows: Any, _: int) -> None:
        """Losses and right answers of one chunk of rows, without augmentation."""
        photos = torch.from_numpy(self.data.pool.take(self.data.own[rows])[..., :3])
        pixels = photos.to(self.device).permute(0, 3, 1, 2).float()
        logits = self.network(pixels)
        extra = torch.from_numpy(self.data.extra[rows]).to(self.device)
        for name, scores in logits.items():
            allowed = torch.from_numpy(self.data.targets[name][rows]).to(self.device)
            labelled = allowed.any(1)
            right = allowed.gather(1, scores.argmax(1, keepdim=True))[:, 0]
            for group, members in (("", ~extra), ("extra-", extra)):
                counted = labelled & members
                self._add(f"right/{group}{name}", (right & counted).sum())
                self._add(f"count/{group}{name}", counted.sum())
            mask = labelled & ~extra
            loss = partial_cross_entropy(scores[mask], allowed[mask])
            self._add(f"loss/{name}", loss * mask.sum())

    def on_validation_epoch_end(self) -> None:
        """Log the accuracy of each attribute, and the mean loss of those that will be tagged."""
        sums = {name: self.all_gather(total).sum() for name, total in self._sums.items()}
        self._sums = {}
        total = torch.zeros((), device=self.device)
        tagged = {attribute.name for attribute in self.data.attributes}
        for key, count in sums.items():
            kind, _, name = key.partition("/")
            if kind != "count" or not count:
                continue
            self.log(f"accuracy/{name}", 100 * sums[f"right/{name}"] / count)
            if name in tagged:
                total = total + sums[f"loss/{name}"] / count
        self.log("val/loss", total, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, its rate rising and falling by the step."""
        schedule = self.recipe.schedule
        optimiser = _optimiser(self.network, self.recipe)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        warm_up = schedule.warm_up if schedule.decay == "one-cycle" else 0.0

        def factor(step: int) -> float:
            done = step / steps
            if done < warm_up:
                return 0.04 + 0.96 * done / warm_up
            if schedule.decay == "constant":
                return 1.0
            falling = min(1.0, (done - warm_up) / (1 - warm_up))
            return max(1e-3, 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * falling)))))

        rates = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the random state, so that a resumed run goes on as it would have."""
        checkpoint["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the random state."""
        if "random_state" in checkpoint:
            torch.set_rng_state(checkpoint["random_state"])

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + value

    def _stage_size(self) -> tuple[int, int]:
        left = self.current_epoch
        for stage in self.recipe.schedule.stages:
            if left < stage.epochs:
                return stage.size or self.recipe.input_size
            left -= stage.epochs
        return self.recipe.input_size

    def _losses(self, logits: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        recipe = self.recipe.loss
        losses = {}
        for name, scores in logits.items():
            if recipe.logit_adjustment:
                scores = scores + getattr(self, f"prior_{name}")  # noqa: PLW2901
            loss = partial_cross_entropy(
                scores,
                batch[name],
                label_smoothing=recipe.label_smoothing,
                class_weights=getattr(self, f"weight_{name}", None),
                focal_gamma=recipe.focal_gamma if recipe.kind == "focal" else 0.0,
            )
            losses[name] = loss * recipe.attribute_weights.get(name, 1.0)
        return losses


class EpochLine(Callback):
    """Prints one line of validation accuracies after each epoch."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print, unless this is the sanity check or not the first process."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        parts = [
            f"{name.split('/', 1)[1]} {float(value):.1f}"
            for name, value in metrics.items()
            if name.startswith("accuracy/")
        ]
        loss = float(metrics.get("val/loss", 0.0))
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {loss:.3f}  "
        print(line + "  ".join(parts), file=sys.stderr, flush=True)


def newest_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a run that is whole; one that a kill cut short is passed over.

    Raises:
        HangtagError: There is none.
    """
    files = sorted(
        (folder / CHECKPOINTS).glob("step-*.ckpt"), key=lambda file: -file.stat().st_mtime_ns
    )
    for file in files:
        try:
            _read_checkpoint(file)
        except HangtagError:
            continue
        return file
    raise HangtagError(f"{folder}: no checkpoint to resume from; train without --resume")


def _read_checkpoint(file: Path) -> dict[str, Any]:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise HangtagError(f"{file}: not a whole checkpoint ({type(error).__name__})") from error


def _fit(lesson: Lesson, folder: Path, checkpoint: Path | None) -> Path:
    schedule = lesson.recipe.schedule
    checkpoints = folder / CHECKPOINTS
    best = ModelCheckpoint(
        checkpoints, filename="best", monitor="val/loss", enable_version_counter=False
    )
    # Two are kept, because the newest may be half written when the process is killed.
    latest = ModelCheckpoint(
        checkpoints,
        filename="step-{step:07d}",
        auto_insert_metric_name=False,
        monitor="step",
        mode="max",
        save_top_k=2,
        every_n_train_steps=_SAVE_EVERY_STEPS,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [best, latest, EpochLine(), LearningRateMonitor("step")]
    if schedule.averaging:
        callbacks.append(EMAWeightAveraging(decay=schedule.averaging))
    if schedule.patience:
        callbacks.append(EarlyStopping("val/loss", patience=schedule.patience))
    interactive = sys.stderr.isatty()
    if interactive:
        callbacks.append(RichProgressBar())
    logs = folder / LOGS
    trainer = Trainer(
        accelerator="auto",
        devices=_devices(),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        strategy="ddp" if "LOCAL_WORLD_SIZE" in os.environ else "auto",
        precision="16-mixed" if torch.cuda.is_available() else "32-true",
        max_epochs=schedule.epochs,
        gradient_clip_val=schedule.gradient_clip or None,
        callbacks=callbacks,
        logger=[CSVLogger(logs, name="", version=""), TensorBoardLogger(logs, name="", version="")],
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(lesson, ckpt_path=checkpoint, weights_only=True)
    if trainer.interrupted:
        raise HangtagError(f"{folder}: training was stopped; go on with --resume")
    return Path(best.best_model_path)


def _devices() -> int | str:
    # Under torchrun each process is one device.
    return int(os.environ["LOCAL_WORLD_SIZE"]) if "LOCAL_WORLD_SIZE" in os.environ else "auto"


def _optimiser(network: HangtagNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    schedule = recipe.schedule
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = schedule.learning_rate
        if name.startswith("backbone."):
            rate *= schedule.backbone_rate
        # Biases and normalisation scales are not decayed (He et al., "Bag of Tricks", 2019).
        decay = schedule.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    parameters = [
        {"params": members, "lr": rate, "weight_decay": decay}
        for (rate, decay), members in groups.items()
    ]
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, nesterov=True)
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[schedule.optimiser](parameters)


def _backgrounds(data: TrainingData, recipe: Recipe) -> Tensor | None:
    """Some photos of the extra catalogues, which show real surroundings."""
    rows = data.rows("train", extra=True)
    if not recipe.augmentation.background or not len(rows):
        return None
    chosen = rows[:: max(1, len(rows) // _BACKGROUNDS)]
    return torch.from_numpy(data.pool.take(data.own[chosen]))


def _as_is(rows: Any) -> Any:
    return rows
