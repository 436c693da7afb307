from tests.server.conftest import RunningServer, StartServer
from tests.server.fakes import LateEditor


async def test_the_model_lists_what_it_was_taught(server: RunningServer) -> None:
    async with server.http() as http:
        assert (await http.get("/v1/models")).json() == [
            {
                "name": "inverting",
                "version": "1",
                "loaded": True,
                "device": "cpu",
                "compiler": "numpy",
                "precision": "uint8",
                "steps": 1,
                "families": [{"name": "negative", "label": "Negative", "examples": ["invert the colours"]}],
            }
        ]


async def test_a_model_that_is_still_loading_says_so(start_server: StartServer) -> None:
    late = LateEditor()
    server = await start_server(load=late)
    async with server.http() as http:
        model = (await http.get("/v1/models")).json()[0]
        assert (model["loaded"], model["version"]) == (False, None)
    late.release()
