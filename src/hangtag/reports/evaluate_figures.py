"""The drawings of the evaluation report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag.reports import page

if TYPE_CHECKING:
    from markupsafe import Markup

_SMALL = (3.4, 2.8)
_LONGEST = 28  # letters of a name; a longer one would leave no room for the drawing
_LINES = ("-", "--", ":", "-.")


def coverage_curve(attribute: str, by_model: Mapping[str, Mapping[str, Any]]) -> "Markup":
    """Draw precision against the share of photos accepted, a line for each model.

    Args:
        attribute: Its name.
        by_model: By model, the attribute's part of `Evaluation.numbers`.
    """
    with page.drawing(*_SMALL) as (figure, axes):
        lowest = 0.9
        for (model, numbers), line in zip(by_model.items(), _cycled(len(by_model)), strict=True):
            curve = numbers["coverage_curve"]
            coverage = [100 * point["coverage"] for point in curve]
            precision = [100 * point["precision"] for point in curve]
            axes.plot(
                coverage, precision, line, label=_short(model), marker="." if len(curve) < 5 else ""
            )
            lowest = min([lowest, *(point["precision"] for point in curve)])
        for target in (95, 99):
            axes.axhline(target, color=page.COLOURS[-1], linewidth=0.8, linestyle=":")
        axes.set(xlim=(0, 101), ylim=(100 * lowest - 1, 100.5))
        axes.set(
            title=_short(attribute), xlabel="accepted, % of photos", ylabel="right, % of accepted"
        )
        _legend(axes, by_model)
        return page.svg(figure, f"Coverage and precision of {attribute}")


def reliability(attribute: str, by_model: Mapping[str, Mapping[str, Any]]) -> "Markup":
    """Draw how often tags of a confidence are right, and how many tags have it.

    Args:
        attribute: Its name.
        by_model: By model, the attribute's part of `Evaluation.numbers`.
    """
    with page.drawing(*_SMALL) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=page.COLOURS[-1], linewidth=0.8, linestyle=":")
        for (model, numbers), line in zip(by_model.items(), _cycled(len(by_model)), strict=True):
            bins = numbers["reliability"]
            axes.plot(
                [one["confidence"] for one in bins],
                [one["accuracy"] for one in bins],
                line,
                marker="o",
                markersize=3,
                label=_short(model),
            )
        # The histogram lies under the lines, in the lower quarter.
        bins = next(iter(by_model.values()))["reliability"]
        most = max((one["photos"] for one in bins), default=1)
        axes.bar(
            [(one["low"] + one["high"]) / 2 for one in bins],
            [one["photos"] / most / 4 for one in bins],
            width=0.055,
            color=page.COLOURS[-1],
            alpha=0.35,
        )
        error = ", ".join(f"{100 * one['scores']['ece']['value']:.1f}" for one in by_model.values())
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set(
            title=f"{_short(attribute)} (ECE {error} %)", xlabel="confidence", ylabel="share right"
        )
        _legend(axes, by_model)
        return page.svg(figure, f"Reliability of {attribute}")


def confusion(
    attribute: str, counts: np.ndarray, values: Sequence[str], block: np.ndarray
) -> "Markup":
    """Draw a confusion matrix as a heat map of each row's shares, with the counts in it.

    Args:
        attribute: Its name.
        counts: int (C, C), actual by predicted, of all values.
        values: The C values.
        block: int (B,): positions of the values to draw.
    """
    part = counts[np.ix_(block, block)]
    shares = part / np.maximum(counts[block].sum(axis=1, keepdims=True), 1)
    side = max(3.0, 0.32 * len(block))
    with page.drawing(side + 1.6, side + 1.0) as (figure, axes):
        axes.imshow(shares, cmap=page.HEAT, vmin=0, vmax=1)
        names = [_short(values[position]) for position in block]
        axes.set_xticks(range(len(block)), names, rotation=90)
        axes.set_yticks(range(len(block)), names)
        axes.set(xlabel="predicted", ylabel="actual")
        axes.spines[:].set_visible(False)
        for row, column in np.argwhere(part):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                str(part[row, column]),
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if dark else "black",
            )
        return page.svg(figure, f"Confusion matrix of {attribute}")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _cycled(count: int) -> list[str]:
    return [_LINES[number % len(_LINES)] for number in range(count)]


def _legend(axes: Any, by_model: Mapping[str, Any]) -> None:
    if len(by_model) > 1:
        axes.legend(loc="lower left", fontsize=7)
