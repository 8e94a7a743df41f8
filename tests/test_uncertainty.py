import numpy as np
import pytest
from scipy import stats

from hangtag import uncertainty
from hangtag.evaluation import METRICS, scores


def drawn(seed, photos, classes, *, skill=2.0):
    """Probabilities and truths of photos, some of partial labels, some without any."""
    dice = np.random.default_rng(seed)
    labels = dice.integers(classes, size=photos)
    logits = dice.normal(size=(photos, classes)) + skill * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truths = np.eye(classes, dtype=bool)[labels]
    truths[dice.random(photos) < 0.1] = False
    truths[dice.random(photos) < 0.1, 0] = True
    return probabilities, truths


@pytest.mark.parametrize("skill", [-30, 0, 2, 30], ids=["all wrong", "chance", "good", "all right"])
def test_every_interval_holds_its_score(skill):
    for seed in range(3):
        for photos, classes in ((1, 1), (1, 4), (2, 2), (5, 30), (39, 3), (60, 40)):
            probabilities, truths = drawn(seed, photos, classes, skill=skill)
            groups = np.random.default_rng(seed).integers(max(1, photos // 2), size=photos)
            found = scores(probabilities, truths)
            for of in (None, groups):
                ranges = uncertainty.intervals(probabilities, truths, of, rounds=50)
                assert list(ranges) == list(METRICS)
                for metric, (low, high) in ranges.items():
                    if np.isnan(found[metric]):
                        assert np.isnan(low)
                        assert np.isnan(high)
                    else:
                        assert 0 <= low <= found[metric] <= high, metric
                        assert high <= 1 or metric == "log_loss"


@pytest.mark.parametrize("photos", [1, 39])
def test_a_perfect_score_of_few_photos_is_not_certain(photos):
    truths = np.tile([True, False], (photos, 1))
    probabilities = np.where(truths, 0.97, 0.03)
    found = uncertainty.intervals(probabilities, truths)
    for metric in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "coverage_95"):
        assert found[metric][0] < 0.98, metric
        assert found[metric][1] == 1, metric
    wrong = uncertainty.intervals(probabilities, ~truths)
    assert wrong["accuracy"][0] == 0
    assert wrong["accuracy"][1] > 0.05


def test_classes_of_one_photo_leave_much_open():
    # Twenty classes, each seen once and right: no resample would say anything else.
    truths = np.eye(20, dtype=bool)
    low, high = uncertainty.intervals(np.where(truths, 0.9, 0.1 / 19), truths)["balanced_accuracy"]
    assert low < 0.85
    assert high == 1


def test_a_share_has_wilsons_interval():
    hits = np.arange(40) < 31
    expected = stats.binomtest(31, 40).proportion_ci(0.95, method="wilson")
    found = uncertainty.share(hits)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert uncertainty.share(np.zeros(0, bool)).photos == 0


def test_copies_are_no_further_evidence():
    hits = np.arange(40) < 31
    once = uncertainty.share(hits)
    repeated = uncertainty.share(np.repeat(hits, 10), np.repeat(np.arange(40), 10))
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.05)
    assert uncertainty.share(np.ones(200, bool), np.zeros(200, int)).low < 0.3
    # Those that don't agree more than others are as good as any.
    dice = np.random.default_rng(1)
    apart = dice.random(4000) < 0.8
    alone = uncertainty.share(apart)
    grouped = uncertainty.share(apart, dice.integers(400, size=4000))
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.1)

    probabilities, truths = drawn(3, 100, 4)
    single = uncertainty.intervals(probabilities, truths)
    copied = uncertainty.intervals(
        np.repeat(probabilities, 9, axis=0), np.repeat(truths, 9, axis=0), np.repeat(range(100), 9)
    )
    for metric in METRICS:
        width = np.diff(single[metric])
        assert np.diff(copied[metric]) == pytest.approx(width, rel=0.3, abs=0.01), metric


def test_intervals_shrink_with_photos_and_are_repeatable():
    probabilities, truths = drawn(5, 800, 6)
    few = uncertainty.intervals(probabilities[:80], truths[:80])
    many = uncertainty.intervals(probabilities, truths)
    for metric in METRICS:
        assert np.diff(many[metric]) < np.diff(few[metric]), metric
    assert many == uncertainty.intervals(probabilities, truths)


def test_class_means_hold_the_truth_nineteen_times_in_twenty():
    recall = np.array([0.95, 0.8, 0.6])
    dice = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        labels = np.repeat(range(3), 30)
        right = dice.random(90) < recall[labels]
        said = np.where(right, labels, (labels + 1) % 3)
        # Of only one of its parts: the bootstrap takes longer, and isn't asked.
        sample = uncertainty.Sample(np.eye(3)[said], np.eye(3, dtype=bool)[labels])
        low, high = uncertainty._of_classes(sample, np.arange(90))["macro_f1"]
        hits = recall / 3
        guesses = hits + np.roll(1 - recall, 1) / 3
        held += low <= np.mean(2 * hits / (1 / 3 + guesses)) <= high
    assert 0.91 <= held / 200 <= 0.995


def test_without_labels_there_is_no_interval():
    found = uncertainty.intervals(np.full((3, 2), 0.5), np.zeros((3, 2), bool))
    assert np.isnan(list(found.values())).all()


def test_mcnemar_looks_at_the_photos_the_models_disagree_on():
    first = np.array([True] * 90 + [True] * 10 + [False] * 0)
    second = np.array([True] * 90 + [False] * 10)
    found = uncertainty.mcnemar(first, second)
    assert (found.only_first, found.only_second, found.ahead) == (10, 0, 10)
    assert found.p_value == pytest.approx(2 * 0.5**10)
    assert uncertainty.mcnemar(first, first).p_value == 1


def test_copies_have_one_vote_together():
    first, second = np.ones(10, bool), np.zeros(10, bool)
    assert uncertainty.mcnemar(first, second, np.zeros(10, int)).p_value == 1
    # Nine photos of one product against two others.
    second = np.array([False] * 9 + [True] * 2)
    found = uncertainty.mcnemar(~second, second, np.array([4] * 9 + [5, 6]))
    assert (found.only_first, found.only_second, found.ahead) == (9, 2, -1)


def test_holm_corrects_for_several_tests():
    assert uncertainty.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert uncertainty.holm([0.9, 0.8]) == [1, 1]
    assert uncertainty.holm([]) == []
