"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.precision import HIGHEST

Catalogue = Annotated[
    Path, typer.Argument(help="Zip, folder or table of products.", show_default=False)
]
Columns = Annotated[Path | None, typer.Option(help="A table with more attributes of the same ids.")]
PhotoColumn = Annotated[str | None, typer.Option(help="Column of the table that holds the photos.")]
Part = Annotated[str, typer.Option(help="train, validation, test or all.")]
Model = Annotated[str, typer.Option(help="Name or folder of the model.")]
ModelName = Annotated[str, typer.Argument(help="Name or folder of the model.", show_default=False)]
Attributes = Annotated[
    list[str] | None, typer.Option("--attribute", "-a", help="Only this one; may be repeated.")
]
Precision = Annotated[
    float, typer.Option(min=0, max=HIGHEST, help="Share of accepted tags that should be right.")
]
Flip = Annotated[
    bool, typer.Option("--flip", help="Look at mirror images, too: better, but slower.")
]
Turn = Annotated[bool, typer.Option(help="Turn photos upright that lie on a side or upside down.")]
Neighbours = Annotated[
    bool,
    typer.Option(help="Count in the model's training products whose photos are most like one."),
]
OwnNeighbours = Annotated[
    bool,
    typer.Option(
        help="Let the catalogue's products vote in place of the model's training products."
    ),
]
Host = Annotated[
    str, typer.Option(help="Address to listen on; 0.0.0.0 answers other machines, too.")
]
Port = Annotated[int, typer.Option(min=1, max=65535)]
