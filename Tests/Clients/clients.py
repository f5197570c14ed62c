"""Web clients as they are, each a process that is given requests and says what was answered.

`Posting` speaks with post.py and post.mjs, line by line; curl has no loop of its own, and gets files of configuration.
"""

import base64
import json
import pathlib
import shutil
import subprocess

import forms
from senders import ROOT

HERE = pathlib.Path(__file__).resolve().parent
# As of June 2026.
PACKAGES = ["requests==2.34.2", "cloudevents==2.2.0"]


def python():
    """The path of a Python that has the packages."""
    done = subprocess.run([ROOT / "scripts/python", *PACKAGES], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout.strip()


class Client:
    """A name, the forms that it sends (some of them made by its own library), and how its process is started."""

    def __init__(self, name, forms, command):
        self.name, self.forms, self.command = name, forms, command


def installed():
    """The clients that this machine has; and those that it has not, each with what is missing."""
    every = forms.FORMS | forms.JSON_FORMS
    found, missing = [], []
    if shutil.which("curl"):
        found.append(Client("curl", forms.FORMS, None))
    else:
        missing.append("curl: there is no curl")
    post = [python(), str(HERE / "post.py")]
    found += [Client("requests", every, post), Client("cloudevents", forms.CLOUDEVENTS_FORMS, post)]
    node = shutil.which("node")
    if node and has_fetch(node):
        found.append(Client("fetch", every, [node, str(HERE / "post.mjs")]))
    else:
        missing.append("fetch: there is no node 18 or later")
    return found, missing


def has_fetch(node):
    return subprocess.run([node, "-e", "process.exit(typeof fetch === 'function' ? 0 : 1)"]).returncode == 0


class Posting:
    """A client's process that posts one request after the other."""

    def __init__(self, client, url):
        self.process = subprocess.Popen(
            [*client.command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[1]} ended: exit code {self.process.wait()}")
        answer = json.loads(line)
        return answer["status"], answer["answer"]

    def post(self, request):
        self.write(request)
        return self.read()

    def close(self):
        """Ends it, whatever it waits for."""
        self.process.kill()
        self.process.wait()


def curl_options(url, request, body):
    """The lines of a file of curl's configuration for a request."""
    yield f'url = "{url}"'
    for name, value in request["headers"].items():
        yield f'header = "{name}: {value}"'
    yield f'data-binary = "@{body}"'
    # The answers of many requests stand one behind the other: the status behind each.
    yield r'write-out = "%{http_code}\n"'


def curl_all(url, requests, folder):
    """Posts all in one process; yields each request's status and answer."""
    folder.mkdir()
    options = []
    for number, request in enumerate(requests):
        body = folder / str(number)
        body.write_bytes(base64.b64decode(request["body"]))
        options.append("\n".join(curl_options(url, request, body)))
    config = folder / "config"
    config.write_text("\nnext\n".join(options) + "\n")
    done = subprocess.run(["curl", "--silent", "--show-error", "-K", config], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"curl: exit code {done.returncode}: {done.stderr}")
    answers = done.stdout.splitlines()
    for answer, status in zip(answers[::2], answers[1::2], strict=True):
        yield int(status), answer


class Curl:
    """As `Posting`, with a process of curl for each request, which tries again until it is answered."""

    retries = ["--retry", "100000", "--retry-all-errors", "--retry-delay", "1"]

    def __init__(self, url, folder):
        self.url, self.folder, self.process = url, pathlib.Path(folder), None
        self.folder.mkdir()

    def write(self, request):
        body, config = self.folder / "body", self.folder / "config"
        body.write_bytes(base64.b64decode(request["body"]))
        config.write_text("\n".join(curl_options(self.url, request, body)) + "\n")
        # What it retries goes to a file of its own, so that no half an answer stands before the whole one.
        self.process = subprocess.Popen(
            ["curl", "--silent", *self.retries, "--output", self.folder / "answer", "-K", config],
            stdout=subprocess.PIPE, text=True)

    def read(self):
        status = self.process.communicate()[0]
        if self.process.returncode != 0:
            raise RuntimeError(f"curl: exit code {self.process.returncode}")
        return int(status), (self.folder / "answer").read_text()

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
