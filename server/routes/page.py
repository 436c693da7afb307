"""The page, from the folder it was built into."""

import html
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from server.access import PAGE_COOKIE, same_secret
from server.service import TheService

router = APIRouter(include_in_schema=False)

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Afterimage: the page is not built yet</title>
<style>body{{font:17px/1.5 system-ui;max-width:40rem;margin:15vh auto;padding:0 1rem}}
code{{background:#8882;padding:.1em .4em;border-radius:.3em}}</style>
<h1>The page is not built yet</h1>
<p>The server runs and <a href="/openapi.json">its interface</a> answers. Build the page with <code>make setup</code>
or with <code>npm ci &amp;&amp; npm run build</code> in <code>client_web</code>, and load this address again.</p>
<p>It is looked for in <code>{folder}</code>.</p>
</html>
"""


@router.get("/")
async def page(request: Request, service: TheService) -> Response:
    """The page, or how to build it."""
    response = _built(service.settings.client_dir, "index.html")
    given = request.query_params.get("token")
    if service.token is not None and same_secret(given, service.token):
        secure = request.url.scheme == "https"
        response.set_cookie(PAGE_COOKIE, service.token, httponly=True, samesite="strict", secure=secure)
    return response


@router.get("/view")
async def view(service: TheService) -> Response:
    """The page for OBS's Browser Source; which session and by what token stands in its address's fragment."""
    return _built(service.settings.client_dir, "view.html")


def _built(folder: Path, name: str) -> Response:
    page = folder / name
    if page.is_file():
        # Its assets carry a hash in their names, the page that names them does not.
        return FileResponse(page, headers={"Cache-Control": "no-cache"})
    return HTMLResponse(_NOT_BUILT.format(folder=html.escape(str(folder))), 200)


class BuiltFiles(StaticFiles):
    """The page's files; made before the folder need exist, so that building does not need a restart."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self.config_checked = True


def mount_files(app: FastAPI, folder: Path) -> None:
    """Serve the page's files wherever no route answers; a route that another method reaches still says so."""
    app.router.default = BuiltFiles(folder)
