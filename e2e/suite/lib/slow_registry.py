#!/usr/bin/env python3
"""slow_registry.py LISTEN UPSTREAM CONTROL MILLISECONDS: a registry that is far away.

Passes bytes on after half a round trip in each direction. Whoever connects to CONTROL gets what was counted since the last
time, as JSON: requests, connections, and round trips: the longest chain of requests that each began after an answer."""

import asyncio
import json
import sys

METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ")


class Counts:
    def __init__(self):
        self.requests = 0
        self.connections = 0
        self.round_trips = 0  # the level of the answers that have arrived

    def take(self):
        text = json.dumps({"requests": self.requests, "connections": self.connections, "roundTrips": self.round_trips})
        self.__init__()
        return text


async def later(source, sink, delay, on_piece):
    """Pieces go on `delay` seconds after they came, in order, without one waiting for another."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    async def deliver():
        while True:
            due, piece, token = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if piece is None:
                sink.close()
                return
            if token is not None:
                token()
            sink.write(piece)
            await sink.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await source.read(65536):
            queue.put_nowait((loop.time() + delay, piece, on_piece(piece)))
    except ConnectionError:
        pass
    queue.put_nowait((loop.time() + delay, None, None))
    try:
        await delivery
    except ConnectionError:
        pass


async def serve(upstream, delay, counts, reader, writer):
    counts.connections += 1
    levels = []  # of the requests on this connection that have no answer yet

    def asked(piece):
        if piece.startswith(METHODS):
            counts.requests += 1
            levels.append(counts.round_trips + 1)

    def answered(piece):
        if not (piece.startswith(b"HTTP/1.") and levels):
            return None
        level = levels.pop(0)

        def arrive():
            counts.round_trips = max(counts.round_trips, level)

        return arrive

    there, back = await asyncio.open_connection(*upstream)
    await asyncio.gather(later(reader, back, delay, asked), later(there, writer, delay, answered))


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main():
    listen, upstream, control = (address(a) for a in sys.argv[1:4])
    delay = float(sys.argv[4]) / 2000
    counts = Counts()

    async def tell(_, writer):
        writer.write(counts.take().encode())
        await writer.drain()
        writer.close()

    await asyncio.start_server(lambda r, w: serve(upstream, delay, counts, r, w), *listen)
    await asyncio.start_server(tell, *control)
    await asyncio.Event().wait()


asyncio.run(main())
