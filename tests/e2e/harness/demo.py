"""The demo API of examples/, as the origin that real people have."""

import json
import subprocess
import uuid
from dataclasses import dataclass

from .mantlet import clean_environment
from .programs import ROOT, need_program
from .waiting import wait_until

SERVER = ROOT / "examples" / "demo-api" / "server.mjs"


class DemoApi:
    def __init__(self, **settings):
        defaults = {"PORT": "0", "ANALYSIS_DELAY_MS": "20", "TOKEN_INTERVAL_MS": "10"}
        environment = clean_environment(**{**defaults, **settings})
        self.process = subprocess.Popen(
            [need_program("node"), SERVER], stdout=subprocess.PIPE, text=True, env=environment
        )
        first_line = self.process.stdout.readline()
        assert first_line.startswith("listening on "), f"the demo API did not start: {first_line!r}"
        self.url = first_line.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        wait_until(lambda: self.process.poll() is not None, "the demo API to stop")


@dataclass
class Person:
    """Somebody logged in to the demo API through a viewer."""

    name: str
    cookie: str
    token: str


def log_in(viewer, name, **how):
    answer = viewer.post("/api/login", json_bytes(user=name, password="demo"), [JSON], **how)
    assert answer.status == 200, answer
    cookie = answer.fields.get("set-cookie").partition(";")[0]
    return Person(name, cookie, json.loads(answer.body)["token"])


JSON = ("Content-Type", "application/json")


def json_bytes(**values):
    return json.dumps(values).encode()


def image_form(image, name="face.jpg"):
    """A multipart form with one image: its Content-Type field and its bytes."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    return ("Content-Type", f"multipart/form-data; boundary={boundary}"), body
