"""hangtag: look at fashion product photos and write their hang tags."""

import os
from typing import TYPE_CHECKING, Any

from hangtag.errors import require

if TYPE_CHECKING:
    from hangtag.catalogue import read_catalogue as read_catalogue
    from hangtag.errors import HangtagError as HangtagError
    from hangtag.judge import evaluate as evaluate
    from hangtag.tagger import Tagger as Tagger
    from hangtag.tags import PhotoTags as PhotoTags
    from hangtag.training import train as train

# These libraries send usage statistics to their makers unless they're told not to before they load.
_SILENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
for _name, _value in _SILENT.items():
    os.environ.setdefault(_name, _value)

__version__ = "0.1.0"

_HOMES = {
    "HangtagError": ("hangtag.errors", ""),
    "PhotoTags": ("hangtag.tags", ""),
    "Tagger": ("hangtag.tagger", ""),
    "read_catalogue": ("hangtag.catalogue", ""),
    "train": ("hangtag.training", "train"),
    "evaluate": ("hangtag.judge", "report"),
}
"""Module of each public name, and the extra that it needs."""

__all__ = [
    "HangtagError", "PhotoTags", "Tagger", "__version__", "evaluate", "read_catalogue", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported on first use, so that tagging a photo doesn't wait for torch or polars.
    if name in _HOMES:
        module, extra = _HOMES[name]
        return getattr(require(extra, module), name)
    raise AttributeError(f"module 'hangtag' has no attribute {name!r}")
