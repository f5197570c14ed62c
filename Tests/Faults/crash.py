"""Kills the daemon at bad moments, again and again, and checks what it promised.

Real daemons, real senders over four protocols that remember every ack; with --web, web clients as they are (curl,
PyPI's requests and cloudevents, Node's fetch), each with retries of its own; with --keys, devices that show their keys
to a daemon that requires them, and one who sends again what he has recorded of them; with --messages, an operator who
sends messages and takes some back, and devices that answer them. Each cycle starts the daemon, lets
the senders send what has no ack (and some of what has, to be recognised), and ends with SIGKILL: after a random time,
within the first milliseconds, while a segment is sealed, while the summaries are written, during a clean stop, during a
rebuild and its swap, or exactly before some file is made, renamed, removed or cut (a library counts; needs gcc).

After each cycle: every acked event is in the log, once, as it was sent, in its device's order. Now and then, and at the
end, as well: the chain verifies, and the summaries equal an independent fold and their rebuild.

Example: scripts/crash --cycles 500 --seed 7        a CI run: scripts/crash --cycles 40
         scripts/crash --web --cycles 50        with keys: scripts/crash --keys --cycles 40
         scripts/crash --messages --cycles 50
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import downlink
from keyed import Recorder, keyed_links
from rig import (BINARY, Daemon, Device, Ledger, LinesTCP, LinesUDP, NativeTCP, NativeUDP, Parser, compiled, data,
                 environment, free_port, is_own, read_log, scratch_folder, start, whole_check)

SETTINGS = {"log.segment_max_bytes": 1 << 20, "log.block_max_delay_ms": 1}
# How often each kind of cycle is chosen.
WEIGHTS = {"random": 7, "change": 5, "sealing": 3, "checkpoint": 3, "stop": 3, "startup": 3, "rebuild": 2, "swap": 2}


class Crash:
    def __init__(self, folder, seed, kinds, settings, web=False, keys=False, messages=False):
        self.folder, self.rng, self.settings = folder, random.Random(seed), SETTINGS | settings
        self.weights = {kind: WEIGHTS[kind] for kind in kinds}
        self.library = compiled("powercut", folder)
        if not self.library:
            self.weights.pop("change", None)
            print("crash: there is no gcc: no kills at exact changes of files")
        # Web clients find the daemon at the same port again.
        self.http_port = free_port() if web or messages else 0
        self.author = None
        if messages:
            self.receivers = downlink.receivers(seed)
            self.author = downlink.Author(self.receivers, seed, folder)
            self.links = self.protocols(seed)[::2] + self.receivers + [self.author]
        elif keys:
            self.settings["auth.mode"] = "require"
            self.links = keyed_links(folder, seed)
        else:
            self.links = self.web_clients(seed) if web else self.protocols(seed)
        self.devices = [link.device for link in self.links]
        self.ledger = Ledger(self.devices)
        self.kinds, self.missed, self.repeated, self.unreadable = collections.Counter(), 0, 0, 0
        self.problems = []

    def protocols(self, seed):
        """Two devices each: texts fill the segments of the TCP senders; datagrams stay small."""
        return [kind(Device("kettle" if index else "oven", f"{kind.__name__}-{index}", seed=seed, big=big), pause=0.04)
                for kind, big in ((NativeTCP, 0.4), (LinesTCP, 0.4), (LinesUDP, 0), (NativeUDP, 0))
                for index in range(2)]

    def web_clients(self, seed):
        """Two devices for each client that is installed."""
        from webdevices import web_clients
        links, missing = web_clients(f"http://127.0.0.1:{self.http_port}/v1/events", self.folder, seed)
        for one in missing:
            print(f"crash: left out: {one}")
        return links

    def daemon(self, wait=True, extra=None):
        extra = {"TIDINGS_LISTEN_HTTP_PORT": str(self.http_port)} | (extra or {})
        return Daemon(self.folder, self.settings, wait=wait, extra=extra)

    # The ways to die. Each is called with a daemon that listens and senders at work, and returns when it is dead.

    def random(self, daemon):
        time.sleep(self.rng.uniform(0.05, 0.3))
        daemon.kill9()

    def change(self, daemon):
        """The daemon kills itself before a certain change of a file, in its start or later."""
        try:
            daemon.wait(0.5)
        except subprocess.TimeoutExpired:
            self.missed += 1
            daemon.kill9()

    def killing(self, limit):
        """The environment for a process that kills itself."""
        if not self.library:
            return {}
        return {"LD_PRELOAD": str(self.library), "POWERCUT_FOLDER": str(self.folder),
                "POWERCUT_KILL": str(self.rng.randint(1, limit))}

    def sealing(self, daemon):
        """Kills when a draft, a journal or a new segment appears."""
        log = data(self.folder) / "log"

        def files():
            return {name for name in os.listdir(log) if not name.endswith(("-shm", "-wal"))}

        known = files()
        self.wait(lambda: files() != known, 0.4)
        self.soon(0.004)
        daemon.kill9()

    def checkpoint(self, daemon):
        """Kills when the summaries' write-ahead log grows."""
        def written():
            return size(data(self.folder) / "summaries.sqlite-wal")

        known = written()
        self.wait(lambda: written() != known, 0.4)
        self.soon(0.003)
        daemon.kill9()

    def stop(self, daemon):
        """Kills during a clean stop: the last checkpoint and the snapshot."""
        time.sleep(self.rng.uniform(0.05, 0.2))
        daemon.signal()
        self.soon(0.03)
        daemon.kill9()

    def rebuild(self, daemon):
        """Kills `tidings rebuild` at any time."""
        time.sleep(self.rng.uniform(0.05, 0.2))
        daemon.term()
        if self.rng.random() < 0.5:
            self.during_rebuild(lambda process: self.soon(0.2))
        else:
            self.during_rebuild(lambda process: process.wait(), self.killing(16))

    def swap(self, daemon):
        """Kills `tidings rebuild` when its result takes the old one's place, or just before or after."""
        time.sleep(self.rng.uniform(0.05, 0.2))
        daemon.term()
        path = data(self.folder) / "summaries.sqlite"
        known = path.stat().st_ino if path.exists() else 0
        draft = pathlib.Path(f"{path}.next")
        target = self.rng.choice(["draft", "settled", "renamed"])

        def reached():
            if target == "draft":
                return size(draft) > 0
            if target == "settled":
                return size(draft) > 0 and size(pathlib.Path(f"{draft}-wal")) == 0
            return path.exists() and path.stat().st_ino != known

        self.during_rebuild(lambda process: self.wait(lambda: reached() or process.poll() is not None, 5))

    def during_rebuild(self, moment, extra=None):
        process = subprocess.Popen(
            [BINARY, "rebuild", "--data", str(data(self.folder))], env=environment(**(extra or {})),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        moment(process)
        process.kill()
        errors = process.communicate()[1]
        if process.returncode not in (0, -9):
            self.problems.append(f"rebuild: exit code {process.returncode}: {errors.decode()}")

    def startup(self):
        """Kills within the first milliseconds of a start; the daemon may have got as far as listening."""
        daemon = self.daemon(wait=False)
        self.soon(0.09)
        daemon.kill9()

    def soon(self, limit):
        time.sleep(self.rng.uniform(0, limit))

    def wait(self, condition, limit):
        until = time.monotonic() + limit
        while time.monotonic() < until:
            if condition():
                return
            time.sleep(0.0003)
        self.missed += 1

    # One life, and what must be true after it.

    def cycle(self):
        kind = self.rng.choices(list(self.weights), weights=self.weights.values())[0]
        self.kinds[kind] += 1
        if kind == "startup":
            self.startup()
        else:
            # The recorder repeats by itself.
            for device in self.rng.sample([device for device in self.devices if type(device) is Device], 2):
                self.repeated += device.again(len(device.events) and self.rng.randrange(60))
            daemon = self.started(kind)
            load = start(self.links, daemon)
            try:
                getattr(self, kind)(daemon)
            finally:
                if daemon.alive:
                    daemon.kill9()
                load.stop()
        self.ledger.read(self.events_after_death())
        lost = self.ledger.lost_since()
        if lost:
            self.problems.append(f"{kind}: acked and lost: {lost[:5]}")
        refused = {(device.name, number): code for device in self.devices for number, code in device.refused.items()}
        self.problems += [link.failure for link in self.links if link.failure]
        if refused:
            self.problems.append(f"{kind}: refused: {refused}")

    def events_after_death(self):
        """What the last life stored. Only a daemon's start can undo a journal that it left: then after such a start."""
        try:
            return read_log(self.folder, self.ledger.offset)
        except RuntimeError:
            self.unreadable += 1
            self.daemon().term()
            return read_log(self.folder, self.ledger.offset)

    def started(self, kind):
        if kind != "change":
            return self.daemon()
        daemon = self.daemon(wait=False, extra=self.killing(40))
        try:
            return daemon.wait_until_listening()
        except RuntimeError:
            if daemon.process.returncode != -9:
                raise
            return daemon   # it got no further

    def check_whole(self):
        """Everything from the start: the whole log read anew, by the chain, by the summaries."""
        self.problems += whole_check(self.folder)
        if self.author:
            self.problems += downlink.check(self.folder, self.author, self.receivers, read_log(self.folder))
        # What retention may have deleted was read before.
        for event in read_log(self.folder):
            if is_own(event):
                continue
            key = event["product"], event["device"], int(event["id"].split("-")[1])
            if self.ledger.order[event["offset"]] != key:
                self.problems.append(f"event {event['offset']} was {self.ledger.order[event['offset']]}, is {key}")
                break
        if event["offset"] + 1 != self.ledger.offset:
            self.problems.append(f"the log ends at {event['offset'] + 1}, it had {self.ledger.offset} events")


def size(path):
    try:
        return path.stat().st_size
    except OSError:
        return 0


def main():
    parser = Parser(
        prog="scripts/crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=30, help="stop after so many, however many cycles that were")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--every", type=int, default=100, help="cycles between two checks of everything")
    parser.add_argument("--kinds", default=",".join(WEIGHTS), help="of kills; default: %(default)s")
    parser.add_argument("--web", action="store_true", help="web clients send, each with retries of its own")
    parser.add_argument("--keys", action="store_true", help="devices with keys send, and one who repeats them")
    parser.add_argument("--messages", action="store_true", help="an operator sends messages, and devices answer them")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the daemon")
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it; it is emptied first")
    parser.add_argument("--drop", type=int, default=0, metavar="N",
                        help="claim N acks that nobody gave, to see that this is noticed")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if set(kinds) - set(WEIGHTS):
        parser.error(f"no such kind: {', '.join(set(kinds) - set(WEIGHTS))}")
    folder = scratch_folder(options.keep)
    settings = dict(pair.split("=", 1) for pair in options.set)
    crash, began = Crash(folder, options.seed, kinds, settings, options.web, options.keys, options.messages), time.monotonic()
    print(f"crash: seed {options.seed}, in {folder}", flush=True)
    cycles, unread = 0, False
    while cycles < options.cycles and time.monotonic() - began < options.minutes * 60:
        if cycles == options.cycles // 2:
            claim(crash, options.drop)
        try:
            crash.cycle()
        except (RuntimeError, ValueError, OSError) as error:
            crash.problems.append(f"cycle {cycles}: {error}")
            unread = True
        cycles += 1
        if cycles % options.every == 0 and cycles < options.cycles:
            crash.check_whole()
            print(f"crash: {cycles} cycles, {time.monotonic() - began:.0f} s, {crash.ledger.counts()}", flush=True)
        if crash.problems:
            break
    if not crash.problems or options.drop:
        crash.check_whole()
    for link in crash.links:
        link.close()
    counts = crash.ledger.counts()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(crash.kinds.items()))
    print(f"crash: {cycles} cycles in {time.monotonic() - began:.0f} s: {kinds}; {crash.missed} missed their moment")
    if unread:
        print("crash: the log could not be read after the last life: what was acked in it counts as lost")
    acks = ", ".join(f"{len(device.acked)} {device.name}" for device in crash.devices)
    print(f"crash: events acked: {acks}")
    if options.web:
        outlived = sum(link.outlived for link in crash.links)
        print(f"crash: {outlived} times a request was without its answer when the next daemon came")
    if options.messages:
        tell_messages(crash)
    for link in crash.links:
        if isinstance(link, Recorder):
            print("crash: sent again: " + ", ".join(f"{count} {name}" for name, count in sorted(link.answers.items())))
    for name in ("lost", "doubled", "invented", "out_of_order"):
        print(f"crash: {counts['acked']} events acked, {counts[name]} {name.replace('_', ' ')}")
    print(f"crash: {counts['stored']} events stored, {crash.repeated} sent again after their ack")
    print(f"crash: {crash.unreadable} times `log export` could read the log only after a daemon's start")
    print(f"crash: {len(crash.problems)} problems")
    bad = crash.problems or any(counts[name] for name in ("lost", "doubled", "invented", "out_of_order"))
    for problem in crash.problems[:20]:
        print(f"crash: seed {options.seed}: {problem}")
    if bad:
        print(f"crash: FAILED; the folder {folder} is kept")
        return 1
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print("crash: every promise kept")
    return 0


def tell_messages(crash):
    """What became of the messages, and whether devices got what was for them."""
    author, links = crash.author, crash.receivers
    heard = sum(len(link.heard) for link in links)
    repeated = sum(sum(link.heard.values()) for link in links) - heard
    print(f"crash: {len(author.stored)} messages stored, {len(author.cancelled)} cancelled, "
          f"refused: {dict(author.refused)}; brought to devices {heard} times, and {repeated} times again")
    print(f"crash: deliveries: {downlink.brought(crash.folder)}")


def claim(crash, count):
    """Spoils the ledger: events that were never sent count as acked."""
    for device in crash.devices[:count]:
        device.make()
        number = len(device.events)
        del device.pending[number]
        device.acked.add(number)
        device.fresh.append(number)


if __name__ == "__main__":
    sys.exit(main())
