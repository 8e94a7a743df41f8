"""What Lightning needs to know of a training: batches, loss, optimiser, validation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from hangtag.augmentation import Augmenter, backgrounds
from hangtag.head_names import head_name
from hangtag.losses import balanced_class_weights, log_prior, partial_cross_entropy
from hangtag.mixed_precision import keep_exact
from hangtag.mixing import mix
from hangtag.network import HangtagNetwork
from hangtag.recipe import Recipe, Stage
from hangtag.resuming import RUN, describe
from hangtag.training_data import SOFT, PhotoPool, TrainingBatches, TrainingData

_VALIDATION_BATCH = 256


class Lesson(LightningModule):
    """What Lightning needs to know: batches, loss, optimiser, validation.

    Attributes:
        features: What a frozen network's backbone makes of the photos of the pool, if it was
            computed before; neck and heads then learn from it, and no photo is seen again.
    """

    features: PhotoPool | None = None

    def __init__(
        self, recipe: Recipe, data: TrainingData, *, weights: Path | None, scratch: bool
    ) -> None:
        super().__init__()
        self.recipe, self.data = recipe, data
        heads = [*data.attributes, *data.auxiliary]
        self.network = HangtagNetwork(
            recipe.network, heads, recipe.input_size, weights=weights, from_scratch=scratch
        ).to(memory_format=torch.channels_last)
        keep_exact(self.network)
        self._batches: TrainingBatches | None = None
        self._backgrounds = backgrounds(data, recipe.augmentation)
        self._sums: dict[str, Tensor] = {}
        main = data.rows("train", extra=False)
        for attribute in heads:
            allowed = torch.from_numpy(data.targets[attribute.name][main])
            name = head_name(attribute.name)
            if recipe.loss.class_weights == "balanced":
                weight = balanced_class_weights(allowed)
                self.register_buffer(f"weight_{name}", weight, persistent=False)
            if recipe.loss.logit_adjustment:
                prior = recipe.loss.logit_adjustment * log_prior(allowed)
                self.register_buffer(f"prior_{name}", prior, persistent=False)

    def train_dataloader(self) -> TrainingBatches:
        """The training batches of this process."""
        trainer = self.trainer
        data = replace(self.data, pool=self._pool)
        self._batches = TrainingBatches(data, self.recipe, trainer.global_rank, trainer.world_size)
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
        photos, own_share = batch["photos"], 1.0
        if self.features is None:
            stage = self._stage()
            augmentation = self.recipe.augmentation.scaled(stage.augmentation)
            augment = Augmenter(augmentation, self._backgrounds)
            worn = self._worn(batch) if augmentation.wearer else None
            # Positions in sixteen bits would be off by half a pixel.
            with torch.autocast(self.device.type, enabled=False):
                photos = augment(photos, stage.size or self.recipe.input_size, worn)
            photos, own_share = mix(photos, augmentation)
        logits = self._logits(photos)
        total = own_share * self._loss(logits, batch)
        if own_share < 1:
            others = {key: value.roll(1, 0) for key, value in batch.items()}
            total = total + (1 - own_share) * self._loss(logits, others)
        self.log("train/loss", total.detach(), prog_bar=True, batch_size=len(photos))
        return total

    def validation_step(self, rows: Any, _: int) -> None:
        """Losses and right answers of one chunk of rows, without augmentation."""
        photos = torch.from_numpy(self._pool.take(self.data.own[rows])).to(self.device)
        if self.features is None:
            photos = photos[..., :3].permute(0, 3, 1, 2).float()
        logits = self._logits(photos)
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
            loss = partial_cross_entropy(self._adjusted(name, scores[mask]), allowed[mask])
            self._add(f"loss/{name}", loss * mask.sum())

    def on_validation_epoch_end(self) -> None:
        """Log the accuracy of each attribute, and the mean loss of those that are always tagged."""
        sums = {name: self.all_gather(total).sum() for name, total in self._sums.items()}  # type: ignore[union-attr]
        self._sums = {}
        total = torch.zeros((), device=self.device)
        tagged = {attribute.name for attribute in self.data.attributes} - self.data.details.keys()
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
        """Keep the random state, so that a resumed run goes on as it would have, and what it is."""
        checkpoint["random_state"] = torch.get_rng_state()
        checkpoint[RUN] = describe(self.recipe, self.data)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the random state."""
        if "random_state" in checkpoint:
            torch.set_rng_state(checkpoint["random_state"])

    @property
    def _pool(self) -> PhotoPool:
        return self.data.pool if self.features is None else self.features

    def _logits(self, photos: Tensor) -> dict[str, Tensor]:
        if self.features is None:
            logits = self.network(photos.contiguous(memory_format=torch.channels_last))
        else:
            logits = self.network.logits(photos.float())
        return {name: scores.float() for name, scores in logits.items()}

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + value

    def _stage(self) -> Stage:
        left = self.current_epoch
        for stage in self.recipe.schedule.stages:
            if left < stage.epochs:
                return stage
            left -= stage.epochs
        return self.recipe.schedule.stages[-1]

    def _worn(self, batch: dict[str, Tensor]) -> Tensor:
        """Which products are garments by their labels: bool (N,)."""
        worn = torch.zeros(len(batch["photos"]), dtype=torch.bool, device=self.device)
        for head in self.data.attributes:
            values = self.recipe.augmentation.worn.get(head.name, [])
            allowed = batch[head.name]
            for value in set(values) & set(head.values):
                worn |= allowed[:, head.index[value]] & (allowed.sum(1) == 1)
        return worn

    def _adjusted(self, name: str, scores: Tensor) -> Tensor:
        """Logits (N, C) of an attribute as the loss takes them."""
        return scores + getattr(self, f"prior_{head_name(name)}", 0.0)

    def _loss(self, logits: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
        """Sum of the attributes' losses by the labels of a batch."""
        recipe = self.recipe.loss
        losses = []
        for name, scores in logits.items():
            loss = partial_cross_entropy(
                self._adjusted(name, scores),
                batch[name],
                label_smoothing=0.0 if recipe.logit_adjustment else recipe.label_smoothing,
                class_weights=getattr(self, f"weight_{head_name(name)}", None),
                focal_gamma=recipe.focal_gamma if recipe.kind == "focal" else 0.0,
                soft=batch.get(SOFT + name),
                soft_weight=recipe.teacher_weight,
            )
            losses.append(loss * recipe.attribute_weights.get(name, 1.0))
        return torch.stack(losses).sum()


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


def _as_is(rows: Any) -> Any:
    return rows
