"""Losses over partial labels: each label is the set of values that it allows."""

import torch
from torch import Tensor
from torch.nn import functional

_IMPOSSIBLE = -1e9


def partial_cross_entropy(
    logits: Tensor,
    allowed: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    focal_gamma: float = 0.0,
    soft: Tensor | None = None,
    soft_weight: float = 0.0,
) -> Tensor:
    """Negative log of the probability that the allowed values have together.

    With one allowed value this is cross-entropy; with several it is the partial-label likelihood
    of Jin and Ghahramani, "Learning with Multiple Labels" (2002); with none the row doesn't count.

    Args:
        logits: float (N, C).
        allowed: bool (N, C), the values that the label allows.
        label_smoothing: Weight of the uniform distribution mixed into labels of one value.
        class_weights: float (C,) or None; a row weighs the mean weight of its allowed values.
        focal_gamma: Exponent of the focal factor (1−p)^gamma (Lin et al., 2017); 0 for none.
        soft: float (N, C) or None: what teachers say, each row summing to 1, or to less where
            they don't know all values; the label has the rest, and where it's 0 it alone counts.
        soft_weight: Share of the teachers' word in the loss (Hinton et al., "Distilling the
            Knowledge in a Neural Network", 2015); the label has the rest.

    Returns:
        Scalar: the weighted mean over the rows with a label, 0 when there are none.
    """
    count = allowed.sum(1)
    labelled = count > 0
    log_probabilities = functional.log_softmax(logits.float(), dim=1)
    log_allowed = torch.logsumexp(log_probabilities.masked_fill(~allowed, _IMPOSSIBLE), dim=1)
    loss = -log_allowed
    if focal_gamma:
        loss = loss * (1 - log_allowed.exp()).clamp(min=0) ** focal_gamma
    if label_smoothing:
        uniform = -log_probabilities.mean(1)
        smoothing = label_smoothing * (count == 1)
        loss = (1 - smoothing) * loss + smoothing * uniform
    if soft is not None:
        soft = soft.float()
        loss = (1 - soft_weight * soft.sum(1)) * loss
        loss = loss - soft_weight * (soft * log_probabilities).sum(1)
    weight = labelled.float()
    if class_weights is not None:
        weight = weight * (allowed.float() @ class_weights) / count.clamp(min=1)
    # where() and not a product: an unlabelled row's loss is huge, and inf · 0 is not 0.
    total = torch.where(labelled, loss * weight, torch.zeros_like(loss)).sum()
    return total / weight.sum().clamp(min=1e-6)


def balanced_class_weights(allowed: Tensor) -> Tensor:
    """Weights inverse to the class frequency, as scikit-learn's ``balanced``, of mean 1.

    Args:
        allowed: bool (N, C); rows that allow several values don't count.

    Returns:
        float (C,); classes that never occur weigh 1.
    """
    counts = allowed[allowed.sum(1) == 1].sum(0).float()
    seen = counts > 0
    weights = torch.ones_like(counts)
    weights[seen] = counts[seen].sum() / (seen.sum() * counts[seen])
    return weights


def log_prior(allowed: Tensor) -> Tensor:
    """The log of each value's share of labels, every value counted once more than it occurs.

    Added to the logits in training, it leaves them free of how frequent values are (Menon et al.,
    "Long-tail Learning via Logit Adjustment", 2021).

    Args:
        allowed: bool (N, C); a row that allows several values counts for each.

    Returns:
        float (C,), each at most 0.
    """
    counts = allowed.sum(0).float() + 1
    return (counts / counts.sum()).log()
