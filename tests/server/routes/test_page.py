from pathlib import Path

import pytest

from tests.server.conftest import StartServer


async def test_without_a_built_page_it_is_said_how_to_build_one(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server(client_dir=tmp_path / "dist")
    async with server.http() as http:
        response = await http.get("/")
        assert response.headers["content-type"].startswith("text/html")
        assert "make setup" in response.text
        assert (await http.get("/assets/main.js")).status_code == 404


async def test_the_built_page_and_its_files_are_served(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server(client_dir=tmp_path / "dist")
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<title>Afterimage</title>")
    (tmp_path / "dist" / "assets" / "main.js").write_text("export {}")
    (tmp_path / "secret").write_text("not for the web")
    async with server.http() as http:
        assert (await http.get("/")).text == "<title>Afterimage</title>"
        assert (await http.get("/assets/main.js")).headers["content-type"].startswith("text/javascript")
        assert (await http.get("/%2e%2e/secret")).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_no_page_that_loads_scripts_from_elsewhere_is_served(
    start_server: StartServer, path: str
) -> None:
    """As FastAPI's own about the interface do: they would run beside the tokens that the page keeps."""
    server = await start_server()
    async with server.http() as http:
        assert (await http.get(path)).status_code == 404


async def test_with_a_token_the_page_is_opened_with_it_once(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<title>Afterimage</title>")
    (tmp_path / "main.js").write_text("export {}")
    server = await start_server(client_dir=tmp_path, token="open sesame")
    async with server.http() as http:
        assert (await http.get("/")).status_code == 401
        assert (await http.get("/main.js")).status_code == 401
        assert (await http.get("/", params={"token": "wrong"})).status_code == 401
        assert (await http.get("/", params={"token": "open sesame"})).status_code == 200
        assert (await http.get("/main.js")).status_code == 200
        # The cookie is for files alone: a call made by another site's page must not carry it.
        assert (await http.post("/v1/sessions")).status_code == 401


async def test_a_person_without_the_token_is_given_a_field_for_it(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<title>Afterimage</title>")
    server = await start_server(client_dir=tmp_path, token="open sesame")
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with server.http() as http:
        page = await http.get("/", headers=browser)
        assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
        assert page.headers["www-authenticate"].startswith("Bearer")
        assert '<input name="token" type="password"' in page.text
        assert "Give it once" in page.text
        again = await http.get("/", params={"token": "<wrong>"}, headers=browser)
        assert again.status_code == 401
        assert "That was not it" in again.text
        assert "<wrong>" not in again.text
        # A program is answered as one, and a call always is.
        for path, headers in (("/", {}), ("/v1/models", browser)):
            problem = await http.get(path, headers=headers)
            assert (problem.status_code, problem.headers["content-type"]) == (401, "application/problem+json")


async def test_the_viewers_page_needs_no_servers_token(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "view.html").write_text("<title>live edit</title>")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "view.js").write_text("export {}")
    server = await start_server(client_dir=tmp_path, token="open sesame")
    async with server.http() as http:
        page = await http.get("/view")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
        assert (await http.get("/assets/view.js")).status_code == 200
        opened = await http.post("/v1/sessions", headers={"Authorization": "Bearer open sesame"})
        session = opened.json()
        assert session["view_url"] == f"/view#session={session['id']}&token={session['token']}"
        listed = await http.get("/v1/sessions", headers={"Authorization": "Bearer open sesame"})
        assert "view_url" not in listed.json()[0]
