"""JSON of numbers from numpy and dataclasses."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np


def to_json(facts: Any) -> str:
    """Write indented JSON; numpy numbers and dataclasses as plain values, NaN as null."""
    return json.dumps(plain(facts), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Turn dataclasses, numpy values and paths into dicts, lists, numbers and texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
