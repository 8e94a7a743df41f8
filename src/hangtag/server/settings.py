"""What a server can be told: each setting, its default and its option, once."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

from typer import Option

from hangtag.commands import options
from hangtag.errors import HangtagError
from hangtag.precision import DEFAULT

MEBIBYTE = 2**20
_OVERHEAD = MEBIBYTE // 16  # multipart's boundaries and headers, JSON's braces


class LogLevel(StrEnum):
    """The least important line that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Settings:
    """How to serve a model. ``hangtag serve`` has an option for each field."""

    model: options.Model = "default"
    host: options.Host = "127.0.0.1"
    port: options.Port = 5000
    workers: Annotated[
        int, Option(min=1, help="Processes; each has the model and a queue of its own.")
    ] = 1
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Cores that decode photos and run the network, per worker; "
            "0: all cores, shared among the workers.",
        ),
    ] = 0
    precision: options.Precision = DEFAULT
    alternatives: Annotated[int, Option(min=0, help="Other values that each tag lists.")] = 3
    max_batch: Annotated[
        int, Option(min=1, help="Most photos that go through the network together.")
    ] = 16
    queue: Annotated[
        int, Option(min=1, help="Photos that a worker takes before it answers 503.")
    ] = 256
    timeout: Annotated[
        float, Option(min=0.1, help="Seconds for an upload to arrive, and again for its tags.")
    ] = 30.0
    max_photo_mb: Annotated[float, Option(min=0.01, help="Largest photo, in MiB.")] = 16.0
    max_upload_mb: Annotated[
        float, Option(min=0.01, help="Largest request with many photos, in MiB.")
    ] = 64.0
    max_memory_mb: Annotated[
        float, Option(min=0.01, help="Uploads that a worker holds at the same time, in MiB.")
    ] = 256.0
    max_pixels: Annotated[int, Option(min=1, help="Largest photo, in pixels.")] = 50_000_000
    max_files: Annotated[int, Option(min=1, help="Photos per request.")] = 64
    api_key: Annotated[
        str,
        Option(
            envvar="HANGTAG_API_KEY",
            show_default=False,
            help="What clients must send as X-API-Key. Better set by the environment: "
            "other users of the machine can read command lines.",
        ),
    ] = ""
    cors: Annotated[
        str,
        Option(
            show_default=False,
            help="Origins whose pages may call the API, separated by commas; none by default.",
        ),
    ] = ""
    log_level: Annotated[LogLevel, Option(help="The least important line that is logged.")] = (
        LogLevel.INFO
    )

    def __post_init__(self) -> None:
        """Refuse limits under which a request that another one allows could never be served.

        Raises:
            HangtagError: There are such limits.
        """
        if self.queue < self.max_files:
            raise HangtagError(
                f"--queue {self.queue} has no room for a request of {self.max_files} photos; "
                f"raise it, or set --max-files {self.queue}"
            )
        if max(self.max_bodies.values()) > self.max_memory_mb * MEBIBYTE:
            raise HangtagError(
                f"--max-memory-mb {self.max_memory_mb:g} has no room for the largest request; "
                f"raise it, or lower --max-upload-mb {self.max_upload_mb:g} or "
                f"--max-photo-mb {self.max_photo_mb:g} (which takes 4/3 in base64)"
            )

    @property
    def max_bodies(self) -> dict[str, int]:
        """Largest body in bytes, by the address that it is sent to."""
        return {
            "/predict": self.max_photo_bytes + _OVERHEAD,
            "/predict_base64": self.max_photo_bytes * 4 // 3 + _OVERHEAD,
            "/predict_batch": int(self.max_upload_mb * MEBIBYTE),
        }

    @property
    def max_photo_bytes(self) -> int:
        """Largest photo in bytes."""
        return int(self.max_photo_mb * MEBIBYTE)

    @property
    def origins(self) -> list[str]:
        """Origins whose pages may call the API."""
        return [origin.strip() for origin in self.cors.split(",") if origin.strip()]

    def to_json(self) -> str:
        """Write the settings so that a worker process can read them."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))
