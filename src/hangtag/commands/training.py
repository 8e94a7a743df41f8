"""Commands that make models: `train`, `average`, `ensemble`, `calibrate`, `compare` and `tune`."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hangtag.commands import options
from hangtag.errors import require

_Recipe = Annotated[str, typer.Option(help="Name of a recipe that ships, or file.")]
_Split = Annotated[str, typer.Option(help="random or temporal.")]
_Weights = Annotated[
    Path | None, typer.Option(help="Local file of backbone weights (.safetensors or .pth).")
]
_FromScratch = Annotated[bool, typer.Option("--from-scratch", help="Start from random weights.")]
_Output = Annotated[
    Path, typer.Option("--output", "-o", help="Model folder to write.", show_default=False)
]
_Alternate = Annotated[
    Path | None, typer.Option(help="Folder or zip of other photos of the products, by id.")
]
_Extra = Annotated[
    list[Path] | None, typer.Option(help="Another catalogue to learn from; may be repeated.")
]
_ExtraLearnt = Annotated[
    list[Path] | None,
    typer.Option(help="Another catalogue that they learnt from; may be repeated."),
]
_Details = Annotated[
    list[Path] | None,
    typer.Option(
        help="Table of further attributes, by id, of the catalogue's products or of an extra "
        "one's; may be repeated."
    ),
]
_Name = Annotated[str | None, typer.Option(help="The model's name.")]


def train(
    catalogue: options.Catalogue,
    *,
    output: _Output,
    recipe: _Recipe = "default",
    alternate: _Alternate = None,
    extra: _Extra = None,
    details: _Details = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            "-a",
            help="Learn this column in place of the recipe's attributes; may be repeated.",
        ),
    ] = None,
    split: _Split = "random",
    weights: _Weights = None,
    from_scratch: _FromScratch = False,
    start: Annotated[
        str | None, typer.Option(help="Go on from this model: its name or folder.")
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Learn from this model's word beside the labels: its name or folder; "
            "may be repeated."
        ),
    ] = None,
    name: _Name = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in the folder.")
    ] = False,
) -> None:
    """Train a model on a catalogue, calibrate it, judge it on the test products, describe it.

    Examples:

    hangtag train fashion-product-images-small.zip -o my-model

    hangtag train my-shop.csv --start default --recipe fine-tune -o my-model

    hangtag train my-shop.csv --start default --recipe heads -a neckline -o necklines
    """
    from hangtag.progress import step_progress

    with step_progress() as tell:
        folder = require("train", "hangtag.training").train(
            catalogue,
            recipe,
            output,
            alternate=alternate,
            extra=extra or (),
            details=details or (),
            attributes=attributes or (),
            split=split,
            weights=weights,
            from_scratch=from_scratch,
            start=start,
            teachers=teacher or (),
            resume=resume,
            name=name,
            command=_typed(),
            progress=tell,
        )
    typer.echo(f"{folder}: trained; see {folder / 'README.md'} for its numbers")


def average(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Names or folders of models of one recipe, or checkpoints; then the catalogue.",
            metavar="MODEL MODEL... CATALOGUE",
            show_default=False,
        ),
    ],
    *,
    output: _Output,
    alternate: _Alternate = None,
    extra: _ExtraLearnt = None,
    details: _Details = None,
    name: _Name = None,
) -> None:
    """Average the weights of models into one that is as fast as each, and a little better.

    They must have been trained on one catalogue, by one recipe or from one another.

    Example: hangtag average one two fashion-product-images-small.zip -o both
    """
    _combine(
        require("train", "hangtag.averaging").average,
        models,
        output,
        "averaged",
        alternate=alternate,
        extra=extra or (),
        details=details or (),
        name=name,
    )


def ensemble(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Names or folders of models of one input size; then the catalogue.",
            metavar="MODEL MODEL... CATALOGUE",
            show_default=False,
        ),
    ],
    *,
    output: _Output,
    alternate: _Alternate = None,
    extra: _ExtraLearnt = None,
    details: _Details = None,
    name: _Name = None,
) -> None:
    """Put models together into one that says the mean of what they say.

    It is more often right than each of them, for the time of all. Their networks may differ.

    Example: hangtag ensemble small large fashion-product-images-small.zip -o both
    """
    _combine(
        require("train", "hangtag.ensembling").ensemble,
        models,
        output,
        "put together",
        alternate=alternate,
        extra=extra or (),
        details=details or (),
        name=name,
    )


def _combine(
    way: Callable[..., Path], named: list[str], output: Path, done: str, **options: object
) -> None:
    """Make one model of several, whose catalogue is named behind them."""
    from hangtag.progress import step_progress

    *models, catalogue = named
    with step_progress() as tell:
        folder = way(models, catalogue, output, command=_typed(), progress=tell, **options)
    typer.echo(f"{folder}: {done}; see {folder / 'README.md'} for its numbers")


def calibrate(
    model: options.ModelName,
    catalogue: options.Catalogue,
    *,
    output: _Output,
    split: options.Part = "all",
    neighbours: options.OwnNeighbours = True,
    name: _Name = None,
) -> None:
    """Fit a model to your own catalogue without training: its neighbours, confidences, thresholds.

    Some hundred labelled products that it wasn't trained on will do. They vote on photos that are
    like theirs; without their votes, what the model says of a photo stays as it is.

    Example: hangtag calibrate default my-shop.csv -o my-model
    """
    from hangtag.progress import step_progress

    run = require("report", "hangtag.recalibration")
    with step_progress() as tell:
        found = run.recalibrate(
            model,
            catalogue,
            output,
            split=split,
            neighbours=neighbours,
            name=name,
            command=_typed(),
            progress=tell,
        )
    for attribute, why in found.kept.items():
        typer.echo(f"{attribute}: as before ({why})", err=True)
    voting = f"{found.voters:,} products vote, " if found.voters else ""
    typer.echo(
        f"{found.folder}: {voting}fitted to {found.photos:,} photos: "
        f"{', '.join(found.fitted)}; judge it on others with hangtag evaluate"
    )


def compare(
    catalogue: options.Catalogue,
    *,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="Name of a recipe that ships, or file; repeat for each."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Name or folder of a further model; may be repeated.")
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write .html, .md or .json; may be repeated."),
    ] = None,
    models: Annotated[
        Path, typer.Option(help="Folder that keeps the recipes' models, and has those there are.")
    ] = Path("compared"),
    split: _Split = "random",
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Local file of a recipe's backbone weights; may be repeated.", metavar="NAME=FILE"
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start all from random weights.")
    ] = False,
) -> None:
    """Train recipes, or take their models where they are there, and set them side by side.

    Example: hangtag compare small.zip --recipe default --recipe resnet18-four -o table.md
    """
    from hangtag.progress import step_progress

    files = dict(pair.partition("=")[::2] for pair in weights or [])
    if not all(files.values()):
        raise typer.BadParameter("--weights takes a recipe's name and a file: resnet18-four=FILE")
    run = require("train", "hangtag.comparison")
    forms = require("report", "hangtag.reports.compare")
    for file in output or []:
        forms.check_output(file)
    with step_progress() as tell:
        found = run.compare_recipes(
            catalogue,
            recipe or [],
            models=model or [],
            folder=models,
            split=split,
            weights=files,
            from_scratch=from_scratch,
            progress=tell,
        )
    for file in output or []:
        forms.write(found, file)
    forms.print_comparison(found)


def tune(
    catalogue: options.Catalogue,
    *,
    recipe: _Recipe = "default",
    trials: Annotated[
        int, typer.Option(min=1, help="How many in all, with those of earlier runs.")
    ] = 20,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recipe file to write; the trials lie beside it.")
    ] = Path("tuned.toml"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each trial.")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="Height and width of the trials' photos.")
    ] = None,
    split: _Split = "random",
    weights: _Weights = None,
    from_scratch: _FromScratch = False,
) -> None:
    """Search a recipe's numbers on the validation products. Run again to go on after a stop.

    Example: hangtag tune small.zip --recipe cnn-four --trials 20 --epochs 3 --size 40 30
    """
    from hangtag.progress import step_progress

    run = require("train", "hangtag.tuning")
    with step_progress() as tell:
        study = run.tune(
            catalogue,
            recipe,
            output,
            trials=trials,
            split=split,
            weights=weights,
            from_scratch=from_scratch,
            epochs=epochs,
            size=size,
            progress=tell,
        )
    plot = output.with_suffix(".svg")
    if run.importance_plot(study, plot):
        typer.echo(f"{plot}: how much each number matters")
    first = study.trials[0].value
    before = "" if first is None else f", {first:.2f} with the recipe as it was"
    typer.echo(
        f"{output}: best of {len(study.trials)} trials, mean validation accuracy "
        f"{study.best_value:.2f}{before}"
    )


def _typed() -> str:
    """The command as it was typed, but without the folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["hangtag", *words])
