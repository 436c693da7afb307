"""What a person sees who opens the page of a server that has a token, without it."""

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>Afterimage: a token is needed</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 17px/1.5 system-ui; max-width: 34rem; margin: 15vh auto; padding: 0 1rem; }}
form {{ display: flex; gap: .5rem; margin: 1.5rem 0; }}
input, button {{ font: inherit; padding: .45em .7em; }}
input {{ flex: 1; min-width: 0; }}
code {{ background: #8882; padding: .1em .4em; border-radius: .3em; }}
</style>
<h1>This server asks for its token</h1>
<p role="status">{word}</p>
<form method="get">
<input name="token" type="password" aria-label="Token" placeholder="Token" autocomplete="current-password"
 autofocus required>
<button>Open</button>
</form>
<p>It is what whoever started the server gave it as <code>AFTERIMAGE_TOKEN</code>. A link has it in it:
<code>/?token=…</code>. It is then kept in this tab and taken out of the address.</p>
</html>
"""


def asks_for_page(method: str, headers: Headers) -> bool:
    """Whether a browser wants something to show to a person, rather than a program an answer."""
    return method in ("GET", "HEAD") and "text/html" in headers.get("accept", "")


def token_page(given: bool, headers: dict[str, str]) -> HTMLResponse:
    """401 with a field to give the token in.

    Args:
        given: Whether there was one, a wrong one.
        headers: To send along.
    """
    word = "That was not it. Give it again:" if given else "Give it once:"
    return HTMLResponse(_PAGE.format(word=word), 401, {**headers, "Cache-Control": "no-store"})
