"""Start the app: Streamlit's server, set up to stay on this machine and to send nothing out."""

import io
import os
import signal
import sys
from pathlib import Path

from hangtag.errors import require
from hangtag.port import check_port
from hangtag.precision import DEFAULT

MODEL_VARIABLE = "HANGTAG_APP_MODEL"
PRECISION_VARIABLE = "HANGTAG_APP_PRECISION"

MAX_UPLOAD_MB = 4096
"""Largest file that can be uploaded, in megabytes: a zip with a whole catalogue."""

_SCRIPT = Path(__file__).with_name("main.py")
_ALL_ADDRESSES = ("0.0.0.0", "::")
_THEME = Path(__file__).with_name("theme.toml")


def launch(
    model: str = "default",
    *,
    precision: float = DEFAULT,
    host: str = "127.0.0.1",
    port: int = 8501,
    browser: bool = True,
) -> None:
    """Serve the app until it is interrupted.

    Args:
        model: Name or folder of the model.
        precision: Share of accepted tags that are to be right, 0 to 1.
        host: Address to listen at; the default serves this machine only.
        port: TCP port.
        browser: Open the app in the web browser.

    Raises:
        MissingExtraError: Streamlit isn't installed.
        HangtagError: The port is taken, or the address isn't this machine's.
        ModelError: The model can't be read.
    """
    bootstrap = require("app", "streamlit.web.bootstrap")
    require("app", "xlsxwriter")
    from hangtag.model import read_model

    read_model(model)  # a wrong name is reported here rather than in the browser
    check_port(host, port)
    os.environ[MODEL_VARIABLE] = str(model)
    os.environ[PRECISION_VARIABLE] = str(precision)
    options = {
        "server.address": host,
        "server.port": port,
        # Other sites must not reach the app through a name of their own for this address.
        "server.allowedHosts": [] if host in _ALL_ADDRESSES else [host, "localhost"],
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": MAX_UPLOAD_MB,
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "type",
        "client.showErrorLinks": False,
        "theme.base": str(_THEME),
        "logger.hideWelcomeMessage": True,
    }
    bootstrap.load_config_options(options)
    _end_when_hung_up()
    address = f"[{host}]" if ":" in host else host
    print(f"hangtag app: http://{address}:{port} (stop with Ctrl+C)", flush=True)
    bootstrap.run(str(_SCRIPT), False, [], options)


def _end_when_hung_up() -> None:
    """Make the app end as by SIGTERM, its photos deleted, when its terminal is closed."""
    hung_up = getattr(signal, "SIGHUP", None)
    # nohup has it ignored.
    if hung_up is not None and signal.getsignal(hung_up) is not signal.SIG_IGN:
        signal.signal(hung_up, _end_quietly)


def _end_quietly(*_: object) -> None:
    # Streamlit says that it stops; on a closed terminal that fails, and the stopping with it.
    sys.stdout = sys.stderr = io.StringIO()
    signal.raise_signal(signal.SIGTERM)
