"""A listener in a process of its own that takes what it is sent and does nothing with it.

It speaks TLS with HTTP/2's name, answers nothing, and closes a connection after so many bytes: attackers have
the same work with it as with an edge that closes them then. What good traffic notices of that is the
machine's doing.
"""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from types import SimpleNamespace

from .viewer import Viewer


class Sink:
    def __init__(self, ca, name, bytes_max):
        certificate, key = ca.server_files(name)
        self.arguments = [sys.executable, "-m", "harness.sink", str(certificate), str(key), str(bytes_max)]
        self.ca, self.name = ca, name

    def __enter__(self):
        from .programs import ROOT

        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests" / "e2e"
        )
        port = int(self.process.stdout.readline())
        # Enough of a mantlet for whoever opens connections to it.
        self.viewer = Viewer(SimpleNamespace(https=("127.0.0.1", port), ca=self.ca.path), self.name)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


async def main(certificate, key, bytes_max):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])

    async def drop(reader, writer):
        left = int(bytes_max)
        with contextlib.suppress(OSError):
            while left > 0 and (data := await reader.read(1 << 16)):
                left -= len(data)
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0, ssl=context, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
