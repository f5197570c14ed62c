"""Messages to devices under faults: an operator who sends and takes back, and devices that receive, say so and answer.

An `Author` posts messages over HTTP, each with an id of his own, and posts again what had no answer when the daemon
died. A `Receiver` sends JSON lines as any device, and makes an event of what comes down: a receipt or an answer.
`check` holds what the log and the summaries say against what both were told.
"""

import collections
import http.client
import json
import sqlite3
import subprocess
import time

import outbox_oracle
from rig import BINARY, MESSAGES, data, environment, read_log, tidings
from senders import Device, LinesTCP, Link

ASPECTS = ["temperature", "sound.ready", "keep_warm", "display.brightness"]
CHOICES = ["melody", "whistle", "off"]


class Author(Link):
    """An operator. Its device sends nothing: it is there because every link has one."""

    pause = 0.02

    def __init__(self, receivers, seed, folder):
        super().__init__(Device("kettle", "nobody", seed=seed))
        self.folder, self.targets = folder, [(link.device.product, link.device.name) for link in receivers]
        self.rng = self.device.rng
        self.waiting = None                     # the message that has no answer
        self.made = 0
        self.stored = {}                        # own id -> the message's id
        self.cancelled = set()
        self.refused = collections.Counter()    # code -> times

    def open(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=5)
        self.connection.connect()
        return self.connection.sock

    def exchange(self, _):
        if self.waiting is None:
            self.made += 1
            self.waiting = self.message(f"own-{self.made}")
        try:
            self.connection.request("POST", "/v1/messages", json.dumps(self.waiting),
                                    {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError) as error:
            raise EOFError from error
        key, said = self.waiting["id"], json.loads(text)
        if answer.status in (200, 201):
            self.stored[key], self.waiting = said["id"], None
            if self.note:
                self.note(self.device, [said["id"]], 1)
            if self.rng.random() < 0.15:
                self.cancel(self.rng.choice(list(self.stored.values())))
        elif answer.status == 503 or answer.status == 429:
            self.refused[said.get("code")] += 1
            if said.get("code") == 4293:
                self.waiting = None     # there are many: it is given up
            time.sleep(0.05)
        elif said.get("code") in (4031, 4041):
            # A device that has sent nothing yet, or a customer who has not agreed.
            self.refused[said["code"]] += 1
            self.waiting = None
        else:
            raise ValueError(f"answered {answer.status}: {text}")

    def message(self, key):
        rng = self.rng
        product, name = rng.choice(self.targets)
        to = {"product": product} | ({"device": name} if rng.random() < 0.6 else {})
        message = {"id": key, "to": to, "data": {"key": key}}
        kind = rng.random()
        if kind < 0.4:
            message |= {"type": "notice", "basis": "contract", "text": f"news {key}", "expires": "2d",
                        "priority": rng.choice(["low", "normal", "high", "urgent"])}
            if rng.random() < 0.5:
                message["collapse"] = rng.choice(["descale", "update"])
        elif kind < 0.6:
            message |= {"type": "question", "basis": "contract", "aspect": "sound.ready", "ask": "choice",
                        "text": f"which {key}?", "choices": CHOICES, "collapse": "ask"}
        else:
            message |= {"type": "setting", "aspect": rng.choice(ASPECTS), "value": rng.randrange(1000),
                        "policy": rng.choice(["offer", "default", "require"])}
        return message

    def cancel(self, message):
        done = subprocess.run([BINARY, "outbox", "cancel", message, "--data", str(data(self.folder))],
                              env=environment(), capture_output=True, text=True, timeout=30)
        if done.returncode == 0:
            self.cancelled.add(message)

    def close(self):
        pass


class Receiver(LinesTCP):
    """A device that listens while it sends."""

    pause = 0.01

    def __init__(self, device, deaf=0.0):
        super().__init__(device)
        self.deaf = deaf                # the share of messages of which it says nothing the first time
        self.heard = collections.Counter()      # message -> how often it came
        self.said = {}                  # message -> the numbers of its receipts
        self.again = []                 # came again although its receipt was on disk before
        self.done_before = set()

    def open(self, daemon):
        # What was acknowledged in the lives before is on disk: nothing of it may come again.
        self.done_before = {message for message, numbers in self.said.items() if numbers & self.device.acked}
        return super().open(daemon)

    def exchange(self, _):
        if not self.device.pending and self.device.rng.random() < 0.3:
            self.device.make()
        # What was sent and not acknowledged on this connection is not sent twice on it.
        fresh = [(number, event) for number, event in list(self.device.pending.items())
                 if number not in self.sent[self.read:]][:self.batch]
        self.sent += [number for number, _ in fresh]
        if fresh:
            self.socket.sendall(b"".join(json.dumps(event).encode() + b"\n" for _, event in fresh))
        try:
            found = self.socket.recv(65536)
        except TimeoutError:
            return
        if not found:
            raise EOFError
        self.buffer += found
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, answer):
        if "down" in answer:
            self.receive_message(answer["down"])
        else:
            super().take(answer)

    def receive_message(self, down):
        device, rng, message = self.device, self.device.rng, down["id"]
        if (down["product"], down["device"]) != (device.product, device.name):
            self.again.append(f"{message} of {down['device']} came to {device.name}")
        self.heard[message] += 1
        # What is required is sent again when the customer chooses otherwise.
        if message in self.done_before and down.get("policy") != "require":
            self.again.append(f"{message} came to {device.name} again, and its receipt was on disk")
        if self.heard[message] == 1 and rng.random() < self.deaf:
            return
        number = len(device.events) + 1
        event = {"product": device.product, "device": device.name, "id": f"{device.epoch}-{number}", "cause": message}
        if down["type"] == "question" and rng.random() < 0.8:
            event |= {"type": "preference.set", "aspect": down["aspect"], "value": rng.choice(CHOICES)}
        elif down["type"] == "setting":
            event |= {"type": "receipt", "stage": rng.choice(["applied", "applied", "refused"])}
        else:
            event |= {"type": "receipt", "stage": rng.choice(["shown", "dismissed"])}
        device.events[number] = device.pending[number] = event
        self.said.setdefault(message, set()).add(number)


