"""Logs as JSON lines: what happened, how long it took, and nothing of the photos."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

REQUESTS = logging.getLogger("hangtag.requests")
"""One line per request."""


class JsonFormatter(logging.Formatter):
    """One JSON object per record; the record's ``fields`` are its members."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record on one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configuration(level: str) -> dict[str, Any]:
    """Build the :mod:`logging` configuration for a server process."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            # Our own line per request says more than uvicorn's.
            "uvicorn.access": {"handlers": [], "propagate": False},
            # What Pillow tells at the level of debug is in the photo: places, names, cameras.
            "PIL": {"level": "WARNING"},
        },
    }
