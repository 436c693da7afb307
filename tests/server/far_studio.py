"""A publisher and a virtual camera for another network: ``python -m tests.server.far_studio URL TOKEN``.

Sends red by WHIP with the servers that OPTIONS names, feeds a camera by WHEP, waits for the negative of red on it,
and prints by which kind of candidate the picture went up.
"""

import asyncio
import json
import sys
from functools import partial

import httpx
from aiortc import RTCConfiguration, RTCIceServer

from server.camera.address import parse_address
from server.camera.device import open_device
from server.camera.feed import Feed
from server.camera.whep import ice_servers
from tests.server.camera import backend
from tests.server.camera.backend import KeptCamera
from tests.server.conftest import until
from tests.server.screen import is_colour
from tests.server.whip_client import CYAN, Publisher

SIZE = (320, 240)
PATIENCE_S = 60.0


async def work(url: str, token: str) -> dict[str, object]:
    """Publish until the camera shows the edit."""
    backend.register()
    opened = partial(open_device, SIZE, 30.0, None, backend.NAME)
    async with httpx.AsyncClient(base_url=url, timeout=15) as http:
        options = await http.options("/whip", headers={"Authorization": f"Bearer {token}"})
        servers = [
            RTCIceServer(list(server.urls), server.username, server.credential.get_secret_value())
            for server in ice_servers(options.headers.get_list("link"))
            if server.credential is not None
        ]
        async with Publisher(http, token, configuration=RTCConfiguration(iceServers=servers)) as publisher:
            answer = await publisher.post("/whip?instruction=invert")
            assert answer.status_code == 201, answer.text
            feed = Feed(parse_address(url), token, SIZE, 30.0, opened, print)
            feeding = asyncio.create_task(feed.run())
            try:
                await until(lambda: feeding.done() or KeptCamera.opened, PATIENCE_S)
                (camera,) = KeptCamera.opened
                await until(lambda: camera.sent, PATIENCE_S)
                await until(lambda: feeding.done() or is_colour(camera.pictures[-1], CYAN), PATIENCE_S)
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])
            transport = publisher.peer.getTransceivers()[0].sender.transport
            (pair,) = transport.transport._connection._nominated.values()
            return {
                "shown": is_colour(camera.pictures[-1], CYAN),
                "published": [pair.local_candidate.type, pair.remote_candidate.host],
            }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(*sys.argv[1:]))))
