"""Training: a catalogue and a recipe in, a model folder out. The loop is Lightning's."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from hangtag.errors import HangtagError
from hangtag.feature_cache import cached_features, is_cacheable
from hangtag.finishing import finish
from hangtag.lightning_module import Lesson
from hangtag.model import INFO, earlier_commands, read_model
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe
from hangtag.resuming import WhereItLies, only_run, read_checkpoint, require_same_run
from hangtag.split import Kind, require_split
from hangtag.teachers import soft_labels
from hangtag.trainer import make_trainer
from hangtag.training_data import NO_PHOTO, prepare, read_catalogues, require_photos
from hangtag.warm_start import adopt_network, start_from

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

CHECKPOINTS = "checkpoints"
LOGS = "logs"
_BEST = "best"
_SAVE_EVERY_STEPS = 200


def train(
    catalogue: "Catalogue | str | Path",
    recipe: Recipe | str | Path = "default",
    output: str | Path = "model",
    *,
    alternate: str | Path | None = None,
    extra: Sequence[str | Path] = (),
    details: str | Path | Sequence[str | Path] | None = None,
    attributes: Sequence[str] = (),
    split: Kind = "random",
    weights: str | Path | None = None,
    from_scratch: bool = False,
    start: str | Path | None = None,
    teachers: Sequence[str | Path] = (),
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
        details: Tables of further attributes, by id, of the catalogue's products or of an extra
            one's.
        attributes: What to learn in place of the recipe's attributes: columns of the catalogue.
        split: How to tell training, validation and test products apart.
        weights: Local file of backbone weights.
        from_scratch: Start from random weights.
        start: Name or folder of a model to go on from; see `hangtag.warm_start.start_from`. A
            frozen recipe then trains neck and heads alone.
        teachers: Names or folders of models to learn from beside the labels; see
            `hangtag.teachers`. The recipe's ``teacher_weight`` says how much.
        resume: Go on from the newest checkpoint in ``output``, with the recipe (but for stages and
            learning rates), the split and the labels that it began with.
        name: The model's name; by default that of the output folder.
        command: What was typed to start the training, for the model card.
        progress: Told about the reading of photos.

    Returns:
        The model folder.

    Raises:
        HangtagError: Anything a user can mend: unreadable input, weights that can't be had, an
            output folder that holds another run or a model or into which another training writes,
            no photos, a run to resume that began with something else, a start or a teacher that has
            seen test products.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    if attributes:
        recipe = recipe.learning(list(attributes))
    catalogue, *extras = read_catalogues(catalogue, extra, details)
    for one in (catalogue, *extras):
        print(f"{one.source}: {one.summary()}", file=sys.stderr)
    folder = Path(output)
    if folder.is_file():
        raise HangtagError(f"{folder}: is a file; a model is a folder, so take another -o")
    with only_run(folder):
        checkpoint = newest_checkpoint(folder) if resume else None
        if checkpoint is None and list((folder / CHECKPOINTS).glob("*.ckpt")):
            raise HangtagError(
                f"{folder}: holds an unfinished or finished run; go on with --resume "
                "or take another -o"
            )
        if checkpoint is None and (folder / INFO).exists():
            raise HangtagError(f"{folder}: holds a model; take another -o or remove it")
        started_from = read_model(start) if start is not None else None
        if started_from is not None:
            recipe = adopt_network(recipe, started_from)
        taught_by = [read_model(teacher) for teacher in teachers]
        for model in [*([started_from] if started_from else []), *taught_by]:
            # Of another catalogue's products none is known to be among these test products.
            if model.info.training.get("catalogue") == catalogue.source.name:
                require_split(model, split)
        started = time.monotonic()
        seed_everything(recipe.seed, verbose=False)
        data = prepare(
            catalogue,
            recipe,
            alternate=Path(alternate) if alternate else None,
            extra=extras,
            split=split,
            progress=progress,
        )
        require_photos(data, catalogue, alternate)
        named = sum(len(one) - one.table["photo"].null_count() for one in (catalogue, *extras))
        if unreadable := named - int((data.own != NO_PHOTO).sum()):
            photos = "photo" if unreadable == 1 else "photos"
            print(f"left out: {unreadable:,} {photos} that can't be read", file=sys.stderr)
        if data.left_out:
            names = ", ".join(data.left_out)
            print(f"not learnt, for want of such a column: {names}", file=sys.stderr)
        if taught_by:
            folders = [teacher.folder for teacher in taught_by]
            data = replace(data, soft=soft_labels(folders, catalogue, data, progress))
        lesson = Lesson(
            recipe,
            data,
            weights=Path(weights) if weights else None,
            scratch=from_scratch or started_from is not None,
        )
        if started_from is not None:
            start_from(started_from, lesson.network, [*data.attributes, *data.auxiliary])
            if recipe.network.frozen:
                lesson.network.freeze_features()
        if checkpoint is not None:
            require_same_run(checkpoint, recipe, data, lesson.network)
        if is_cacheable(recipe, started=started_from is not None):
            lesson.features = cached_features(lesson.network, recipe, data.pool, progress)
        best = _fit(lesson, folder, checkpoint)
        lesson.load_state_dict(read_checkpoint(best)["state_dict"])
        if lesson.global_rank == 0:
            facts: dict[str, Any] = {
                "name": name or folder.name,
                "from_scratch": from_scratch or not recipe.network.pretrained,
                "minutes": round((time.monotonic() - started) / 60, 1),
                "device": lesson.device.type,
            }
            if started_from is not None:
                facts["start"] = started_from.info.name
            if taught_by:
                facts["teachers"] = [teacher.info.name for teacher in taught_by]
            if came_from := [*([started_from] if started_from else []), *taught_by]:
                facts["earlier commands"] = earlier_commands([model.info for model in came_from])
            finish(
                lesson.network,
                recipe,
                data,
                catalogue=catalogue,
                alternate=alternate,
                extra=extra,
                folder=folder,
                facts=facts,
                command=command,
                progress=progress,
            )
    return folder


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
    files = sorted((folder / CHECKPOINTS).glob("*.ckpt"), key=lambda file: -file.stat().st_mtime_ns)
    for file in files:
        try:
            read_checkpoint(file)
        except HangtagError:
            continue
        return file
    raise HangtagError(f"{folder}: no checkpoint to resume from; train without --resume")


def _fit(lesson: Lesson, folder: Path, checkpoint: Path | None) -> Path:
    schedule = lesson.recipe.schedule
    checkpoints = folder / CHECKPOINTS
    best = ModelCheckpoint(
        checkpoints, filename=_BEST, monitor="val/loss", enable_version_counter=False
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
    callbacks: list[Callback] = [
        best,
        latest,
        WhereItLies(checkpoints),
        EpochLine(),
        LearningRateMonitor("step"),
    ]
    if schedule.patience:
        callbacks.append(EarlyStopping("val/loss", patience=schedule.patience))
    interactive = sys.stderr.isatty()
    if interactive:
        callbacks.append(RichProgressBar())
    logs = folder / LOGS
    trainer = make_trainer(
        schedule,
        callbacks,
        accelerator="auto",
        devices=_devices(),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        strategy="ddp" if "LOCAL_WORLD_SIZE" in os.environ else "auto",
        logger=[CSVLogger(logs, name="", version=""), TensorBoardLogger(logs, name="", version="")],
        enable_progress_bar=interactive,
        log_every_n_steps=20,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
    )
    if checkpoint is not None and trainer.is_global_zero:
        _keep_table(logs / "metrics.csv")
    trainer.fit(lesson, ckpt_path=checkpoint, weights_only=True)
    if trainer.interrupted:
        raise HangtagError(f"{folder}: training was stopped; go on with --resume")
    return checkpoints / f"{_BEST}.ckpt"


def _keep_table(file: Path) -> None:
    """Number the table of the run that was stopped, since the logger begins with an empty one."""
    if file.exists():
        before = len(list(file.parent.glob(f"{file.stem}-*{file.suffix}")))
        file.rename(file.with_stem(f"{file.stem}-{before + 1}"))


def _devices() -> int | str:
    # Under torchrun each process is one device.
    return int(os.environ["LOCAL_WORLD_SIZE"]) if "LOCAL_WORLD_SIZE" in os.environ else "auto"
