"""A name server at the socket, over UDP and TCP, that says what it is told to, right or wrong.

An act is a function of a question and of whether it came over TCP; it returns the messages to send back.
"""

import contextlib
import ipaddress
import socket
import struct
from dataclasses import dataclass

from .http1 import spawn

A, CNAME, SOA, AAAA = 1, 5, 6, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
RESPONSE, TRUNCATED = 0x8180, 0x0200
# To the name in the question.
ASKED = b"\xc0\x0c"


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


@dataclass(frozen=True)
class Question:
    message: bytes
    name: str
    type: int

    @classmethod
    def read(cls, message):
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1 : at + 1 + message[at]].decode())
            at += 1 + message[at]
        return cls(message, ".".join(labels), struct.unpack("!H", message[at + 1 : at + 3])[0])

    def response(self, *records, code=0, flags=0, id=None, question=None, authority=()):
        """A response; its id and its question are the asked ones unless given."""
        counts = (1, len(records), len(authority), 0)
        head = struct.pack("!6H", 0, RESPONSE | flags | code, *counts)[2:]
        id = self.message[:2] if id is None else id
        question = self.message[12:] if question is None else question
        return id + head + question + b"".join((*records, *authority))


def record(type, ttl, data, name=ASKED):
    return name + struct.pack("!HHIH", type, 1, ttl, len(data)) + data


def address(text, ttl=60, name=ASKED):
    ip = ipaddress.ip_address(text)
    return record(A if ip.version == 4 else AAAA, ttl, ip.packed, name)


def answers(*addresses, ttl=60):
    """Those of the asked family."""

    def act(question, is_tcp):
        records = [address(text, ttl) for text in addresses]
        wanted = [one for one in records if one[2:4] == struct.pack("!H", question.type)]
        return [question.response(*wanted)]

    return act


def fails(code):
    return lambda question, is_tcp: [question.response(code=code)]


def says(*messages):
    """Functions of the question."""
    return lambda question, is_tcp: [message(question) for message in messages]


class NameServer:
    """Acts by name; a name that it does not know does not exist."""

    def __init__(self):
        self.acts = {}
        self.asked = []
        self._udp, self._tcp = bind_both()
        self.port = self._udp.getsockname()[1]
        spawn(self._serve_udp)
        spawn(self._serve_tcp)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _messages(self, message, is_tcp):
        question = Question.read(message)
        self.asked.append(question)
        return self.acts.get(question.name, fails(NXDOMAIN))(question, is_tcp)

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                message, sender = self._udp.recvfrom(512)
                if not message:
                    return
                for answer in self._messages(message, False):
                    self._udp.sendto(answer, sender)

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, connection.makefile("rwb") as stream:
                    (length,) = struct.unpack("!H", stream.read(2))
                    for answer in self._messages(stream.read(length), True):
                        stream.write(struct.pack("!H", len(answer)) + answer)

    def close(self):
        # Whoever waits in it wakes up.
        self._tcp.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._udp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()
        self._udp.close()


def bind_both():
    """A port that is free over UDP and over TCP."""
    while True:
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
