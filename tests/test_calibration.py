import numpy as np
import pytest

from hangtag.attributes import Attribute, Taxonomy
from hangtag.calibration import (
    NEVER,
    Calibration,
    Curve,
    Decoder,
    fit_probabilities,
    fit_thresholds,
    strictest,
    telling,
)

TYPES = Attribute("articleType", ("Shirts", "Jeans", "Caps"))
SUBS = Attribute("subCategory", ("Topwear", "Bottomwear", "Headwear"))
MASTERS = Attribute("masterCategory", ("Apparel", "Accessories"))
GENDER = Attribute("gender", ("Men", "Women"))
TAXONOMY = Taxonomy(
    {
        "articleType": {
            "Shirts": {"subCategory": "Topwear", "masterCategory": "Apparel"},
            "Jeans": {"subCategory": "Bottomwear", "masterCategory": "Apparel"},
            "Caps": {"subCategory": "Headwear", "masterCategory": "Accessories"},
        }
    }
)
ALL = [GENDER, MASTERS, SUBS, TYPES]


def _random_logits(count: int, spread: float = 2.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {one.name: rng.normal(0, spread, (count, len(one.values))) for one in ALL}


def test_categories_agree_with_the_article_type_whatever_the_heads_say() -> None:
    scales = {"articleType": 1, "subCategory": 0.3, "masterCategory": 0.2}
    decoder = Decoder(ALL, TAXONOMY, Calibration(scales=scales))
    probabilities = decoder(_random_logits(500))
    for name, values in probabilities.items():
        assert np.allclose(values.sum(1), 1, atol=1e-5), name
    types = probabilities["articleType"]
    best = types.argmax(1)
    assert (probabilities["subCategory"].argmax(1) == best).all()
    assert (probabilities["masterCategory"].argmax(1) == (best == 2)).all()
    assert np.allclose(probabilities["subCategory"], types, atol=1e-5)


def test_many_similar_types_dont_outvote_the_best_one() -> None:
    types = Attribute("articleType", ("Shirts", "Tops", "Jeans"))
    subs = Attribute("subCategory", ("Topwear", "Bottomwear"))
    parents = {
        one: {"subCategory": "Bottomwear" if one == "Jeans" else "Topwear"} for one in types.values
    }
    logits = {"articleType": np.log([[0.3, 0.3, 0.4]]), "subCategory": np.zeros((1, 2))}
    decoder = Decoder([subs, types], Taxonomy({"articleType": parents}), Calibration())
    probabilities = decoder(logits)
    assert probabilities["articleType"].argmax() == 2
    assert probabilities["subCategory"].argmax() == 1
    assert probabilities["subCategory"].sum() == pytest.approx(1)


def test_a_type_of_which_no_category_is_known_leaves_its_category_open() -> None:
    types = Attribute("articleType", ("Shirts", "Jeans", "Mystery"))
    parents = {"Shirts": {"subCategory": "Topwear"}, "Jeans": {"subCategory": "Bottomwear"}}
    subs = Attribute("subCategory", ("Topwear", "Bottomwear"))
    decoder = Decoder([subs, types], Taxonomy({"articleType": parents}), Calibration())
    said = {"articleType": np.log([[0.02, 0.08, 0.9]]), "subCategory": np.log([[0.1, 0.9]])}
    found = decoder(said)
    assert found["articleType"].argmax() == 2
    assert found["subCategory"][0] == pytest.approx([0.47, 0.53], abs=0.01)


def test_an_unsure_type_head_is_helped_by_the_category_heads() -> None:
    logits = {
        "gender": np.zeros((1, 2)),
        "masterCategory": np.array([[0.0, 4.0]]),
        "subCategory": np.array([[0.0, 0.0, 4.0]]),
        "articleType": np.array([[0.1, 0.0, 0.0]]),
    }
    scales = {"articleType": 1, "subCategory": 1, "masterCategory": 1}
    helped = Decoder(ALL, TAXONOMY, Calibration(scales=scales))
    assert helped(logits)["articleType"].argmax() == 2
    assert Decoder(ALL, TAXONOMY, Calibration())(logits)["articleType"].argmax() == 0


def test_fitting_makes_overconfident_probabilities_honest() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 1.5, (4000, 2))
    chance = 1 / (1 + np.exp(honest[:, 0] - honest[:, 1]))
    truth = (rng.random(4000) < chance).astype(int)
    fitted = fit_probabilities(
        {"gender": honest * 3}, {"gender": np.eye(2, dtype=bool)[truth]}, [GENDER], Taxonomy()
    )
    assert fitted.scales["gender"] == pytest.approx(1 / 3, rel=0.1)
    assert fitted.biases["gender"] == pytest.approx([0, 0], abs=0.1)


