"""A TCP switch between pgscope and the server, which can be gone, deaf or rude."""

import asyncio
import threading

from harness.process import free_port
from soak_backend import reset

CHUNK = 1 << 16


class Switch:
    """Forwards connections to `target` (host, port) from a thread of its own."""

    def __init__(self, target):
        self.target, self.address = target, ("127.0.0.1", free_port())
        self.pairs, self.server = set(), None
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._call(self._listen())

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _listen(self):
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.server = await asyncio.start_server(self._serve, *self.address, backlog=1024)

    async def _serve(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            return _cut(writer)
        pair = (writer, far_writer)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
            for writer in pair:
                writer.close()
        except OSError:
            for writer in pair:
                _cut(writer)
        finally:
            self.pairs.discard(pair)

    async def _copy(self, reader, writer):
        while data := await reader.read(CHUNK):
            await self.flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    def refuse(self, seconds):
        """New connections are refused; those that are open go on."""
        self._call(self._refuse(seconds))

    async def _refuse(self, seconds):
        self.server.close()
        await asyncio.sleep(seconds)
        self.server = await asyncio.start_server(self._serve, *self.address, backlog=1024)

    def hold(self, seconds):
        """Nothing moves in either direction."""
        self._call(self._hold(seconds))

    async def _hold(self, seconds):
        self.flowing.clear()
        await asyncio.sleep(seconds)
        self.flowing.set()

    def reset(self):
        """All open connections are reset on both sides."""
        self._call(self._reset())

    async def _reset(self):
        for pair in list(self.pairs):
            for writer in pair:
                _cut(writer)


def _cut(writer):
    connection = writer.get_extra_info("socket")
    if connection and connection.fileno() >= 0:
        reset(connection)
    writer.transport.abort()
