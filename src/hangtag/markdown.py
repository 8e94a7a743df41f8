"""Tables in Markdown."""

from collections.abc import Collection, Iterable, Sequence


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, words: Collection[int] = (0,)
) -> str:
    """Write a table.

    Args:
        headings: Of the columns.
        rows: The cells of each, one for every heading.
        words: Which columns hold words, on the left; the others hold numbers, on the right.
    """
    aligned = ["---" if column in words else "--:" for column in range(len(headings))]
    lines = ([str(cell).replace("|", "\\|") for cell in row] for row in [headings, aligned, *rows])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
