"""What only a whole process shows: time to the first tag, peak memory, growth with the inputs."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photos import repeated


@dataclass(frozen=True)
class Run:
    """Seconds from start to end of a process, and the most memory it held, in megabytes."""

    seconds: float
    megabytes: float


def hangtag(*arguments: str) -> Run:
    """Run the command line once, as a user does."""
    command = [sys.executable, "-m", "hangtag.cli", *arguments]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1024)


def first_tag(model: str, photo: Path, times: int = 7) -> Run:
    """Tag one photo several times; the middle of the runs; the first ones warm the disk."""
    runs = [hangtag("tag", str(photo), "--model", model) for _ in range(times)]
    return sorted(runs, key=lambda run: run.seconds)[times // 2]


def growth(model: str, paths: list[Path], counts: Sequence[int], folder: Path) -> dict[int, Run]:
    """Tag tables of more and more photos into a Parquet file."""
    runs = {}
    for count in counts:
        table = folder / f"{count}.csv"
        table.write_text("photo\n" + "\n".join(map(str, repeated(paths, count))))
        output = folder / f"{count}.parquet"
        runs[count] = hangtag("tag", str(table), "--model", model, "-o", str(output))
    return runs
