"""Other forms of a model: its plain ONNX graph, and a model folder whose network computes in int8.

Static quantisation (Jacob et al. 2018) as ONNX Runtime does it: weights per channel, activations
with ranges seen on training photos. The layers that see the pixels themselves stay in float, since
a colour branch lives by small differences of shade, and so do the heads, which cost nothing.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError, require
from hangtag.model import HISTOGRAM, INPUT, ONNX, WEIGHTS, Model, read_model, write_info
from hangtag.progress import Progress
from hangtag.split import Kind, assign
from hangtag.tagger import Tagger

if TYPE_CHECKING:
    import onnx

    from hangtag.verdict import Evaluation

CALIBRATION_PHOTOS = 512

_QUANTISED = ("Conv", "Add", "Clip", "Relu")
_BY_SHADE = ("palette", HISTOGRAM)


def export_onnx(model: str | Path, output: Path) -> Path:
    """Write a model's ONNX graph as one file with its weights: uint8 photos (N, h, w, 3) in, logits
    out.

    Args:
        model: Name or folder.
        output: File to write.

    Raises:
        HangtagError: No such model, the file can't be written, or the extra ``export`` is missing.
    """
    onnx = require("export", "onnx")
    opened = read_model(model)
    graph = onnx.load(opened.onnx_path, load_external_data=False)
    # Not by onnx itself, which takes no weights that are a link, as those of a hub's cache are.
    weights = opened.weights_path.read_bytes()
    for tensor in graph.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            place = {entry.key: entry.value for entry in tensor.external_data}
            start = int(place["offset"])
            tensor.raw_data = weights[start : start + int(place["length"])]
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    try:
        onnx.save(graph, output)
    except OSError as error:
        raise HangtagError(f"{output}: can't be written ({error.strerror}); check it") from error
    return output


def export_int8(
    model: str | Path,
    catalogue: str | Path | Catalogue,
    output: Path,
    *,
    photos: int = CALIBRATION_PHOTOS,
    tolerance: float = 0.3,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Quantise a model, and judge it on validation photos before it is written.

    Args:
        model: Name or folder.
        catalogue: The one it was trained on: training photos calibrate, validation photos judge.
        output: Model folder to write; only if the model is good enough.
        photos: How many training photos calibrate.
        tolerance: Percentage points of accuracy that any attribute may lose.
        progress: Told about the judging.

    Returns:
        Change of accuracy in percentage points by attribute.

    Raises:
        HangtagError: The folder exists, the catalogue has no such photos, or the quantised model
            loses more than ``tolerance``; nothing is written then.
    """
    from hangtag.judge import evaluate

    if output.exists():
        raise HangtagError(f"{output}: exists already; choose another folder or remove it")
    if not isinstance(catalogue, Catalogue):
        catalogue = read_catalogue(catalogue)
    original = Tagger(model)
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".hangtag-") as name:
        made = Path(name) / output.name
        made.mkdir()
        _quantise(original, _training_photos(original, catalogue, photos), made / ONNX)
        shutil.copyfile(original.model.weights_path, made / WEIGHTS)
        quantised = _describe(original.model, made, photos)
        # Validation products vote for themselves, whatever the network says.
        before, after = (
            _accuracies(
                evaluate(
                    Tagger(folder, neighbours=False),
                    catalogue,
                    split="validation",
                    progress=progress,
                )
            )
            for folder in (original.model.folder, quantised.folder)
        )
        change = {name: 100 * (after[name] - before[name]) for name in before}
        worst = min(change, key=change.__getitem__)
        if change[worst] < -tolerance:
            raise HangtagError(
                f"{output}: not written: int8 loses {-change[worst]:.2f} points of accuracy on "
                f"{worst}, more than {tolerance}; raise the tolerance or keep the float model"
            )
        made.rename(output)
    return change


def _training_photos(tagger: Tagger, catalogue: Catalogue, count: int) -> Iterator[np.ndarray]:
    """Inputs uint8 (1, h, w, 3) of training products, always the same ones."""
    parts = assign(catalogue, cast(Kind, tagger.info.split))
    names = catalogue.table["photo"].to_list()
    rows = [row for row in np.flatnonzero(parts == "train") if names[row] is not None]
    if not rows:
        raise HangtagError(f"{catalogue.source}: no training photos to calibrate with")
    chosen = np.random.default_rng(0).permutation(rows)[:count]
    for row in chosen:
        try:
            yield tagger.prepare(catalogue.photo_bytes(names[row]))[np.newaxis]
        except HangtagError:
            continue


def _accuracies(evaluation: "Evaluation") -> dict[str, float]:
    return {name: one.right[one.known].mean() for name, one in evaluation.judged.items()}


def _quantise(tagger: Tagger, inputs: Iterator[np.ndarray], file: Path) -> None:
    quantization = require("train", "onnxruntime.quantization")
    preparation = require("train", "onnxruntime.quantization.shape_inference")
    onnx = require("train", "onnx")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def get_next(self) -> dict[str, np.ndarray] | None:
            made = next(inputs, None)
            return None if made is None else {INPUT: made}

    with tempfile.TemporaryDirectory() as folder:
        whole, folded = Path(folder) / "whole.onnx", Path(folder) / ONNX
        export_onnx(tagger.model.folder, whole)
        # Folds the graph's constants, so that convolutions see their weights.
        preparation.quant_pre_process(whole, folded, skip_symbolic_shape=True)
        quantization.quantize_static(
            folded,
            file,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_kept_in_float(onnx.load(folded)),
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )


def _kept_in_float(graph: "onnx.ModelProto") -> list[str]:
    """Names of the nodes up to the first convolutions, of the colour branch and the histogram."""
    users: dict[str, list[Any]] = {}
    for node in graph.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    kept = {
        node.name
        for node in graph.graph.node
        if any(part in name for name in (*node.input, node.name) for part in _BY_SHADE)
    }
    waiting = [INPUT]
    seen = set(waiting)
    while waiting:
        for node in users.get(waiting.pop(), ()):
            kept.add(node.name)
            if node.op_type != "Conv":
                new = [name for name in node.output if name not in seen]
                seen.update(new)
                waiting.extend(new)
    return sorted(kept)


def _describe(model: Model, folder: Path, photos: int) -> Model:
    from hangtag.card import write_card

    training = {**model.info.training, "quantised": f"int8, calibrated on {photos} photos"}
    # The float network's numbers are not this one's.
    info = model.info.model_copy(
        update={"name": f"{model.info.name}-int8", "training": training, "numbers": {}}
    )
    return write_info(folder, info, write_card(info))
