"""Other ways to serve the same model: ``python -m benchmarks.rivals plain|litserve``.

Both answer ``POST /predict`` with the multipart field ``image``, as ``hangtag serve`` does, and
with the same tags; they check nothing.
"""

import argparse
from typing import Any

import fastapi
import litserve
import numpy as np
import uvicorn

from hangtag.cores import available_cores
from hangtag.server.settings import Settings
from hangtag.tagger import Tagger

BATCH_SECONDS = 0.005
"""How long LitServe waits for more photos."""


def plain(model: str) -> fastapi.FastAPI:
    """One request, one inference: a handler in FastAPI's pool of threads that calls the tagger."""
    application = fastapi.FastAPI()
    tagger = Tagger(model)

    @application.post("/predict")
    def predict(image: fastapi.UploadFile) -> dict[str, Any]:
        return tagger.tag(image.file.read()).to_dict()

    return application


class Lit(litserve.LitAPI):
    """LitServe with as large batches as ours, and a worker process per core."""

    def __init__(self, model: str) -> None:
        super().__init__(max_batch_size=Settings().max_batch, batch_timeout=BATCH_SECONDS)
        self._model = model

    def setup(self, device: str) -> None:
        """Load the model in a worker."""
        self._tagger = Tagger(self._model, threads=1)

    def decode_request(self, request: fastapi.Request) -> np.ndarray:
        """Decode one upload; LitServe passes the request's form in its place."""
        return self._tagger.prepare(request["image"].file.read())

    def predict(self, inputs: np.ndarray) -> list[Any]:
        """Tag a batch, uint8 (N, h, w, 3)."""
        return self._tagger.tags_from(self._tagger.probabilities(inputs), ["photo"] * len(inputs))

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Write one photo's tags."""
        return output.to_dict()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser("python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("way", choices=["plain", "litserve"])
    parser.add_argument("--model", default="default")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    if options.way == "plain":
        uvicorn.run(plain(options.model), port=options.port, log_level="warning")
        return
    server = litserve.LitServer(
        Lit(options.model), accelerator="cpu", workers_per_device=available_cores()
    )
    server.run(host="127.0.0.1", port=options.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
