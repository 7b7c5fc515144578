"""The built scripts and styles: found through Vite's manifest, served with names that change with their content."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

FOLDER = Path(__file__).parent / "static"
ADDRESS = "/console/static/"
HASHED = re.compile(r"-[\w-]{8}\.\w+\Z")  # the build puts a hash of the content into the name
KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Assets:
    """The built files; none where the console was not built (pages then work without script and style)."""

    folder: Path
    manifest: Mapping[str, Any]

    def script(self, name: str) -> str | None:
        """The address of the module built from `web/src/{name}.ts`."""
        entry = self.manifest.get(f"src/{name}.ts")
        return ADDRESS + entry["file"] if entry else None

    def styles(self, name: str) -> list[str]:
        """The addresses of the style sheets of `web/src/{name}.ts`."""
        entry = self.manifest.get(f"src/{name}.ts")
        return [ADDRESS + file for file in entry.get("css", ())] if entry else []


def load_assets(folder: Path = FOLDER) -> Assets:
    """Read the manifest that the build left."""
    manifest = folder / "manifest.json"
    return Assets(folder, json.loads(manifest.read_text()) if manifest.exists() else {})


def serve_asset(assets: Assets, request: Request) -> Response:
    """Send a built file, the compressed twin where the browser takes it; unknown names get 404."""
    name = request.path_params["name"]
    file = (assets.folder / name).resolve()
    if not file.is_relative_to(assets.folder.resolve()) or file.suffix not in KINDS or not file.is_file():
        return PlainTextResponse("There is no such file.", 404)
    lasting = "public, max-age=31536000, immutable" if HASHED.search(name) else "public, max-age=3600"
    headers = {
        "Cache-Control": lasting,
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    twin = file.with_name(file.name + ".gz")
    if twin.is_file() and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return FileResponse(twin, headers=headers, media_type=KINDS[file.suffix])
    return FileResponse(file, headers=headers, media_type=KINDS[file.suffix])
