"""Ray: the same rows as on one machine, also when workers and nodes die."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest

from drawing import draw_broken_photos
from hangtag.bulk.cluster import part_name, tag_on_ray
from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import tag_to_file
from hangtag.errors import HangtagError
from hangtag.tagger import Tagger

pytest.importorskip("ray.data", reason="an extra: pip install 'hangtag[scale]'")

OPTIONS = {"precision": 0.95, "attributes": None, "alternatives": 3}
PHOTOS = 1500
PER_PART = 25
MARK = f"HANGTAG_TEST_{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head without work and two nodes, each a raylet of its own."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ[MARK] = "1"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    del os.environ[MARK]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    paths = sorted(draw_broken_photos(tmp_path_factory.mktemp("photos")).iterdir())
    table = tmp_path_factory.mktemp("table") / "photos.csv"
    # Different names for the same photos, so that a lost or doubled row shows.
    (table.parent / "photos").symlink_to(paths[0].parent)
    names = (f"photos/{'./' * row}{paths[row % len(paths)].name}" for row in range(PHOTOS))
    table.write_text("photo\n" + "\n".join(names) + "\n")
    return Inputs([str(table)])


def workers() -> list[int]:
    """The processes of this test's actors."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_actor = b"MapWorker" in (process / "cmdline").read_bytes()
            if is_actor and MARK.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def read_parts(folder: Path) -> polars.DataFrame:
    return polars.concat([polars.read_parquet(path) for path in sorted(folder.glob("part-*"))])


def test_workers_and_nodes_may_die(cluster, inputs: Inputs, tiny_model: Path, tmp_path: Path):
    tagger = Tagger(tiny_model, threads=1)
    tag_to_file(tagger, inputs, tmp_path / "local.parquet", options=OPTIONS)
    local = polars.read_parquet(tmp_path / "local.parquet")
    killed: list[int] = []
    removed: list[object] = []

    def trouble(done: int, total: int, errors: int) -> None:
        if done > 0 and not killed:
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)
        elif done > total // 3 and not removed:
            removed.append(cluster.worker_nodes.copy().pop())
            cluster.remove_node(removed[0], allow_graceful=False)

    output = tmp_path / "parts"
    outcome = tag_on_ray(
        tagger, inputs, str(output), options=OPTIONS, progress=trouble, photos_per_part=PER_PART
    )
    assert killed
    assert removed
    assert outcome.total == PHOTOS
    assert outcome.errors == local["error"].count()
    rows = read_parts(output)
    confidences = [name for name in rows.columns if name.endswith("_confidence")]
    assert rows.drop(confidences).equals(local.drop(confidences))
    for name in confidences:
        assert (rows[name] - local[name]).abs().max() <= 1e-5

    # Started again, it does what is missing.
    (output / part_name(3)).unlink()
    again = tag_on_ray(tagger, inputs, str(output), options=OPTIONS, photos_per_part=PER_PART)
    assert again.resumed == PHOTOS - PER_PART
    assert again.errors == outcome.errors
    assert read_parts(output).drop(confidences).equals(local.drop(confidences))


def test_folders_of_others_are_refused(inputs: Inputs, tiny_model: Path, tmp_path: Path):
    tagger = Tagger(tiny_model, threads=1)
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(HangtagError, match="holds other files"):
        tag_on_ray(tagger, inputs, str(tmp_path), options=OPTIONS)
    (tmp_path / "_run.json").write_text(json.dumps({"model": "another"}))
    with pytest.raises(HangtagError, match="holds a run with other model"):
        tag_on_ray(tagger, inputs, str(tmp_path), options=OPTIONS)
