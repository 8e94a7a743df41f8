"""``python -m benchmarks``: measure everything in one run and print it as Markdown tables."""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import timm
import torch

from benchmarks import agreement, cluster, processes, rates
from benchmarks.photos import KINDS, repeated, unpack
from hangtag.cores import available_cores
from hangtag.markdown import table
from hangtag.tagger import Tagger

VIT = "vit_base_patch32_224"
"""The image tower of FashionCLIP, with random weights: its speed doesn't depend on them."""

DIFFERENT_PHOTOS = 400
WARM_UP = 16
# Photos of one measure: some seconds each, at rates that differ by a factor of a hundred.
COUNTS = {
    "full-size": {"ours": 640, "timm": 640, "one at a time": 80, "ViT-B/32": 80},
    "small": {"ours": 4000, "timm": 4000, "one at a time": 200, "ViT-B/32": 150},
}


def speed(tagger: Tagger, data: Path, folder: Path, rounds: int, share: float) -> dict[str, Any]:
    """Photos per second of every way on every kind of photo, and the ratios between them.

    All ways take turns in each round, so that a change of the machine's pace meets all of them;
    ratios are of one round, and their median over rounds is given.
    """
    backbones = tagger.info.backbones
    ways = {
        "decoding alone": ("ours", rates.decoding(tagger.input_size)),
        "network alone": ("ours", rates.network(tagger)),
        "pipeline": ("ours", rates.pipeline(tagger)),
        "timm + DataLoader": ("timm", rates.torch_batches(backbones, tagger.input_size)),
        "ResNet18 224, one at a time": ("one at a time", rates.one_at_a_time()),
        "ViT-B/32 224": ("ViT-B/32", rates.torch_batches([VIT], rates.ANCHOR_SIZE)),
    }
    results = {}
    for kind in KINDS:
        paths = unpack(data, kind, folder, DIFFERENT_PHOTOS)
        for _, measure in ways.values():
            measure(paths[:WARM_UP])
        found: list[dict[str, float]] = []
        for _ in range(rounds):
            measured = {}
            for way, (counted, measure) in ways.items():
                count = max(16, int(COUNTS[kind][counted] * share))
                measured[way] = rates.rate(measure, list(repeated(paths, count)))
            found.append({**measured, **_ratios(measured)})
        results[kind] = {name: _spread([one[name] for one in found]) for name in found[0]}
    return results


def _ratios(measured: Mapping[str, float]) -> dict[str, float]:
    bound = 1 / (1 / measured["decoding alone"] + 1 / measured["network alone"])
    ours = measured["pipeline"]
    others = ("timm + DataLoader", "ResNet18 224, one at a time", "ViT-B/32 224")
    return {
        "bound 1/(1/d + 1/n)": bound,
        "pipeline ÷ bound": ours / bound,
        **{f"pipeline ÷ {way}": ours / measured[way] for way in others},
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def whole_processes(model: str, paths: list[Path], folder: Path, counts: list[int]) -> dict:
    """Time to the first tag, and time and memory for more and more photos."""
    first = processes.first_tag(model, paths[0])
    runs = processes.growth(model, paths, counts, folder)
    return {
        "first tag": vars(first),
        "growth": {
            count: {**vars(run), "milliseconds per photo": 1000 * run.seconds / count}
            for count, run in runs.items()
        },
    }


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": available_cores(),
        "load before": os.getloadavg()[0],
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def _markdown(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    speeds = (
        [name, *(_cell(results["speed"][kind][name], "÷" in name) for kind in KINDS)]
        for name in results["speed"][next(iter(KINDS))]
    )
    lines += [table(["", *KINDS], speeds), "", *(_core_hours(results, kind) for kind in KINDS)]
    first = results["processes"]["first tag"]
    lines += [
        "",
        f"First tag after {first['seconds']:.2f} s (whole process), {first['megabytes']:.0f} MB.",
        "",
        table(
            ["photos", "seconds", "ms per photo", "peak MB"],
            (
                [
                    f"{count:,}",
                    f"{run['seconds']:.1f}",
                    f"{run['milliseconds per photo']:.2f}",
                    f"{run['megabytes']:.0f}",
                ]
                for count, run in results["processes"]["growth"].items()
            ),
            words=(),
        ),
    ]
    if "cluster" in results:
        of = results["cluster"]
        lines += [
            "",
            f"Ray, {of['nodes']} nodes of one core: {of['Ray']:,.0f} photos/s, one process "
            f"{of['one process']:,.0f}; ratio {of['Ray ÷ one process']:.2f}.",
        ]
    same = results["reduced decoding"]
    lines += [
        "",
        f"Reduced decoding: {same['same']:.1f} % of {same['tags']} tags the same, confidence "
        f"differs by {same['mean difference']:.2f} points on average, "
        f"{same['largest difference']:.2f} at most.",
    ]
    return "\n".join(lines)


def _core_hours(results: Mapping[str, Any], kind: str) -> str:
    rate = results["speed"][kind]["pipeline"]["median"] / results["machine"]["cores"]
    return f"A hundred million {kind} photos: {1e8 / rate / 3600:,.0f} core hours."


def _cell(spread: Mapping[str, float], is_ratio: bool) -> str:
    places = 2 if is_ratio else 0
    middle, low, high = (f"{spread[key]:,.{places}f}" for key in ("median", "lowest", "highest"))
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Parse the options, measure, print, and write the JSON file."""
    default = os.environ.get("HANGTAG_DATA", "../shared/data")
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the archives")
    parser.add_argument("--rounds", type=int, default=3, help="times that each way is measured")
    parser.add_argument("--share", type=float, default=1, help="of the usual numbers of photos")
    parser.add_argument(
        "--growth", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="numbers of photos"
    )
    parser.add_argument("--ray", action="store_true", help="also on a Ray cluster")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    tagger = Tagger(options.model, threads=1)
    results: dict[str, Any] = {"machine": _machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results["speed"] = speed(tagger, options.data, folder, options.rounds, options.share)
        small, full = (sorted((folder / kind).iterdir()) for kind in ("small", "full-size"))
        results["processes"] = whole_processes(options.model, small, folder, options.growth)
        table = folder / f"{options.growth[-1]}.csv"
        if options.ray:
            results["cluster"] = cluster.throughput(tagger, table, folder)
        results["reduced decoding"] = agreement.reduced_decoding(tagger, full)
    print(_markdown(results))
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
