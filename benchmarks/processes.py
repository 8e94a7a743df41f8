"""What only a whole process shows: time to the first tag, peak memory, growth with the inputs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photos import repeated


@dataclass(frozen=True)
class Run:
    """Seconds from start to end of a process, and the most memory it held, in megabytes."""

    seconds: float
    megabytes: float


# A process counts as its own what its parent held when it was forked, so the parent is a small one.
_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - start
kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"code": code, "seconds": seconds, "megabytes": kilobytes / 1024}))
"""


def hangtag(*arguments: str) -> Run:
    """Run the command line once, as a user does."""
    command = [sys.executable, "-m", "hangtag.cli", *arguments]
    answer = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], stdout=subprocess.PIPE, check=True
    )
    measured = json.loads(answer.stdout)
    if measured.pop("code"):
        raise RuntimeError(f"{' '.join(command)} failed")
    return Run(**measured)


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
