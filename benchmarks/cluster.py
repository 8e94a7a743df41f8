"""Ray against one process, on a cluster with a node for each core of this machine."""

import logging
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from hangtag.bulk.cluster import tag_on_ray
from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import tag_to_file
from hangtag.cores import available_cores
from hangtag.tagger import Tagger

PHOTOS_PER_PART = 250


class _Clock:
    """Photos per second between the first and the last report, so without what starting takes."""

    def __init__(self) -> None:
        self._reports: list[tuple[float, int]] = []

    def __call__(self, done: int, total: int, errors: int) -> None:
        if done:
            self._reports.append((time.perf_counter(), done))

    @property
    def rate(self) -> float:
        (begin, before), (end, after) = self._reports[0], self._reports[-1]
        if after == before:
            raise SystemExit("too few photos to tell the cluster's rate: give a larger --growth")
        return (after - before) / (end - begin)


def throughput(tagger: Tagger, table: Path, folder: Path) -> dict[str, float]:
    """Photos per second of both engines on the same table, and their ratio."""
    local, spread = _Clock(), _Clock()
    inputs = Inputs([str(table)])
    tag_to_file(tagger, inputs, folder / "local.parquet", options={}, progress=local)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(available_cores()):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        tag_on_ray(
            tagger,
            inputs,
            str(folder / "parts"),
            options={},
            progress=spread,
            photos_per_part=PHOTOS_PER_PART,
        )
    finally:
        ray.shutdown()
        cluster.shutdown()
    return {
        "nodes": available_cores(),
        "one process": local.rate,
        "Ray": spread.rate,
        "Ray ÷ one process": spread.rate / local.rate,
    }
