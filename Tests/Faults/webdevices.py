"""Devices that send over HTTP with web clients as they are, each with retries of its own.

A client outlives the daemon: a request that has no answer when the daemon dies is tried again with the next one.
"""

import json
import pathlib
import queue
import socket
import sys
import threading

from senders import ROOT, Device, Link

sys.path.append(str(ROOT / "Tests/Clients"))

import clients  # noqa: E402
import forms  # noqa: E402


class WebClient(Link):
    """A device behind a client of `clients.py`: a request at a time, its forms by turns."""

    def __init__(self, device, client, url, folder):
        super().__init__(device, pause=0.01)
        self.client = client
        self.posting = clients.Curl(url, folder) if client.name == "curl" else clients.Posting(client, url)
        self.requests = []          # made and not sent
        self.numbers = []           # of their events
        self.waiting = None         # the numbers of the request that has no answer
        self.answers = queue.Queue()
        self.outlived = 0           # requests that the daemon did not answer before its end

    def close(self):
        self.posting.close()

    def open(self, daemon):
        self.outlived += self.waiting is not None
        return socket.socket()      # the client has its own

    def exchange(self, _):
        if self.waiting is None:
            self.send()
        while True:
            try:
                status, text = self.answers.get(timeout=0.02)
                break
            except queue.Empty:
                if self.stopping.is_set():
                    raise EOFError
        numbers, self.waiting = self.waiting, None
        if isinstance(status, Exception):
            raise status
        answer = json.loads(text)
        if status != 200 or answer["received"] != len(numbers) or answer["refused"]:
            raise ValueError(f"answered {status}: {text}")
        self.got(numbers)

    def send(self):
        if not self.requests:
            form = self.device.rng.choice(list(self.client.forms))
            events = [event for _, event in self.device.window(forms.SHARE.get(form, self.batch))]
            self.requests = self.client.forms[form](events)
            self.numbers = [int(event["id"].partition("-")[2]) for event in events]
        request = self.requests.pop(0)
        self.waiting, self.numbers = self.numbers[:request["count"]], self.numbers[request["count"]:]
        self.posting.write(request)
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        try:
            self.answers.put(self.posting.read())
        except Exception as error:
            self.answers.put((error, None))


def web_clients(url, folder, seed):
    """Two devices for each client that is installed; and what is not."""
    found, missing = clients.installed()
    links = []
    for client in found:
        for index in range(2):
            device = Device("kettle" if index else "oven", f"{client.name}-{index}", seed=seed, big=0.1)
            links.append(WebClient(device, client, url, pathlib.Path(folder, f"client-{client.name}-{index}")))
    return links, missing
