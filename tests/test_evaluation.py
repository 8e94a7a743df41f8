import numpy as np
import pytest
from sklearn import metrics

from hangtag import evaluation


def one_hot(labels, classes):
    """Truths from class numbers; -1 is a missing label."""
    truths = np.zeros((len(labels), classes), bool)
    for row, label in enumerate(labels):
        if label >= 0:
            truths[row, label] = True
    return truths


@pytest.fixture
def judged():
    """400 photos of six values, right about two times in three, some labels missing."""
    random = np.random.default_rng(7)
    labels = random.choice(6, 400, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    logits = random.normal(0, 1, (400, 6)) + 2.2 * np.eye(6)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(random.random(400) < 0.1, -1, labels)
    return probabilities, labels


def test_scores_agree_with_scikit_learn(judged):
    probabilities, labels = judged
    found = evaluation.scores(probabilities, one_hot(labels, 6))
    labelled = labels >= 0
    truth, probabilities = labels[labelled], probabilities[labelled]
    predicted = probabilities.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
        "weighted_f1": metrics.f1_score(truth, predicted, average="weighted"),
        "top5": metrics.top_k_accuracy_score(truth, probabilities, k=5, labels=range(6)),
        "log_loss": metrics.log_loss(truth, probabilities, labels=range(6)),
    }
    for metric, value in expected.items():
        assert found[metric] == pytest.approx(value), metric


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    # Ten photos at 0.75 of which six are right, ten at 0.95 all right.
    probabilities = np.array([[0.75, 0.25]] * 10 + [[0.95, 0.05]] * 10)
    labels = [0] * 6 + [1] * 4 + [0] * 10
    truths = one_hot(labels, 2)
    expected = (10 * 0.15 + 10 * 0.05) / 20
    assert evaluation.scores(probabilities, truths)["ece"] == pytest.approx(expected)
    bins = evaluation.reliability(probabilities, truths)
    assert [(one.photos, one.accuracy) for one in bins] == [(10, 0.6), (10, 1.0)]
    assert all(one.low < one.confidence <= one.high for one in bins)


def test_exactly_true_confidences_show_an_error_that_shrinks_with_the_photos():
    dice = np.random.default_rng(3)
    found = []
    for photos in (100, 10_000):
        confidence = dice.uniform(0.5, 1, photos)
        probabilities = np.column_stack([confidence, 1 - confidence])
        truths = one_hot((dice.random(photos) >= confidence).astype(int), 2)
        mean, low, high = evaluation.ece_if_exact(probabilities, truths)
        assert low < mean < high
        assert low * 0.9 < evaluation.scores(probabilities, truths)["ece"] < high * 1.1
        found.append(mean)
    # Gaps by chance shrink with the root of the photos' number.
    assert found[0] / found[1] == pytest.approx(10, rel=0.15)


def test_coverage_is_the_largest_share_that_keeps_the_precision():
    confidence = np.linspace(0.99, 0.6, 40)
    probabilities = np.column_stack([confidence, 1 - confidence])
    labels = [0] * 20 + [1] + [0] * 9 + [1] * 10
    found = evaluation.scores(probabilities, one_hot(labels, 2))
    assert found["coverage_99"] == 20 / 40
    assert found["coverage_95"] == 30 / 40  # 29 of 30 are right


def test_photos_of_one_confidence_are_accepted_together():
    probabilities = np.array([[0.9, 0.1]] * 4)
    found = evaluation.scores(probabilities, one_hot([0, 0, 0, 1], 2))
    assert found["coverage_95"] == 0


def test_any_value_of_a_partial_label_is_right():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    truths = np.array([[True, True, False], [True, True, False]])
    found = evaluation.scores(probabilities, truths)
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-(np.log(0.9) + np.log(0.3)) / 2)
    assert np.isnan(found["macro_f1"])  # no label says which class it is


def test_without_labels_there_is_no_number():
    probabilities, truths = np.full((3, 2), 0.5), np.zeros((3, 2), bool)
    assert all(np.isnan(value) for value in evaluation.scores(probabilities, truths).values())
    assert evaluation.reliability(probabilities, truths) == []
    assert len(evaluation.coverage_curve(probabilities, truths)[0]) == 0


def test_one_value_and_one_photo():
    found = evaluation.scores(np.ones((1, 1)), np.ones((1, 1), bool))
    assert found["accuracy"] == found["macro_f1"] == found["coverage_99"] == 1
    assert found["log_loss"] == 0


def test_a_value_that_the_model_does_not_know_is_not_among_the_first_five():
    probabilities = np.array([[0.7, 0.3, 0.0]])
    assert evaluation.scores(probabilities, one_hot([1], 3))["top5"] == 1
    assert evaluation.scores(probabilities, one_hot([2], 3))["top5"] == 0


def test_confusion_pairs_and_classes():
    labels = [0, 0, 0, 0, 1, 1, 2]
    predicted = [0, 1, 1, 2, 1, 0, 1]
    counts = evaluation.confusion(np.eye(4)[predicted], one_hot(labels, 4))
    assert counts.tolist() == [[1, 2, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert evaluation.most_confused(counts, 2)[0] == (0, 1, 2)
    assert len(evaluation.most_confused(counts, 99)) == 4
    assert evaluation.confused_block(counts, 2).tolist() == [0, 1]
    assert evaluation.confused_block(counts, 9).tolist() == [0, 1, 2]
    rows = evaluation.per_class(counts, ["a", "b", "c", "d"])
    assert [row.value for row in rows] == ["a", "b", "c"]
    assert (rows[0].precision, rows[0].recall) == (0.5, 0.25)
    assert rows[2].f1 == 0


def test_a_value_never_predicted_has_no_precision():
    counts = evaluation.confusion(np.eye(2)[[0, 0]], one_hot([0, 1], 2))
    by_value = {row.value: row for row in evaluation.per_class(counts, ["a", "b"])}
    assert by_value["b"].precision is None
    assert by_value["b"].recall == 0


def test_merged_values_add_their_probabilities():
    probabilities = np.array([[0.4, 0.3, 0.3]])
    truths = np.array([[False, True, False]])
    merged, merged_truths = evaluation.merge(probabilities, truths, np.array([0, 1, 1]), 2)
    assert merged.tolist() == [[0.4, 0.6]]
    assert merged_truths.tolist() == [[False, True]]


def test_retrieval_ranks_the_photos_for_each_value():
    relevance = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    truths = one_hot([1, 0, -1, 1], 2)
    found = evaluation.retrieval(relevance, truths)
    # Value 0: photo 0 comes first and is wrong, photo 1 is right. Value 1: photo 3 is right.
    assert found["p_at_1"] == 0.5
    assert found["mrr"] == (1 / 2 + 1) / 2
    assert found["values"] == 2
    # Of the three labelled photos one is of value 0 and two are of value 1.
    assert found["p_at_10_at_best"] == pytest.approx((1 / 3 + 2 / 3) / 2)
