"""Carries HTTP where packets are not forwarded: ``python -m tests.server.tcp_proxy HOST PORT TO_HOST TO_PORT``."""

import asyncio
import sys
from contextlib import suppress


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until its end."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def run(host: str, port: int, to_host: str, to_port: int) -> None:
    """Serve until killed."""

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await asyncio.open_connection(to_host, to_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, onward_writer), carry(onward_reader, writer))

    async with await asyncio.start_server(join, host, port) as serving:
        print("ready", flush=True)
        await serving.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
