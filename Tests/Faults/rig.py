"""What the fault tests share: the daemon as a process, devices that remember every ack, and readers of the log.

A test has a work folder of its own:

    daemon = Daemon(folder, {"log.segment_max_bytes": 1 << 20})
    device = Device("kettle", "k-1", seed=7)
    load = start([NativeTCP(device), ...], daemon)
    daemon.kill9(); load.stop()
    ledger = Ledger([device, ...])
    ledger.read(read_log(folder))
    ledger.counts(), whole_check(folder)

The data is in folder/data, the settings in folder/tidings.yaml, what the daemon says in folder/daemon.log. The binary
is the repository's release build, or what the environment variable TIDINGS_BIN names. Needs Python's standard library
only; devices and their protocols are in senders.py.
"""

import argparse
import atexit
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from senders import (DEADLINE, KINDS, ROOT, Device, Link, LinesTCP, LinesUDP, NativeTCP, NativeUDP,  # noqa: F401
                     field, frame, is_acked, native_batch, parse, read_varint, start, varint, zigzag)

BINARY = os.environ.get("TIDINGS_BIN", str(ROOT / ".build/release/tidings"))


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with 64."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def data(folder):
    return pathlib.Path(folder, "data")


def environment(**extra):
    """This process's environment without settings for the daemon, but that it takes no port which others want."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return {"TIDINGS_LISTEN_HTTP_PORT": "0", **clean, **extra}


def free_port():
    """A port of this machine that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def tidings(folder, *arguments, timeout=DEADLINE, **options):
    """Runs a command on the data of a work folder to its end. Summaries tell everything, of few devices too."""
    return subprocess.run([BINARY, *arguments, "--data", str(data(folder))],
                          env=environment(TIDINGS_PRIVACY_LEAST_GROUP="1"), capture_output=True, text=True,
                          timeout=timeout, **options)


