"""Tagging on many machines: Ray Data hands out the work, restarts what dies, and balances nodes.

The inputs are cut into parts of equal size. An actor that holds the model tags a part and writes
it as one Parquet file, named by the part's number and moved into place when complete. So a part
that is done again, because a worker or a node died, replaces itself; and a run that is started
again does the parts that are missing. Ray's own checkpoints can't promise that: they are written
after the rows they vouch for, and a death in between doubles these rows.
"""

import io
import json
import logging
import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.bulk.inputs import Inputs, Item
from hangtag.bulk.job import Outcome, Progress, fingerprint
from hangtag.bulk.outputs import changed_options, flat_row, table_schema
from hangtag.bulk.pipeline import Plan, tag_in_order
from hangtag.bulk.remote import is_url
from hangtag.errors import HangtagError, require

if TYPE_CHECKING:
    from hangtag.tagger import Tagger

PHOTOS_PER_PART = 1000
_PARTS_PER_BLOCK = 50
"""At most: parts that an actor gets at a time, and after which their photos count as done."""

_BLOCKS_PER_CORE = 8
"""At least, where there are parts enough: so that no core waits long for the last one."""

_Part = dict[str, int | str]
_RUN = "_run.json"
_MODEL = "_model"
# An actor has one core, on which reading and the network take turns.
_PLAN = Plan(readers=2, runners=1)


@dataclass(frozen=True)
class Store:
    """A folder on any file system that fsspec knows; every node must see it under this URL."""

    url: str

    def _open(self) -> tuple[Any, str]:
        system, path = require("scale", "fsspec.core").url_to_fs(self.url)
        return system, path.rstrip("/")

    def names(self) -> set[str]:
        """Names of the files in it; none where it doesn't exist yet."""
        system, path = self._open()
        if not system.isdir(path):
            return set()
        system.invalidate_cache(path)
        return {name.rpartition("/")[2] for name in system.ls(path, detail=False)}

    def read(self, name: str) -> bytes:
        """Read a file."""
        system, path = self._open()
        return system.cat_file(f"{path}/{name}")

    def write(self, name: str, data: bytes) -> None:
        """Write a file, which appears complete or not at all and replaces an earlier one."""
        system, path = self._open()
        system.makedirs(path, exist_ok=True)
        unfinished = f"{path}/.{name}.{uuid.uuid4().hex}"
        system.pipe_file(unfinished, data)
        system.mv(unfinished, f"{path}/{name}")


def part_name(number: int) -> str:
    """File name of a part; sorted by name, parts are in the order of the inputs."""
    return f"part-{number:07d}.parquet"


class PartTagger:
    """The actor: holds a model, tags parts.

    Args:
        url: Where the model is, and where parts go.
        options: Keyword arguments of `hangtag.Tagger`.
    """

    def __init__(self, url: str, options: dict[str, Any]):
        from hangtag.tagger import Tagger

        self._store = Store(url)
        # Kept as long as the actor lives: a tagger reads some files when it first needs them.
        self._folder = tempfile.TemporaryDirectory(prefix="hangtag-")
        model = Store(f"{url}/{_MODEL}")
        for name in model.names():
            (Path(self._folder.name) / name).write_bytes(model.read(name))
        self._tagger = Tagger(self._folder.name, **options, threads=1)
        self._attributes = [attribute.name for attribute in self._tagger.attributes]

    def __call__(self, part: dict[str, Any]) -> dict[str, Any]:
        """Tag and write one part; returns its number, its photos and how many had errors."""
        import polars

        items = [Item(**item) for item in json.loads(part["items"])]
        rows = [
            flat_row(tags, self._attributes)
            for results in tag_in_order(self._tagger, items, _PLAN)
            for tags in results
        ]
        table = polars.DataFrame(rows, schema=table_schema(self._attributes))
        data = io.BytesIO()
        table.write_parquet(data)
        self._store.write(part_name(part["number"]), data.getvalue())
        errors = sum(row["error"] is not None for row in rows)
        return {"number": part["number"], "photos": len(rows), "errors": errors}


