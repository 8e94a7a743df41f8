"""How far long work has come: what is told of it, and bars on standard error that show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@contextmanager
def step_progress() -> Iterator[Progress]:
    """Show a bar for each step while the ``with`` block runs; they are drawn on terminals only.

    Yields:
        What to call with a step's name and the numbers of things done so far and in all.
    """
    # Whoever only wants the name above shouldn't wait for this.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=None)
                bars.start()
            bars.update(tasks[step], completed=done, total=total)
            if bars.finished:
                # Between steps others may draw on the terminal, Lightning's own bar for one.
                bars.stop()
                bars.remove_task(tasks.pop(step))

        yield tell


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar while the ``with`` block runs; it is drawn on terminals only.

    Args:
        description: What is being done.

    Yields:
        What to call with the numbers of things done so far and in all.
    """
    with step_progress() as tell:
        yield partial(tell, description)
