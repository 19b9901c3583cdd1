"""A TCP proxy whose connections can be cut, frozen and slowed, in a process of its own.

`python -m tests.fault.proxy` reads one JSON request a line from standard input and answers each with a line; it ends
with its input. `Proxy` is the other side.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHUNK = 256 * 1024
CHUNKS_ON_THE_WAY = 64


@dataclass
class Way:
    """One listening port and where it leads. `delay` seconds are added in each direction; `cut`: nobody gets through,
    and whoever was connected is not any more; `frozen`: connections stay, and nothing moves."""

    port: int
    target: int
    delay: float = 0.0
    cut: bool = False
    moving: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        self.moving.set()
        await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=CHUNK)

    def change(self, delay: float, cut: bool, frozen: bool) -> None:
        self.delay, self.cut = delay, cut
        self.moving.clear() if frozen else self.moving.set()
        if cut:
            for writer in self.writers:
                writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        except OSError:  # the part is down: the client sees a lost connection, as it would without a proxy
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Read at once and write when the time has come: a delay must not become a bound on the rate."""
        underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY)
        writing = asyncio.create_task(self._deliver(underway, sink))
        clock = asyncio.get_running_loop().time
        try:
            while data := await source.read(CHUNK):
                await underway.put((clock() + self.delay, data))
        except OSError:
            pass  # reset by either side: both learn of it below
        await underway.put((0.0, b""))
        await writing

    async def _deliver(self, underway: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        broken = False
        while True:
            due, data = await underway.get()
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            await self.moving.wait()
            if not data:
                break
            if broken:
                continue  # emptied, so that the reader is not held up
            try:
                sink.write(data)
                await sink.drain()
            except OSError:
                broken = True
        self.writers.discard(sink)
        sink.close()


async def main() -> None:
    ways: dict[str, Way] = {}
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    while line := await requests.readline():
        request: dict[str, Any] = json.loads(line)
        match request.pop("verb"):
            case "open":
                name = request.pop("name")
                ways[name] = Way(**request)
                await ways[name].open()
            case "change":
                ways[request.pop("name")].change(**request)
        sys.stdout.write("done\n")
        sys.stdout.flush()
    os._exit(0)  # whoever is still connected is going down as well: asyncio would complain about each


class Proxy:
    """Ways by name. A context manager; its process cannot outlive us, since its input ends with us."""

    def __enter__(self) -> Proxy:
        command = [sys.executable, "-m", "tests.fault.proxy"]
        # From the project, whatever directory the suite was started in.
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._turn = threading.Lock()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def open(self, name: str, port: int, target: int) -> None:
        self._ask({"verb": "open", "name": name, "port": port, "target": target})

    def change(self, name: str, *, delay: float = 0.0, cut: bool = False, frozen: bool = False) -> None:
        """What is not given is as usual again."""
        self._ask({"verb": "change", "name": name, "delay": delay, "cut": cut, "frozen": frozen})

    def _ask(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            if self._process.stdout.readline() != "done\n":
                raise RuntimeError(f"the proxy has ended with {self._process.wait(10)}")


if __name__ == "__main__":
    asyncio.run(main())