class Daemon:
    """A running `tidings serve`.

    settings: keys of tidings.yaml with their dots. extra: environment, such as LD_PRELOAD. limits: called in the child
    before the program starts (setrlimit). wait=False returns at once, before it listens.
    """

    running = []

    def __init__(self, folder, settings=None, wait=True, extra=None, limits=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "tidings.yaml"
        if settings is not None or not config.exists():
            config.write_text(yaml(settings or {}))
        self.log_path = self.folder / "daemon.log"
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [BINARY, "serve", "--config", str(config), "--data", str(data(folder)), "--tcp-port", "0",
                 "--udp-port", "0", "--log-format", "json"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment(**(extra or {})),
                preexec_fn=limits)
        self.pid = self.process.pid
        Daemon.running = [daemon for daemon in Daemon.running if daemon.alive] + [self]
        self.tcp_port = self.udp_port = self.http_port = self.mqtt_port = self.mqtts_port = 0
        if wait:
            self.wait_until_listening()

    def wait_until_listening(self, timeout=DEADLINE):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            for line in self.lines():
                if line.get("message") == "listening":
                    self.tcp_port = int(line["tcp"].rsplit(":", 1)[1])
                    self.udp_port = int(line["udp"].rsplit(":", 1)[1])
                    self.http_port = int(line.get("http", ":0").rsplit(":", 1)[1])
                    self.mqtt_port = int(line.get("mqtt", ":0").rsplit(":", 1)[1])
                    self.mqtts_port = int(line.get("mqtts", ":0").rsplit(":", 1)[1])
                    return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended at its start, exit code {self.process.returncode}: {self.log()}")
            time.sleep(0.003)
        raise RuntimeError(f"the daemon does not listen after {timeout} s; its threads: {self.threads()}: {self.log()}")

    def threads(self):
        """What each thread waits for: for a daemon that hangs."""
        found = []
        for task in sorted(pathlib.Path(f"/proc/{self.pid}/task").iterdir()):
            call = (task / "syscall").read_text().split()[0]
            found.append(f"{(task / 'comm').read_text().strip()} in {(task / 'wchan').read_text()}, call {call}")
        return "; ".join(found)

    def log(self):
        """What this process has logged so far."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode("utf-8", "replace")

    def lines(self):
        """The log's whole lines as dictionaries; what is not JSON (a crash report) is {"raw": text}."""
        for line in self.log().split("\n")[:-1]:
            try:
                yield json.loads(line)
            except ValueError:
                yield {"raw": line}

    @property
    def alive(self):
        return self.process.poll() is None

    def kill9(self):
        self.process.kill()
        return self.process.wait(timeout=DEADLINE)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def term(self, timeout=DEADLINE):
        """SIGTERM, and wait; the exit code."""
        self.process.terminate()
        return self.wait(timeout)

    def wait(self, timeout=DEADLINE):
        return self.process.wait(timeout=timeout)

    def status(self):
        done = tidings(self.folder, "status", "--format", "json")
        if done.returncode not in (0, 1):   # 1 = it is not well, and says how
            raise RuntimeError(f"tidings status: exit code {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def rss(self, peak=False):
        """Resident memory, bytes."""
        key = "VmHWM:" if peak else "VmRSS:"
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith(key):
                return int(line.split()[1]) << 10
        return 0


@atexit.register
def kill_what_runs():
    for daemon in Daemon.running:
        if daemon.alive:
            daemon.kill9()


def yaml(settings):
    tree = {}
    for name, value in settings.items():
        *above, last = name.split(".")
        place = tree
        for word in above:
            place = place.setdefault(word, {})
        place[last] = value

    def text(place, indent):
        for name, value in sorted(place.items()):
            if isinstance(value, dict):
                yield f"{indent}{name}:\n" + "".join(text(value, indent + "  "))
            else:
                yield f"{indent}{name}: {value}\n"

    return "".join(text(tree, "")) or "# defaults\n"


def read_log(folder, since=0):
    """The log's events from an offset on, as `tidings log export` prints them."""
    done = tidings(folder, "log", "export", "--format", "ndjson", "--from", str(since))
    if done.returncode != 0:
        raise RuntimeError(f"log export: exit code {done.returncode}: {done.stderr}")
    # Texts may hold other ends of lines. That there were exports before is no event of a device.
    events = [json.loads(line) for line in done.stdout.split("\n") if line]
    return [event for event in events if event.get("type") != "audited"]


MESSAGES = {"notice", "question", "reply", "setting", "settings"}


def is_own(event):
    """Whether an operator or the daemon itself has written an event of the log."""
    kind = event["type"]
    return kind in MESSAGES or kind in ("addressed", "closed") or (
        kind == "receipt" and event.get("evidence") == "transport")


class Ledger:
    """Compares a log with what devices sent and what they were told."""

    def __init__(self, devices):
        self.devices = {(device.product, device.name): device for device in devices}
        self.stored = collections.Counter()     # (product, device, number) -> times in the log
        self.highest = {}
        self.invented, self.moved = [], []      # not sent like that; in another order than the device's
        self.order = []                         # the log so far: (product, device, number); None for own events
        self.offset = 0

    def read(self, events):
        """Takes the next events of the log."""
        for event in events:
            if event["offset"] != self.offset:
                self.invented.append({"offset": event["offset"], "expected": self.offset})
            self.offset = event["offset"] + 1
            if is_own(event):
                self.order.append(None)
                continue
            key = event["product"], event.get("device")
            epoch, number = map(int, event["id"].split("-"))
            device = self.devices.get(key)
            sent = device and device.sent(epoch, number)
            if not sent or any(sent.get(name) != event.get(name) for name in ("type", "aspect", "value", "text")):
                self.invented.append(event)
            if number < self.highest.get(key, 0):
                self.moved.append((*key, number))
            self.highest[key] = max(number, self.highest.get(key, 0))
            self.stored[(*key, number)] += 1
            self.order.append((*key, number))

    def lost_since(self):
        """What was acked since the last call and is not in the log; cheap."""
        lost = []
        for key, device in self.devices.items():
            fresh, device.fresh = device.fresh, []
            lost += [(*key, number) for number in fresh if not self.stored[(*key, number)]]
        return lost

    @property
    def lost(self):
        return [(*key, number) for key, device in self.devices.items() for number in device.acked
                if not self.stored[(*key, number)]]

    @property
    def doubled(self):
        return [key for key, times in self.stored.items() if times > 1]

    @property
    def acked(self):
        return sum(len(device.acked) for device in self.devices.values())

    def counts(self):
        return {"acked": self.acked, "stored": self.offset, "lost": len(self.lost), "doubled": len(self.doubled),
                "invented": len(self.invented), "out_of_order": len(self.moved)}


# Checks of a work folder whose daemon is stopped. Each returns a list of problems; none is good.

def verify(folder):
    done = tidings(folder, "log", "verify")
    return [] if done.returncode == 0 else [f"log verify: exit code {done.returncode}: {done.stdout}{done.stderr}"]


def tables(folder):
    """All rows that a reader of the summaries can see, in a fixed order."""
    database = sqlite3.connect(f"file:{data(folder)}/summaries.sqlite?mode=ro", uri=True)
    views = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1")]
    rows = {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in views if name != "meta"}
    database.close()
    return rows


def rebuild_equal(folder):
    """A daemon that starts and stops brings the summaries up to the log's end; a rebuild must give the same."""
    code = Daemon(folder).term()
    if code != 0:
        return [f"the daemon's exit code is {code}"]
    before = tables(folder)
    done = tidings(folder, "rebuild")
    if done.returncode != 0:
        return [f"rebuild: exit code {done.returncode}: {done.stderr}"]
    after = tables(folder)
    if not any(before.values()):
        return ["the summaries are empty"]
    return [f"view {name} differs from its rebuild" for name in sorted({*before, *after})
            if before.get(name) != after.get(name)]


def summaries_equal(folder):
    """The summaries against an independent fold of the exported log."""
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        events = pathlib.Path(scratch, "events.ndjson")
        exported = tidings(folder, "log", "export", "--format", "ndjson").stdout.split("\n")
        events.write_text("".join(line + "\n" for line in exported if line and '"type":"audited"' not in line))
        products = sorted({json.loads(line)["product"] for line in events.open()})
        if not products:
            problems.append("the log is empty")
        for product in products:
            summary = pathlib.Path(scratch, f"{product}.json")
            summary.write_text(tidings(folder, "summary", product, "--format", "json").stdout)
            done = subprocess.run(
                [sys.executable, ROOT / "scripts/reference_summary.py", events, "--product", product, "--compare",
                 summary], capture_output=True, text=True)
            if done.returncode != 0:
                problems.append(f"summary of {product}: {done.stdout}{done.stderr}")
    return problems


def whole_check(folder):
    return verify(folder) + rebuild_equal(folder) + summaries_equal(folder)


def compiled(name, folder):
    """A library for LD_PRELOAD from a C file next to this one; None without gcc."""
    if not shutil.which("gcc"):
        return None
    library = pathlib.Path(folder, f"{name}.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", library,
                    ROOT / f"Tests/Faults/{name}.c", "-ldl", "-pthread"], check=True)
    return library


def scratch_folder(keep=None):
    """A work folder in memory when there is room, else on disk."""
    if keep:
        shutil.rmtree(keep, ignore_errors=True)
        pathlib.Path(keep).mkdir(parents=True)
        return keep
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30 else None
    return tempfile.mkdtemp(prefix="tidings-faults-", dir=place)
