"""A model's network in ONNX Runtime, checked against what ``model.json`` says of it."""

import onnxruntime

from hangtag.model import EMBEDDING, INPUT, LOGITS, Model, ModelError


def open_session(model: Model, threads: int) -> onnxruntime.InferenceSession:
    """Load a model's network.

    Args:
        model: The model.
        threads: For one run of the network.

    Raises:
        ModelError: The graph can't be run, or its input or outputs aren't those of the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    providers = [
        provider
        for provider in ("CUDAExecutionProvider", "CPUExecutionProvider")
        if provider in available
    ]
    try:
        session = onnxruntime.InferenceSession(model.onnx_path, options, providers=providers)
    except Exception as error:
        # ONNX Runtime's exceptions have no base class of their own.
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{model.onnx_path}: can't be run ({reason}); copy the model folder again"
        ) from error
    _check(model, session)
    return session


def _check(model: Model, session: onnxruntime.InferenceSession) -> None:
    inputs = {one.name: one.shape for one in session.get_inputs()}
    outputs = {one.name: one.shape for one in session.get_outputs()}
    _require(model, INPUT, inputs.get(INPUT), [None, *model.info.input_size, 3])
    _require(model, EMBEDDING, outputs.get(EMBEDDING), [None, None])
    for one in model.info.attributes:
        name = LOGITS + one.name
        _require(model, name, outputs.get(name), [None, len(one.values)])


def _require(
    model: Model, name: str, shape: list[int | str | None] | None, wanted: list[int | None]
) -> None:
    """Compare a shape to the one that is wanted, as far as both are numbers."""
    if shape is None:
        raise ModelError(f"{model.onnx_path}: has no {name!r}; copy the model folder again")
    if len(shape) != len(wanted) or any(
        isinstance(side, int) and other is not None and side != other
        for side, other in zip(shape, wanted, strict=True)
    ):
        sides = " × ".join("N" if side is None else str(side) for side in wanted)
        raise ModelError(
            f"{model.onnx_path}: {name!r} isn't the {sides} of model.json; "
            "copy the model folder again"
        )
