"""A GPU is used where ONNX Runtime says that it can: pretended, since tests run without one."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from hangtag.bulk.pipeline import plan_for
from hangtag.tagger import Tagger

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.mark.parametrize("available", [[CUDA, CPU], [CPU]])
def test_the_network_runs_on_the_gpu_where_there_is_one(
    available: list[str], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = onnxruntime.InferenceSession

    def session(path: Path, options: Any, providers: list[str]) -> onnxruntime.InferenceSession:
        asked.append(providers)
        return real(path, options, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    Tagger(tiny_model)
    assert asked == [available]


def test_a_gpu_gets_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    without = plan_for()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    assert plan_for().batch > without.batch
