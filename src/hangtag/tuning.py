"""Searching a recipe's numbers with Optuna: trials in a database, bad ones stopped early."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import tomli_w
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback

from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.feature_cache import STILL, cached_features, is_cacheable
from hangtag.lightning_module import Lesson
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe
from hangtag.split import Kind
from hangtag.trainer import make_trainer
from hangtag.training_data import TrainingData, prepare, require_photos

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_RECIPE_KEY = "recipe"
_WEIGHT_DECAY = (1e-5, 0.3)
_REPEAT_RARE = 0.01
_SMOOTHING = 0.15
_DROPOUT = 0.6
_BACKBONE_RATE = (0.05, 1.0)
_AUGMENTATION = {
    "stretch": 0.5,
    "rotation": 45.0,
    "shift": 0.3,
    "brightness": 0.6,
    "contrast": 0.6,
    "colour_cast": 0.3,
}
"""What one number, the strength, multiplies, and how far it may go."""


def tune(
    catalogue: "Catalogue | str | Path",
    recipe: Recipe | str | Path = "default",
    output: str | Path = "tuned.toml",
    *,
    trials: int = 20,
    split: Kind = "random",
    weights: str | Path | None = None,
    from_scratch: bool = False,
    epochs: int | None = None,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> optuna.Study:
    """Search for numbers that raise a recipe's mean accuracy on the validation products.

    The first trial is the recipe as it is, so the best one is never worse. Trials whose accuracy
    after an epoch is below the median of the earlier ones' are stopped there. Test products are
    never looked at.

    Args:
        catalogue: As for `hangtag.train`.
        recipe: What to start from.
        output: Recipe file to write: the best trial's, at the recipe's own epochs and size. The
            trials are kept beside it, in ``<output>.db`` (SQLite); a further call goes on there.
        trials: How many there shall be in all, with those of earlier calls.
        split: How to split the catalogue.
        weights: Local file of backbone weights.
        from_scratch: Start from random weights.
        epochs: Of each trial; the recipe's own by default.
        size: Height and width of the photos in the trials; the recipe's own by default.
        progress: Told about reading and about the trials.

    Returns:
        The study; its best value is the mean accuracy, 0 to 100.

    Raises:
        HangtagError: The database holds trials of another recipe or setting, or no trial came to
            its end, and what preparing the data raises.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    products = read_catalogue(catalogue) if isinstance(catalogue, str | Path) else catalogue
    file = Path(output)
    shorter = _shortened(recipe, epochs, size)
    study = _study(file, shorter)
    data = prepare(products, shorter, split=split, progress=progress)
    require_photos(data, products)

    def objective(trial: optuna.Trial) -> float:
        return train_trial(
            trial,
            varied(shorter, trial),
            data,
            weights=Path(weights) if weights else None,
            from_scratch=from_scratch,
        )

    def tell(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if progress:
            progress("trials", len(_ended(study)), trials)

    left = trials - len(_ended(study))
    if left > 0:
        study.optimize(objective, n_trials=left, callbacks=[tell], gc_after_trial=True)
    if not study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
        raise HangtagError(f"{_database(file)}: no trial came to its end; run more --trials")
    best = varied(recipe, optuna.trial.FixedTrial(study.best_params))
    described = f"{recipe.description} (tuned)".strip()
    write_recipe(best.model_copy(update={"name": file.stem, "description": described}), file)
    return study


def varied(recipe: Recipe, trial: optuna.trial.BaseTrial) -> Recipe:
    """The recipe with the numbers that a trial suggests."""
    rate = recipe.schedule.learning_rate
    changes: dict[str, dict[str, float]] = {
        "schedule": {
            "learning_rate": trial.suggest_float("learning_rate", rate / 10, rate * 10, log=True),
            "weight_decay": trial.suggest_float("weight_decay", *_WEIGHT_DECAY, log=True),
            "repeat_rare": trial.suggest_float("repeat_rare", 0.0, _REPEAT_RARE),
        },
        "loss": {"label_smoothing": trial.suggest_float("label_smoothing", 0.0, _SMOOTHING)},
        "network": {"dropout": trial.suggest_float("dropout", 0.0, _DROPOUT)},
    }
    if not recipe.network.frozen:
        share = trial.suggest_float("backbone_rate", *_BACKBONE_RATE, log=True)
        changes["schedule"]["backbone_rate"] = share
    if recipe.augmentation != STILL:
        strength = trial.suggest_float("augmentation", 0.0, 2.0)
        changes["augmentation"] = {
            name: min(largest, strength * getattr(recipe.augmentation, name))
            for name, largest in _AUGMENTATION.items()
        }
    return recipe.model_copy(
        update={
            section: getattr(recipe, section).model_copy(update=update)
            for section, update in changes.items()
        }
    )


def own_numbers(recipe: Recipe) -> dict[str, float]:
    """The suggestions with which `varied` gives the recipe back, as near as the ranges allow."""
    numbers = {
        "learning_rate": recipe.schedule.learning_rate,
        "weight_decay": max(_WEIGHT_DECAY[0], min(_WEIGHT_DECAY[1], recipe.schedule.weight_decay)),
        "repeat_rare": min(_REPEAT_RARE, recipe.schedule.repeat_rare),
        "label_smoothing": min(_SMOOTHING, recipe.loss.label_smoothing),
        "dropout": min(_DROPOUT, recipe.network.dropout),
    }
    if not recipe.network.frozen:
        share = recipe.schedule.backbone_rate
        numbers["backbone_rate"] = max(_BACKBONE_RATE[0], min(_BACKBONE_RATE[1], share))
    if recipe.augmentation != STILL:
        numbers["augmentation"] = 1.0
    return numbers


def train_trial(
    trial: optuna.Trial,
    recipe: Recipe,
    data: TrainingData,
    *,
    weights: Path | None = None,
    from_scratch: bool = False,
) -> float:
    """Train once without writing anything; the best epoch's mean validation accuracy, 0 to 100.

    Raises:
        optuna.TrialPruned: It was stopped because it's worse than others.
    """
    seed_everything(recipe.seed, verbose=False)
    lesson = Lesson(recipe, data, weights=weights, scratch=from_scratch)
    if is_cacheable(recipe):
        lesson.features = cached_features(lesson.network, recipe, data.pool)
    report = _Report(trial, [attribute.name for attribute in data.attributes])
    trainer = make_trainer(
        recipe.schedule,
        [report],
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(lesson)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if report.pruned:
        raise optuna.TrialPruned
    return report.best


def write_recipe(recipe: Recipe, file: Path) -> None:
    """Write a recipe file that states what isn't the default.

    Weights of attributes that aren't learnt, which its base may have had, are left out.

    Raises:
        HangtagError: It can't be written.
    """
    learnt = {*recipe.attributes, *recipe.details, *recipe.auxiliary}
    weights = recipe.loss.attribute_weights
    loss = recipe.loss.model_copy(
        update={"attribute_weights": {one: weights[one] for one in weights if one in learnt}}
    )
    stated = recipe.model_copy(update={"loss": loss}).model_dump(
        mode="json", exclude_defaults=True, exclude_none=True
    )
    data = {"format_version": recipe.format_version, **stated}
    try:
        file.write_text(tomli_w.dumps(data), "utf-8")
    except OSError as error:
        raise HangtagError(f"{file}: can't be written ({error.strerror})") from error


def importance_plot(study: optuna.Study, file: Path) -> bool:
    """Draw how much each number matters (PED-ANOVA, Watanabe et al., 2023) as SVG or PNG.

    Returns:
        False if there are too few finished trials to tell; nothing is written then.
    """
    try:
        shares = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):
        return False
    from hangtag.reports.page import drawing

    with drawing(height=0.6 + 0.35 * len(shares)) as (figure, axes):
        names = list(reversed(shares))
        axes.barh(names, [shares[name] for name in names])
        axes.set_xlabel("share of the accuracy's variance")
        figure.savefig(file)
    return True


class _Report(Callback):
    """Tells Optuna each epoch's accuracy, and stops where it says so."""

    def __init__(self, trial: optuna.Trial, attributes: list[str]) -> None:
        self._trial, self._attributes = trial, attributes
        self.best = 0.0
        self.pruned = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the mean over the attributes that will be tagged."""
        found = [
            float(trainer.callback_metrics[f"accuracy/{name}"])
            for name in self._attributes
            if f"accuracy/{name}" in trainer.callback_metrics
        ]
        mean = sum(found) / max(1, len(found))
        self.best = max(self.best, mean)
        self._trial.report(mean, trainer.current_epoch)
        if self._trial.should_prune():
            self.pruned = trainer.should_stop = True


def _shortened(recipe: Recipe, epochs: int | None, size: tuple[int, int] | None) -> Recipe:
    changes: dict[str, Any] = {"details": [], "auxiliary": []}
    if size is not None:
        changes["input_size"] = size
    if epochs is not None or size is not None:
        # Stages name sizes, and shares of the epochs; a short trial at one size has one stage.
        stage = recipe.schedule.stages[-1].model_copy(
            update={"epochs": epochs or recipe.schedule.epochs, "size": None}
        )
        changes["schedule"] = recipe.schedule.model_copy(update={"stages": [stage]})
    return recipe.model_copy(update=changes)


def _database(file: Path) -> Path:
    return file.with_suffix(".db")


def _study(file: Path, recipe: Recipe) -> optuna.Study:
    database = _database(file)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            study_name="hangtag",
            storage=f"sqlite:///{database}",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=recipe.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
            load_if_exists=True,
        )
    except Exception as error:
        raise HangtagError(
            f"{database}: can't keep trials there ({type(error).__name__}); take another -o"
        ) from error
    stated = json.dumps(recipe.model_dump(mode="json"), sort_keys=True)
    if study.user_attrs.get(_RECIPE_KEY, stated) != stated:
        raise HangtagError(
            f"{database}: holds trials of another recipe, size or number of epochs; "
            "take another -o, or move it away"
        )
    study.set_user_attr(_RECIPE_KEY, stated)
    waiting = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING])
    if not waiting and not _ended(study):
        study.enqueue_trial(own_numbers(recipe))
    return study


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    states = optuna.trial.TrialState
    return study.get_trials(deepcopy=False, states=[states.COMPLETE, states.PRUNED])