def test_fitting_finds_values_that_come_up_too_often() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(0, 1.5, (4000, 2))
    chance = 1 / (1 + np.exp(honest[:, 0] - honest[:, 1]))
    allowed = {"gender": np.eye(2, dtype=bool)[(rng.random(4000) < chance).astype(int)]}
    leaning = {"gender": honest + np.array([0.8, 0])}
    fitted = fit_probabilities(leaning, allowed, [GENDER], Taxonomy())
    men, women = fitted.biases["gender"]
    assert women - men == pytest.approx(0.8, abs=0.15)
    plain = fit_probabilities(leaning, allowed, [GENDER], Taxonomy(), scales_only=["gender"])
    assert (plain.biases, plain.curves) == ({}, {})
    before, after = (
        Decoder([GENDER], Taxonomy(), one)(leaning)["gender"] for one in (Calibration(), fitted)
    )
    right = allowed["gender"][:, 0].mean()
    assert before[:, 0].mean() > right + 0.08
    assert after[:, 0].mean() == pytest.approx(right, abs=0.01)


def test_the_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    confidence = np.linspace(1, 0.8, 1000)
    right = np.ones(1000, bool)
    right[500::2] = False
    thresholds = fit_thresholds(confidence, right)
    above = confidence >= thresholds[0.9]
    assert right[above].mean() >= 0.9
    assert above.sum() > 600
    assert thresholds[0.99] > thresholds[0.95] > thresholds[0.9]


def test_a_guess_is_not_accepted_because_the_sure_tags_above_it_are_right() -> None:
    confidence = np.linspace(1, 0.3, 1000)
    right = confidence > 0.35
    thresholds = fit_thresholds(confidence, right)
    assert right.mean() > 0.92
    assert 0.8 <= thresholds[0.8] <= thresholds[0.9] < 0.81


def test_a_precision_that_is_never_reached_accepts_nothing() -> None:
    thresholds = fit_thresholds(np.full(100, 0.7), np.arange(100) % 2 == 0)
    assert thresholds[0.95] == NEVER
    assert (
        strictest([thresholds, fit_thresholds(np.full(100, 0.7), np.ones(100, bool))])[0.95]
        == NEVER
    )


def test_a_precision_between_stored_targets_takes_the_stricter() -> None:
    calibration = Calibration(thresholds={"gender": {0.9: 0.6, 0.95: 0.8}})
    assert calibration.threshold("gender", 0.93) == 0.8
    assert calibration.threshold("gender", 0.999) == NEVER
    assert calibration.threshold("season", 0.9) == NEVER


def test_confidences_say_how_often_tags_are_right_though_labels_are_noisy() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 5, (4000, 5))
    probabilities = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    truth = (rng.random((4000, 1)) > probabilities.cumsum(1)).sum(1).clip(0, 4)
    noisy = rng.random(4000) < 0.1
    truth[noisy] = rng.integers(0, 5, noisy.sum())
    values = Attribute("gender", ("Boys", "Girls", "Men", "Unisex", "Women"))
    fitted = fit_probabilities(
        {"gender": honest}, {"gender": np.eye(5, dtype=bool)[truth]}, [values], Taxonomy()
    )
    found = Decoder([values], Taxonomy(), fitted)({"gender": honest})["gender"]
    # The likelihood of the labels alone leaves a gap of 0.08.
    assert found.max(1).mean() == pytest.approx((found.argmax(1) == truth).mean(), abs=0.045)


