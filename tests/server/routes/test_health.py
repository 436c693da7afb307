from prometheus_client.parser import text_string_to_metric_families

from tests.server.conftest import RunningServer, StartServer

LABELS = ("state", "kind", "reason")


async def test_a_warm_server_is_live_and_ready(server: RunningServer) -> None:
    async with server.http() as http:
        for path in ("/livez", "/readyz"):
            assert (await http.get(path)).json() == {"status": "ok"}


async def test_metrics_count_frames_of_open_and_ended_sessions(server: RunningServer) -> None:
    async with server.visitor() as visitor:
        await visitor.connect(instruction="invert")
        await visitor.sees(5)
        during = await metrics(server)
        assert during["afterimage_sessions", "live"] == 1
        assert during["afterimage_frames_total", "edited"] >= 5
        await visitor.http.delete(visitor.url, headers=visitor.authorization)
        after = await metrics(server)
        assert after["afterimage_frames_total", "edited"] >= during["afterimage_frames_total", "edited"]
        assert ("afterimage_sessions", "live") not in after
        assert after["afterimage_sessions_opened_total", ""] == 1


async def test_two_servers_in_one_process_count_apart(start_server: StartServer) -> None:
    one, other = await start_server(), await start_server()
    async with one.visitor() as visitor:
        await visitor.open()
        assert (await metrics(one))["afterimage_sessions_opened_total", ""] == 1
        assert (await metrics(other))["afterimage_sessions_opened_total", ""] == 0


async def metrics(server: RunningServer) -> dict[tuple[str, str], float]:
    async with server.http() as http:
        text = (await http.get("/metrics")).text
    return {
        (sample.name, next((sample.labels[key] for key in LABELS if key in sample.labels), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
