"""The page's files, compressed once for all who ask."""

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from viewer import respond


class PageFiles:
    """Files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)
        # (the file's tag, content, its encoding) by file and encoding that was wanted. Not by the path in the request,
        # because one file has any number of them: `app/./main.js`.
        self._packed: dict[tuple[str, str], tuple[str, bytes, respond.Encoding]] = {}

    async def answer(self, path: str, request: Request) -> Response:
        """A file, or 304 where the caller has it. Raises HTTPException for what is not there."""
        found = await self._files.get_response(path, request.scope)
        wanted = respond.encoding_for(request)
        if not isinstance(found, FileResponse) or wanted == "identity":
            return found
        file, tag = str(found.path), found.headers["etag"]
        known = self._packed.get((file, wanted))
        if known is None or known[0] != tag:
            known = tag, *await run_in_threadpool(_packed, Path(file), wanted)
            self._packed[file, wanted] = known
        _, body, encoding = known
        headers = {"ETag": f"W/{tag}", "Last-Modified": found.headers["last-modified"]} | respond.encoded(encoding)
        return Response(body, 200, headers, found.media_type)


def _packed(file: Path, wanted: respond.Encoding) -> tuple[bytes, respond.Encoding]:
    return respond.compressed(file.read_bytes(), wanted)