def tag_on_ray(
    tagger: "Tagger",
    inputs: Inputs,
    output: str,
    *,
    options: dict[str, Any],
    progress: Progress | None = None,
    photos_per_part: int = PHOTOS_PER_PART,
) -> Outcome:
    """Tag inputs on a Ray cluster, or on this machine where none is running.

    The cluster is the one that the environment variable ``RAY_ADDRESS`` names, as usual with Ray.

    Args:
        tagger: Whose model the actors are to use.
        inputs: The photos; local paths must be the same on all nodes.
        output: Folder or fsspec URL for the Parquet parts, seen by all nodes.
        options: Keyword arguments that the tagger was made with; a folder with parts of a run
            with other ones is refused.
        progress: Told after every part.
        photos_per_part: Rows of a part: what is done again at most when a worker dies.

    Raises:
        HangtagError: No photos; parts of another run are there; parts are missing at the end.
    """
    if not is_url(output):
        output = str(Path(output).absolute())
    survey = inputs.survey()
    store = Store(output)
    run = {
        "model": fingerprint(tagger.info),
        "photos": survey.digest,
        "photos per part": photos_per_part,
        **options,
    }
    present = _begin(store, run)
    earlier = [number for number in _numbers(survey.total, photos_per_part) if number in present]
    errors = sum(_errors_in(store, number) for number in earlier)
    done = resumed = sum(_size(number, survey.total, photos_per_part) for number in earlier)
    if progress:
        progress(done, survey.total, errors)
    if done < survey.total:
        # Put beside the parts, so that no node needs it on its disk and none can lose it.
        for file in tagger.model.folder.iterdir():
            if file.is_file():
                Store(f"{output}/{_MODEL}").write(file.name, file.read_bytes())
        parts = _parts(inputs, present, photos_per_part)
        left = len(_numbers(survey.total, photos_per_part)) - len(earlier)
        for part in _tagged(parts, left, {"url": output, "options": options}):
            done += part["photos"]
            errors += part["errors"]
            if progress:
                progress(done, survey.total, errors)
    missing = set(_numbers(survey.total, photos_per_part)) - _present(store)
    if missing:
        raise HangtagError(
            f"{output}: {len(missing)} parts were not written; run the same command again"
        )
    return Outcome(survey.total, errors, resumed, notes=survey.notes)


def _tagged(parts: Iterator[_Part], count: int, actor: dict[str, Any]) -> Iterator[dict[str, int]]:
    ray = require("scale", "ray")
    data = require("scale", "ray.data")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data.DataContext.get_current().enable_progress_bars = False
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    size = max(1, min(_PARTS_PER_BLOCK, count // (_BLOCKS_PER_CORE * cores)))
    done = data.from_arrow_refs([ray.put(block) for block in _blocks(parts, size)]).map(
        PartTagger,
        fn_constructor_kwargs=actor,
        compute=data.ActorPoolStrategy(min_size=1, max_size=cores),
        num_cpus=1,
    )
    yield from done.iter_rows()


def _numbers(total: int, photos_per_part: int) -> range:
    return range((total + photos_per_part - 1) // photos_per_part)


def _size(number: int, total: int, photos_per_part: int) -> int:
    return min(photos_per_part, total - number * photos_per_part)


def _begin(store: Store, run: dict[str, Any]) -> set[int]:
    names = store.names()
    if _RUN in names:
        changed = changed_options(json.loads(store.read(_RUN)), run)
        if changed:
            raise HangtagError(
                f"{store.url}: holds a run with other {changed}; "
                "choose another folder, or delete this one to begin anew"
            )
    elif names:
        raise HangtagError(f"{store.url}: holds other files; choose an empty or a new folder")
    else:
        store.write(_RUN, json.dumps(run).encode())
    return _present(store)


def _present(store: Store) -> set[int]:
    found = (re.fullmatch(r"part-(\d+)\.parquet", name) for name in store.names())
    return {int(match[1]) for match in found if match}


def _errors_in(store: Store, number: int) -> int:
    import polars

    data = io.BytesIO(store.read(part_name(number)))
    return polars.read_parquet(data, columns=["error"])["error"].count()


def _parts(inputs: Inputs, present: set[int], photos_per_part: int) -> Iterator[_Part]:
    remaining = (asdict(item.absolute()) for item in inputs)
    for number in count():
        items = list(islice(remaining, photos_per_part))
        if not items:
            return
        if number not in present:
            yield {"number": number, "items": json.dumps(items)}


def _blocks(parts: Iterator[_Part], size: int) -> Iterator[Any]:
    """Arrow tables of some parts each, so that the driver never holds all names at once."""
    pyarrow = require("scale", "pyarrow")
    while block := list(islice(parts, size)):
        yield pyarrow.Table.from_pylist(block)
