"""Lightning's Trainer as a recipe sets it, saying only what hangtag's users need."""

import logging
import warnings
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from hangtag.allocator import keep_freed_memory
from hangtag.mixed_precision import precision
from hangtag.moving_average import moving_average
from hangtag.recipe import Schedule


def make_trainer(schedule: Schedule, callbacks: list[Callback], **settings: Any) -> Trainer:
    """A trainer for a schedule's epochs that clips gradients and averages weights as it says.

    It trains in the `hangtag.mixed_precision.precision` of this machine, and the process keeps
    memory that a step has freed.

    Args:
        schedule: The recipe's.
        callbacks: What else is called. The average comes last, so that the others see it judged.
        settings: Further arguments of `lightning.pytorch.Trainer`.
    """
    _quieten()
    keep_freed_memory()
    if schedule.averaging:
        callbacks = [*callbacks, moving_average(schedule.averaging)]
    return Trainer(
        max_epochs=schedule.epochs,
        gradient_clip_val=schedule.gradient_clip or None,
        callbacks=callbacks,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        precision=precision(),
        **settings,
    )


def _quieten() -> None:
    # Advertisements, and warnings about Lightning's own use of PyTorch, are nothing to act on.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*")
