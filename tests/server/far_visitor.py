"""A visitor in a process of its own, for another network: ``python -m tests.server.far_visitor URL TOKEN POLICY``.

Sends red, waits for its negative, and prints by which kinds of candidates it came.
"""

import asyncio
import json
import sys

import httpx
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.server.client import Visitor
from tests.server.screen import is_colour

RED = (200, 40, 40)
CYAN = (55, 215, 215)
PATIENCE_S = 40.0


async def visit(url: str, token: str, policy: str) -> dict[str, object]:
    """Open a session with the server's token and see its edit."""
    async with httpx.AsyncClient(base_url=url, timeout=15) as http:
        response = await http.post(
            "/v1/sessions", json={"instruction": "invert"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 201, response.text
        session = response.json()
        servers = [
            RTCIceServer(list(server["urls"]), server["username"], server["credential"])
            for server in session["ice_servers"]
        ]
        configuration = RTCConfiguration(
            iceServers=servers,
            iceTransportPolicy=RTCIceTransportPolicy(policy),
        )
        visitor = Visitor(http, RED, configuration=configuration)
        visitor.session = session
        try:
            await visitor.connect()
            picture = await visitor.sees_colour(CYAN, PATIENCE_S)
            count = visitor.shown
            await visitor.sees(30, PATIENCE_S)
            ice = visitor.sender.transport.transport._connection
            (pair,) = ice._nominated.values()
            return {
                "edited": is_colour(picture, CYAN),
                "pictures": visitor.shown - count,
                "local": pair.local_candidate.type,
                "remote": [pair.remote_candidate.type, pair.remote_candidate.host],
            }
        finally:
            await visitor.leave()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(visit(*sys.argv[1:]))))
