import pytest

from tests.server.conftest import RunningServer, StartServer

TOKEN = "open sesame"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "origin", ["https://example.org", "null", "http://127.0.0.1.example.org", "http://["]
)
async def test_a_foreign_page_may_not_reach_a_loopback_server(server: RunningServer, origin: str) -> None:
    async with server.http() as http:
        for method, path in (("POST", "/v1/sessions"), ("GET", "/v1/models"), ("GET", "/")):
            response = await http.request(method, path, headers={"Origin": origin})
            assert response.status_code == 403
            assert response.headers["content-type"] == "application/problem+json"
        assert len(server.service.sessions) == 0


async def test_a_page_of_this_machine_may(server: RunningServer) -> None:
    async with server.http() as http:
        for origin in (server.url, "http://localhost:5173", "http://[::1]:8080"):
            assert (await http.post("/v1/sessions", headers={"Origin": origin})).status_code == 201


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8080", "192.168.1.5"])
async def test_a_name_that_was_made_to_lead_here_is_refused(server: RunningServer, host: str) -> None:
    async with server.http() as http:
        assert (await http.get("/v1/models", headers={"Host": host})).status_code == 403


async def test_with_a_token_everything_but_health_and_preflight_asks_for_it(
    start_server: StartServer,
) -> None:
    server = await start_server(token=TOKEN, allowed_origins=("https://example.org",))
    async with server.http() as http:
        for path in ("/livez", "/readyz"):
            assert (await http.get(path)).status_code == 200
        preflight = await http.options(
            "/v1/sessions", headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 200
        for path in (
            "/",
            "/v1/models",
            "/v1/sessions",
            "/v1/sessions/x",
            "/metrics",
            "/openapi.json",
        ):
            refused = await http.get(path)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert refused.headers["content-type"] == "application/problem+json"
        for path in ("/v1/models", "/v1/sessions", "/metrics", "/openapi.json"):
            assert (await http.get(path, headers=BEARER)).status_code == 200, path


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_page_from_an_allowed_origin_may_use_every_method(
    start_server: StartServer, method: str
) -> None:
    server = await start_server(allowed_origins=("https://example.org",))
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": method}
    async with server.http() as http:
        assert (await http.options("/v1/sessions/x/instructions", headers=asked)).status_code == 200


async def test_with_a_token_a_session_takes_its_own_or_the_servers(start_server: StartServer) -> None:
    server = await start_server(token=TOKEN)
    async with server.http() as http:
        assert (await http.post("/v1/sessions")).status_code == 401
        opened = (await http.post("/v1/sessions", headers=BEARER)).json()
        url = f"/v1/sessions/{opened['id']}"
        assert (await http.get(url, headers=BEARER)).status_code == 200
        assert (
            await http.get(url, headers={"Authorization": f"Bearer {opened['token']}"})
        ).status_code == 200
        assert (await http.get(url)).status_code == 401
        assert (await http.get("/v1/sessions/x", headers=BEARER)).status_code == 404