def test_surest_and_middling_confidences_hold_at_once() -> None:
    rng = np.random.default_rng(3)
    honest = rng.normal(0, 3, (6000, 3))
    logits = honest * np.where(rng.random(6000) < 0.5, 1, 0.6)[:, np.newaxis]
    probabilities = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    truth = (rng.random((6000, 1)) > probabilities.cumsum(1)).sum(1).clip(0, 2)
    values = Attribute("season", ("Summer", "Fall", "Winter"))
    fitted = fit_probabilities(
        {"season": logits}, {"season": np.eye(3, dtype=bool)[truth]}, [values], Taxonomy()
    )
    straight = fitted.model_copy(update={"curves": {}})
    before, after = (
        Decoder([values], Taxonomy(), one)({"season": logits})["season"]
        for one in (straight, fitted)
    )
    assert np.allclose(after.sum(1), 1, atol=1e-5)
    assert (np.argsort(after, 1) == np.argsort(before, 1)).all()

    def gaps(found: np.ndarray) -> list[float]:
        sure, right = found.max(1), found.argmax(1) == truth
        parts = [(sure > low) & (sure <= high) for low, high in ((0, 0.7), (0.7, 0.95), (0.95, 1))]
        return [abs(sure[part].mean() - right[part].mean()) for part in parts]

    assert sum(gaps(after)) < 0.6 * sum(gaps(before))
    assert max(gaps(after)) < 0.02


@pytest.mark.parametrize("curve", [(0.3, 0.2, 0.4), (1, 0.3, -1), (0.2, 1.3, -1), (0, 0, -5)])
def test_a_curve_keeps_probabilities_whole_and_in_order(curve: Curve) -> None:
    calibration = Calibration(
        scales={"articleType": 1}, curves={"articleType": curve, "gender": curve}
    )
    extreme = [[sure, 1, 0] for sure in (1, 2, 8, 16, 20, 200)]
    logits = {
        "gender": np.array([[sure, 0] for sure in (0, 1, 8, 16, 20, 200)], np.float32),
        **{name: np.array(extreme, np.float32) for name in ("subCategory", "articleType")},
        "masterCategory": np.zeros((6, 2), np.float32),
    }
    found = Decoder(ALL, TAXONOMY, calibration)(logits)
    for name, values in found.items():
        assert np.allclose(values.sum(1), 1, atol=1e-5), name
        assert (values >= 0).all(), name
    assert (found["articleType"].argmax(1)[1:] == 0).all()
    # What the surest type loses to another one of its category, the category keeps.
    both = found["articleType"][:, :2].sum(1)
    assert np.allclose(found["masterCategory"][:, 0], both, atol=1e-3)


def test_labels_that_allow_most_values_dont_set_thresholds() -> None:
    boys_or_girls, not_for_kids = [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]
    labels = np.array([boys_or_girls, not_for_kids, [0, 0, 1, 0, 0], [0] * 5], bool)
    assert telling(labels).tolist() == [True, False, True, False]
    assert telling(np.eye(2, dtype=bool)).all()


def test_a_tolerance_accepts_what_nearly_reaches_the_target() -> None:
    confidence = np.repeat([0.9, 0.85], 50)
    right = np.concatenate([np.ones(50, bool), np.arange(50) % 7 != 0])
    assert right.mean() == 0.92
    assert fit_thresholds(confidence, right)[0.95] == 0.9
    assert fit_thresholds(confidence, right, tolerance=0.03)[0.95] == 0.85
