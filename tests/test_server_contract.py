"""Does the server keep what its OpenAPI document promises? Schemathesis asks it many questions."""

import os
import subprocess
import sys
from pathlib import Path

from serving import Server

EXAMPLES = 20
KEY = "sesame"


def test_the_server_keeps_its_contract(tiny_model, tmp_path):
    with Server(tiny_model, tmp_path, HANGTAG_API_KEY=KEY) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
        options = ["--max-examples", str(EXAMPLES), "--seed", "1", "--max-failures", "5"]
        done = subprocess.run(
            [*command, *options, "--header", f"X-API-Key: {KEY}", "--no-color"],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "contract_photos",
                "PYTHONPATH": str(Path(__file__).parent),
            },
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr
        assert "6 selected / 6 total" in done.stdout
        assert not [line for line in server.log() if "exception" in line]
