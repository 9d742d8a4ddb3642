"""The built web application, kept in memory, compressed once. Its files are immutable but for the first page."""

from __future__ import annotations

import gzip
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

BUILT = Path(__file__).parent / "static"
INDEX = "index.html"
IMMUTABLE = "public, max-age=31536000, immutable"
_UNKEPT = {"cache-control": "no-store"}
_COMPRESSIBLE = ("text/", "application/javascript", "image/svg", "application/json")
_MISSING = "The web application is not part of this installation. From a checkout, build it with: make web\n"


@dataclass(frozen=True)
class Page:
    """One file: its bytes, the same compressed (empty if that does not help), and its type."""

    content: bytes
    compressed: bytes
    media_type: str


class Pages:
    """Serves the files below `/web`; whatever has no file is the application, which finds the way itself."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._pages = {
            path.relative_to(folder).as_posix(): _load(path) for path in sorted(folder.rglob("*")) if path.is_file()
        }

    def answer(self, request: Request) -> Response:
        name = request.path_params.get("path", "")
        page = self._pages.get(name)
        if page is None and name.startswith("assets/"):
            return PlainTextResponse("no such file\n", 404, _UNKEPT)
        immutable = page is not None and name.startswith("assets/")
        page = page or self._pages.get(INDEX)
        if page is None:
            return PlainTextResponse(_MISSING, 503, _UNKEPT)
        headers = {"cache-control": IMMUTABLE if immutable else "no-cache"}
        content = page.content
        if page.compressed and _accepts_gzip(request.headers.get("accept-encoding", "")):
            content = page.compressed
            headers["content-encoding"] = "gzip"
        headers["vary"] = "accept-encoding"
        return Response(content, headers=headers, media_type=page.media_type)


def _accepts_gzip(accepted: str) -> bool:
    """RFC 9110, 12.5.3: named, and not with the weight 0."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False


def _load(path: Path) -> Page:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type == "text/javascript":
        media_type = "application/javascript"
    compressed = gzip.compress(content, 9, mtime=0) if media_type.startswith(_COMPRESSIBLE) else b""
    return Page(content, compressed if 0 < len(compressed) < len(content) else b"", media_type)
