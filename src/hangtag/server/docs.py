"""The page at ``/docs``, on which the API can be tried: Swagger UI, all of it from this server."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response

_ASSETS = "/docs/assets"
_START = "/docs/start.js"
_STYLE = f"{_ASSETS}/swagger-ui.css"
_SCRIPT = f"{_ASSETS}/swagger-ui-bundle.js"

PATHS = frozenset({"/docs", _START, _STYLE, _SCRIPT})
"""What a browser asks for to show the page."""

# Addresses relative to the page's, so that it works below a proxy's prefix, too.
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hangtag: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_STYLE[1:]}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{_SCRIPT[1:]}"></script>
<script src="{_START[1:]}"></script>
</body>
</html>
"""

# Without validatorUrl, Swagger UI asks a public service about documents of public servers.
_STARTING = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: "none",
});
"""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs(application: FastAPI) -> None:
    """Add the page and what it loads."""

    @application.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @application.get(_START, include_in_schema=False)
    async def start() -> Response:
        return Response(_STARTING, media_type="text/javascript")

    # fastapi-offline is a package of Swagger UI's files that keeps up with its releases; it has
    # those of other pages, too, which stay where they are.
    folder = Path(str(files("fastapi_offline"))) / "static"

    @application.get(_STYLE, include_in_schema=False)
    async def style() -> Response:
        return FileResponse(folder / Path(_STYLE).name)

    @application.get(_SCRIPT, include_in_schema=False)
    async def script() -> Response:
        return FileResponse(folder / Path(_SCRIPT).name)
