"""The model card, written from the facts of the run."""

from hangtag.markdown import table
from hangtag.model import ModelInfo

_LIMITS = """\
- It was trained on one shop's catalogue (India, 2007 to 2019) and on phone photos of clothes. What
  neither shows (other cultures' garments, furniture, food) it doesn't know.
- Season is the season in which the shop sold the product; often the photo doesn't show it.
- Base colour is what the shop's staff called the main colour; copies of one photo disagree on it.
- Values with few training photos are seldom tagged; the evaluation report lists each value.
- It looks at products and must not be used to judge people in photos: gender is whom the product
  is made for."""

_COVERAGE = (
    "Coverage at 95 % is the largest share of the photos above a confidence, chosen on these very "
    "photos, of whose tags 95 % are right. `hangtag evaluate` reports what the model's own "
    "thresholds accept."
)


def write_card(info: ModelInfo) -> str:
    """A model card in Markdown: data, split, command, numbers, limits."""
    training = info.training
    products = training.get("products", {})
    extra = training.get("extra photos", {})
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: hangtag",
        "pipeline_tag: image-classification",
        "---",
        f"# {info.name}",
        "",
        f"Tags fashion product photos: {', '.join(one.name for one in info.attributes)}. "
        f"Input {info.input_size[0]}×{info.input_size[1]} pixels, {_backbone(info)}.",
        "",
        "## Data",
        f"{training.get('catalogue', 'a catalogue')}: {products.get('train', 0):,} products to "
        f"train, {products.get('validation', 0):,} to validate and calibrate, "
        f"{products.get('test', 0):,} to test; split: {info.split}, by groups of products whose "
        "photos are copies.",
    ]
    if sum(extra.values()):
        lines.append(
            f"Beside it {extra.get('train', 0):,} photos of other catalogues to train and "
            f"{extra.get('validation', 0):,} to validate."
        )
    if "start" in training:
        lines += ["", f"It went on from the model {training['start']}."]
    if "average of" in training:
        lines += ["", f"Its weights are the mean of: {', '.join(training['average of'])}."]
    if "ensemble of" in training:
        lines += [
            "",
            f"It says the mean of what these models say: {', '.join(training['ensemble of'])}.",
        ]
    if info.neighbours is not None:
        lines += [
            "",
            f"It holds a code and the labels of each of {info.neighbours.products:,} products; "
            "those whose photos are most like one vote beside the network.",
        ]
    if "calibrated on" in training:
        on = training["calibrated on"]
        lines += [
            "",
            f"Its confidences were fitted to {on['photos']:,} photos of {on['catalogue']}.",
        ]
    if info.numbers:
        lines += ["", _COVERAGE]
    for name, numbers in info.numbers.items():
        lines += ["", f"## Numbers: {name}", "", _table(numbers)]
    lines += ["", "## Limits", _LIMITS, ""]
    if info.commands:
        lines += ["## Commands that trained it", "```", *info.commands, "```", ""]
    return "\n".join(lines)


def _backbone(info: ModelInfo) -> str:
    names = info.backbones or ["unknown"]
    return f"{'backbone' if len(names) == 1 else 'backbones'} {' and '.join(names)}"


def _table(numbers: dict[str, dict[str, float]]) -> str:
    shown = {
        "photos": "photos",
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced",
        "macro_f1": "macro-F1",
        "top5": "top-5",
        "ece": "ECE",
        "coverage_95": "coverage at 95 %",
        "coverage_99": "coverage at 99 %",
    }
    return table(
        ["attribute", *shown.values()],
        (
            [attribute, *(_cell(key, values.get(key)) for key in shown)]
            for attribute, values in numbers.items()
        ),
    )


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if key == "photos" else f"{100 * value:.1f}"
