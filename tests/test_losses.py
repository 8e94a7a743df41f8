import math

import torch

from hangtag.losses import balanced_class_weights, log_prior, partial_cross_entropy


def _allowed(*rows: list[int], classes: int = 3) -> torch.Tensor:
    mask = torch.zeros(len(rows), classes, dtype=torch.bool)
    for row, values in enumerate(rows):
        mask[row, values] = True
    return mask


def test_one_allowed_value_is_cross_entropy() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 0.0]])
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([1, 2]))
    assert torch.isclose(partial_cross_entropy(logits, _allowed([1], [2])), expected)


def test_label_smoothing_is_pytorchs() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(
        logits, torch.tensor([0, 1, 2, 1]), label_smoothing=0.1
    )
    found = partial_cross_entropy(logits, _allowed([0], [1], [2], [1]), label_smoothing=0.1)
    assert torch.isclose(found, expected)


def test_several_allowed_values_count_together() -> None:
    loss = partial_cross_entropy(torch.zeros(1, 3), _allowed([0, 2]))
    assert math.isclose(float(loss), -math.log(2 / 3), rel_tol=1e-5)


def test_missing_labels_change_neither_loss_nor_gradient() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0], [9.0, -9.0, 0.0]], requires_grad=True)
    loss = partial_cross_entropy(logits, _allowed([1], []))
    loss.backward()
    assert torch.isclose(loss, partial_cross_entropy(logits[:1], _allowed([1])))
    assert logits.grad is not None
    assert torch.equal(logits.grad[1], torch.zeros(3))
    nothing = partial_cross_entropy(logits, _allowed([], []))
    assert float(nothing) == 0


def test_focal_loss_looks_away_from_easy_photos() -> None:
    easy, hard = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    allowed = _allowed([0])
    plain = partial_cross_entropy(easy, allowed) / partial_cross_entropy(hard, allowed)
    focal = partial_cross_entropy(easy, allowed, focal_gamma=2) / partial_cross_entropy(
        hard, allowed, focal_gamma=2
    )
    assert focal < plain / 10


def test_balanced_weights_are_inverse_to_the_frequency() -> None:
    weights = balanced_class_weights(_allowed([0], [0], [0], [1], [0, 1], []))
    assert torch.allclose(weights, torch.tensor([4 / (2 * 3), 4 / (2 * 1), 1.0]))


def test_with_the_prior_added_nothing_is_left_to_learn_of_how_frequent_values_are() -> None:
    rows = [[0]] * 899 + [[1]] * 98
    prior = log_prior(_allowed(*rows))
    assert torch.allclose(prior.exp(), torch.tensor([0.9, 0.099, 0.001]))
    assert prior.argmax() == 0
    # What a network has left to learn where photos tell nothing: the same logit for every value.
    adjusted = torch.zeros(997, 3, requires_grad=True)
    partial_cross_entropy(adjusted + prior, _allowed(*rows)).backward()
    assert adjusted.grad is not None
    assert adjusted.grad.sum(0).abs().max() < 0.003


def test_teachers_share_the_loss_with_the_labels() -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    labels = _allowed([0], [1], [0, 2])
    soft = torch.tensor([[0.2, 0.8, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    log_probabilities = torch.log_softmax(logits, 1)
    expected = (
        0.7 * -log_probabilities[0, 0]
        + 0.3 * -(0.2 * log_probabilities[0, 0] + 0.8 * log_probabilities[0, 1])
        - log_probabilities[1, 1]
        # Of the last one the teachers say nothing, so its label counts in full.
        - torch.logsumexp(log_probabilities[2, [0, 2]], 0)
    ) / 3
    found = partial_cross_entropy(logits, labels, soft=soft.half(), soft_weight=0.3)
    assert torch.isclose(found, expected, atol=1e-3)
