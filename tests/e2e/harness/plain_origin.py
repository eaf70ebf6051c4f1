"""An origin in a process of its own, for tests that measure: it answers at once and keeps nothing.

`/bytes/N` is N bytes, everything else `ok`.
"""

import asyncio
import re
import socket
import subprocess
import sys

BYTES = re.compile(rb"^\w+ /bytes/(\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BLOCK = b"x" * 65536
# What may wait to be sent on one connection. The kernel would take 2.5 MB on loopback, a thousand times over.
UNSENT_BYTES_MAX = 256 * 1024
BACKLOG = 4096


class PlainOrigin:
    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await drop_body(head, reader)
            asked = BYTES.match(head)
            left = int(asked[1]) if asked else 2
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            if not asked:
                writer.write(b"ok")
                continue
            while left:
                part = BLOCK[:left]
                left -= len(part)
                writer.write(part)
                await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        # The edge may leave in the middle of a request.
        writer.close()


async def drop_body(head, reader):
    length = LENGTH.search(head)
    if length:
        await reader.readexactly(int(length[1]))
    elif b"\r\nTransfer-Encoding: chunked" in head:
        while (size := int(await reader.readline(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()


async def main():
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    # Connections inherit both. asyncio sets the second only on sockets that it has made itself.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES_MAX)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await asyncio.start_server(serve, sock=listening, limit=1 << 17, backlog=BACKLOG)
    print(listening.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