def receivers(seed, count=6):
    """Devices of two products; every third says nothing the first time."""
    return [Receiver(Device("kettle" if index % 2 else "oven", f"down-{index}", seed=seed),
                     deaf=0.5 if index % 3 == 0 else 0) for index in range(count)]


def check(folder, author, links, events):
    """What the daemon's log and its summaries say of messages against what was told. `events`: the whole log; the
    daemon is stopped, and the summaries are up to its end."""
    problems = [problem for link in links for problem in link.again]
    causes = collections.Counter(event["cause"] for event in events if event["type"] in MESSAGES)
    lost = sorted(set(author.stored.values()) - set(causes))
    problems += [f"{message} was stored, and is not in the log" for message in lost[:5]]
    problems += [f"{message} is in the log {times} times" for message, times in causes.items() if times > 1][:5]
    if len(set(author.stored.values())) != len(author.stored):
        problems.append("two messages of an author have one id")
    if len(causes) > len(author.stored) + 1:
        problems.append(f"{len(causes)} messages are in the log, {len(author.stored)} were sent")
    closed = {event["cause"] for event in events if event["type"] == "closed"}
    problems += [f"{message} was cancelled, and is not over" for message in sorted(author.cancelled - closed)[:5]]
    return problems + check_folder(folder, events)


def check_folder(folder, events=None):
    """Whether the messages of a folder fit its log, without knowledge of who sent what."""
    events = read_log(folder) if events is None else events
    problems = balance(folder) + outbox_oracle.compare(events, device_names(folder), deliveries(folder))[:5]
    done = tidings(folder, "outbox", "verify")
    if done.returncode != 0:
        problems.append(f"outbox verify: exit code {done.returncode}: {done.stdout}{done.stderr}")
    return problems


def rows(folder, sql, file="summaries.sqlite"):
    database = sqlite3.connect(f"file:{data(folder)}/{file}?mode=ro", uri=True)
    try:
        return list(database.execute(sql))
    finally:
        database.close()


def balance(folder):
    """The states of each message add up to its devices, and the rows of deliveries say the same."""
    names = [column[1] for column in rows(folder, "PRAGMA table_info(message)")]
    states = names[names.index("queued"):names.index("left") + 1]
    found = collections.Counter(dict(rows(folder, "SELECT message, count(*) FROM delivery GROUP BY 1")))
    problems = []
    for message, addressed, *counts in rows(folder, f"SELECT message, addressed, {', '.join(states)} FROM message"):
        number = int(message[1:].split("-")[0])
        if not addressed == sum(counts) == found[number]:
            problems.append(f"{message}: {addressed} addressed, {sum(counts)} in states, {found[number]} rows")
    return problems[:5]


def device_names(folder):
    """Device number -> (product, device)."""
    products = dict(rows(folder, "SELECT id, text FROM word WHERE kind = 1"))
    devices = rows(folder, "SELECT id, product, name FROM device", "identity.sqlite")
    return {number: (products.get(product), name) for number, product, name in devices}


def deliveries(folder):
    """(message, device, state), by numbers."""
    return rows(folder, "SELECT message, device, state FROM delivery")


def brought(folder):
    """How many deliveries are in each state."""
    return dict(rows(folder, "SELECT state, count(*) FROM delivery GROUP BY 1 ORDER BY 2 DESC"))
