"""What sixteen bits and kept memory are worth in training on this machine's processor.

`python -m benchmarks.training_speed` takes steps of the default network on random photos, each way
in a process of its own, in turns.
"""

import argparse
import resource
import statistics
import time
from multiprocessing import get_context

import torch

from hangtag.allocator import keep_freed_memory
from hangtag.markdown import table
from hangtag.mixed_precision import keep_exact
from hangtag.model import read_model
from hangtag.network import HangtagNetwork
from hangtag.recipe_file import read_recipe

_BATCH = 64
WAYS = {
    "thirty-two bits": (False, False),
    "thirty-two bits, memory kept": (False, True),
    "sixteen bits": (True, False),
    "sixteen bits, memory kept": (True, True),
}
"""By name: whether in bfloat16, and whether freed memory is kept."""


def measure(mixed: bool, kept: bool, steps: int) -> tuple[list[float], int]:
    """Seconds of training steps after two that don't count, and the most memory taken, in KiB."""
    if kept:
        keep_freed_memory()
    model = read_model("default")
    recipe = read_recipe()
    network = HangtagNetwork(
        recipe.network, model.info.vocabularies(), model.info.input_size, from_scratch=True
    ).to(memory_format=torch.channels_last)
    keep_exact(network)
    optimiser = torch.optim.AdamW(network.parameters())
    photos = 255 * torch.rand(_BATCH, 3, *model.info.input_size)
    photos = photos.contiguous(memory_format=torch.channels_last)
    taken = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = network(photos)
        sum(one.float().logsumexp(1).mean() for one in logits.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
        optimiser.zero_grad()
        taken.append(time.perf_counter() - start)
    return taken[2:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.training_speed", description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    typed = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    memory: dict[str, int] = {}
    for _ in range(typed.rounds):
        for name, way in WAYS.items():
            with get_context("spawn").Pool(1) as process:
                times, memory[name] = process.apply(measure, (*way, typed.steps))
            taken[name] += times
    usual = statistics.median(taken["thirty-two bits"])
    rows = []
    for name, times in taken.items():
        median = statistics.median(times)
        rows.append(
            [
                name,
                f"{_BATCH / median:.0f}",
                f"{usual / median:.2f}",
                f"{memory[name] / 2**20:.1f}",
            ]
        )
    print(table(["", "photos/s", "times as fast", "memory, GB"], rows))


if __name__ == "__main__":
    main()
