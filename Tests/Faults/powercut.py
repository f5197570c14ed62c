"""Builds the states in which a power cut may leave the disk, and checks each of them.

A real daemon runs with powercut.c in it, which writes down every change to its files in order; the senders note after
each ack how long that record was. The run seals many segments (its clock is fast, so that they age), stops, rebuilds,
dies and starts again. Then for random moments of the record a disk is built: what was synced is there; of what came
later any part may be there, in any order, torn at 512 bytes or 4 KiB; files have any size they had since. Three
models:

  strict   a name made, changed or removed is certain only after an fsync of its folder; until then each may have
           happened or not, in any order
  ext4     names and sizes change in order, and an fsync of a new or longer file makes those before it certain
  kill     everything up to that moment is there: what `kill -9` leaves, at every change of a file

Every state is opened as SQLite opens it after a cut, and must hold: the log is a beginning of the log that the run
ended with, event by event; every acked event is in it; checksums, chain and SQLite's own check are sound; every number
in it has its name; the summaries are sound, not ahead of the log, and count what they say. Every 50th state, some of
those with a journal or a draft, and the first that fail, a real daemon must start on; it gets what has no ack yet, and
some again, and must end with each event once, a log that verifies and summaries equal to their rebuild.

Example: scripts/powercut --states 10000 --seed 7
         scripts/powercut --states 5000 --messages
         scripts/powercut --states 1000 --forget-syncs log    must FAIL: shows that the model finds lost syncs
"""

import argparse
import bisect
import collections
import importlib.machinery
import importlib.util
import os
import pathlib
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

import downlink
from disk import MODELS, SYNCS, Disk
from rig import (KINDS, MESSAGES, ROOT, Daemon, Device, Ledger, LinesTCP, LinesUDP, NativeTCP, NativeUDP, Parser, compiled, data,
                 free_port, is_own, read_log, rebuild_equal, scratch_folder, start, tidings, verify, whole_check)

HEAD = struct.Struct("<c3xIIQQ")
SETTINGS = {"log.block_max_delay_ms": 1, "log.block_max_events": 64, "log.segment_max_age_hours": 1}
HOUR_MS = 100       # a segment lives an hour by the daemon's clock: so many real milliseconds
OWN = {KINDS[name] for name in (*MESSAGES, "addressed", "closed")}
UNUSUAL = ("-journal", ".new", ".next", ".next-wal")


def load_reader():
    loader = importlib.machinery.SourceFileLoader("read_log", str(ROOT / "scripts/read-log.py"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("read_log", loader))
    loader.exec_module(module)
    return module


# Recording.

class Recording:
    """One run of the daemon: the record of its disk, and which events were acked by when."""

    def __init__(self, scratch, seed, lives, new_folder, large, messages=False):
        self.disk = pathlib.Path(scratch, "run")
        self.trace = pathlib.Path(scratch, "trace")
        library = compiled("powercut", scratch)
        data(self.disk).mkdir(parents=True)
        if new_folder:
            data(self.disk).rmdir()
        self.extra = {
            "LD_PRELOAD": str(library), "POWERCUT_FOLDER": str(self.disk), "POWERCUT_TRACE": str(self.trace),
            "POWERCUT_CLOCK": f"{int(time.time() * 1000)} {1 if large else 3_600_000 / HOUR_MS}"}
        self.large = large
        self.acks = []      # (length of the record, device, numbers)
        kinds = ((NativeTCP, 6), (LinesTCP, 4), (LinesUDP, 3), (NativeUDP, 5))
        self.devices = [Device("kettle" if index % 2 else "oven", f"{kind.__name__}-{index}", seed=seed,
                               big=(1 if large else 0.05) if kind in (NativeTCP, LinesTCP) else 0)
                        for kind, _ in kinds for index in range(2)]
        self.links = [kinds[index // 2][0](device, batch=kinds[index // 2][1], pause=0.06, note=self.note)
                      for index, device in enumerate(self.devices)]
        self.author = None
        if messages:
            self.add_messages(seed)
        if large:
            for link in self.links[:4]:
                link.batch, link.pause = 60, 0
        for life in range(lives):
            self.live(("stop", "kill", "rebuild")[life % 3])
        daemon = Daemon(self.disk, SETTINGS, extra=self.extra)
        self.load(daemon)
        daemon.kill9()
        self.ledger = Ledger(self.devices)
        self.ledger.read(read_log(self.disk))

    def add_messages(self, seed):
        """Devices that are sent messages, and who sends them."""
        self.extra["TIDINGS_LISTEN_HTTP_PORT"] = str(free_port())
        listeners = downlink.receivers(seed)
        self.author = downlink.Author(listeners, seed, self.disk)
        for link in (*listeners, self.author):
            link.note = self.note
            self.links.append(link)
            self.devices.append(link.device)

    def note(self, device, numbers, fresh):
        """Of an author the numbers are ids of messages."""
        self.acks.append((self.trace.stat().st_size, device, numbers))

    def load(self, daemon):
        load = start(self.links, daemon)
        until = time.monotonic() + (60 if self.large else 0.6)
        while time.monotonic() < until and not (self.large and self.has_copied()):
            time.sleep(0.01)
        load.stop()
        for link in self.links:
            if link.failure:
                raise RuntimeError(link.failure)
        # A kill in the middle of a change would leave it out of the record.
        size = -1
        while size != self.trace.stat().st_size:
            size = self.trace.stat().st_size
            time.sleep(0.3)

    def has_copied(self):
        """Whether the log's write-ahead log was copied into its file while it grew."""
        return any(path.stat().st_size > 1 << 20 for path in (data(self.disk) / "log").glob("*.tidings"))

    def live(self, end):
        daemon = Daemon(self.disk, SETTINGS, extra=self.extra)
        self.load(daemon)
        if end == "kill":
            daemon.kill9()
            return
        if daemon.term() != 0:
            raise RuntimeError(f"the daemon's exit code is {daemon.process.returncode}: {daemon.log()}")
        if end == "rebuild":
            os.environ.update(self.extra)
            done = tidings(self.disk, "rebuild")
            for name in self.extra:
                del os.environ[name]
            if done.returncode != 0:
                raise RuntimeError(f"rebuild: {done.stderr}")

    def records(self):
        """Yields (end in the record, op, inode, number, path, data)."""
        whole, at = self.trace.read_bytes(), 0
        while at + HEAD.size <= len(whole):
            op, path_length, data_length, inode, number = HEAD.unpack_from(whole, at)
            at += HEAD.size
            path = whole[at:at + path_length].decode()
            at += path_length
            yield at + data_length, op.decode(), inode, number, path, whole[at:at + data_length]
            at += data_length


# What must hold.

class Checker:
    """Checks states against the log that the run ended with."""

    def __init__(self, recording, scratch):
        self.reader = load_reader()
        self.schema = self.reader.load_schema()
        self.scratch = pathlib.Path(scratch, "group")
        self.known = {}     # a database's bytes -> what it holds
        self.most_known = 20 if recording.large else 10_000
        self.counts = collections.Counter()
        self.final, self.final_names = self.read_run(recording)
        self.first_use = sorted(self.uses())
        offsets = {event["cause"] if is_own(event) else (event["product"], event["device"], event["id"]):
                   event["offset"] for event in read_log(recording.disk)
                   if event["type"] in MESSAGES or not is_own(event)}
        # For each ack the place in the record and the offset of the event.
        self.acked = sorted(
            (place, offsets[number if isinstance(number, str) else
                            (device.product, device.name, f"{device.epoch}-{number}")])
            for place, device, numbers in recording.acks for number in numbers)
        self.places = [place for place, _ in self.acked]
        highest, self.required = 0, []
        for _, offset in self.acked:
            highest = max(highest, offset + 1)
            self.required.append(highest)

    def read_run(self, recording):
        folder = data(recording.disk)
        files = {f"data/{path.relative_to(folder)}": path.read_bytes()
                 for path in sorted(folder.rglob("*")) if path.is_file()}
        events = []
        for path in segments(files):
            found = self.open(files, path, self.read_segment)
            events += found["events"]
        names = self.open(files, "data/identity.sqlite", self.read_names)
        if len(events) != recording.ledger.offset:
            raise RuntimeError(f"{len(events)} events read, {recording.ledger.offset} exported")
        return events, names

    def uses(self):
        """(offset of the first event that uses it, which table, number)."""
        first = {}
        for offset, event in enumerate(self.final):
            for key in (("device", event[0]), ("customer", event[1])):
                first.setdefault(key, offset)
        return [(offset, *key) for key, offset in first.items() if key[1]]

    def open(self, files, path, read):
        """What `read` finds in a database, with its journals as they are."""
        group = [files.get(path + suffix) for suffix in ("", "-wal", "-journal")]
        # The hash of a bytes object is computed once; most files are the same objects in many states.
        key = (path, *((hash(part), part and len(part)) for part in group))
        if len(self.known) > self.most_known:
            self.known.clear()
        if key not in self.known:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
            place = self.scratch / os.path.basename(path)
            for part, suffix in zip(group, ("", "-wal", "-journal")):
                if part is not None:
                    pathlib.Path(f"{place}{suffix}").write_bytes(part)
            try:
                with sqlite3.connect(place, isolation_level=None) as database:
                    sound = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
                    found = {"sound": sound == "ok", "cause": sound, **read(database)}
                database.close()
            except Exception as error:  # damage shows in many ways
                found = {"sound": False, "cause": f"{type(error).__name__}: {error}"}
            self.known[key] = found
        return self.known[key]

    def read_names(self, database):
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found = {"device": {}, "customer": {}}
        for table in tables & set(found):
            found[table] = dict(database.execute(f"SELECT id, name FROM {table}"))
        return found

    def read_segment(self, database):
        form, first, chain = database.execute("SELECT format, first_offset, previous_chain FROM segment").fetchone()
        found = {"first": first, "previous": chain, "events": [], "damage": []}
        symbols, recorded = {}, {}
        words = "SELECT first_offset, kind, id, CAST(text AS BLOB) FROM symbol ORDER BY first_offset, kind, id"
        for offset, kind, number, text in database.execute(words):
            symbols[kind, number] = text.decode("utf-8", "replace")
            recorded.setdefault(offset, []).append((kind, number, text))
        devices, following = {}, first
        for stored in self.reader.stored_blocks(database, form):
            chain = stored.link(chain, recorded.get(stored.offset, []))
            if stored.offset != following or not stored.is_whole() or chain != stored.chain:
                found["damage"].append(f"block {stored.offset}: checksum, chain or place")
            for event in stored.events(self.schema, devices):
                shape = event.pop("shape")
                text = tuple(symbols.get((kind, event[name]), event[name] and f"no word {kind} {event[name]}")
                             for kind, name in ((1, "product"), (2, "aspect")))
                value = symbols.get((3, event["value"])) if shape.value_kind == 3 else event["value"]
                found["events"].append((event["device"], event["customer"], event["epoch"], event["seq"],
                                        event["product"], *text, value, event.get("text"), event["time"], shape.kind,
                                        event["count"], shape.kind in OWN))
            following = stored.offset + stored.count
        found["chain"], found["end"] = chain, following
        return found

    def read_summaries(self, database):
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'fold_product'").fetchone():
            return {"offset": 0, "snapshot": 0, "products": {}}
        meta = dict(database.execute("SELECT key, value FROM meta"))
        products = dict(database.execute("SELECT product, events FROM fold_product WHERE events > 0"))
        return {"offset": int(meta.get("offset", 0)), "snapshot": int(meta.get("snapshot_offset", 0)),
                "products": products}

    def check(self, files, place):
        """The promises that a state breaks, as (which, what), and how many events its log has."""
        broken, events, chain = [], [], bytes(32)
        for path in segments(files):
            found = self.open(files, path, self.read_segment)
            if not found["sound"]:
                broken.append(("integrity", f"{path}: {found['cause']}"))
            if "end" not in found:
                break
            if found["damage"]:
                broken.append(("chain", f"{path}: {found['damage'][0]}"))
            if found["first"] != len(events) or found["previous"] != chain:
                broken.append(("chain", f"{path}: does not continue the log, which has {len(events)} events"))
            chain = found["chain"]
            events += found["events"]
        count = len(events)
        if events != self.final[:count]:
            broken.append(("invented", "the log is no beginning of the log that the run ended with"))
        index = bisect.bisect_right(self.places, place)
        required = self.required[index - 1] if index else 0
        if count < required:
            lost = sum(1 for _, offset in self.acked[:index] if offset >= count)
            broken.append(("lost", f"{lost} acked events: the log has {count}, acked are {required}"))
        broken += self.check_names(files, count) + self.check_summaries(files, count)
        return broken, count

    def check_names(self, files, count):
        names = {"sound": True, "device": {}, "customer": {}}
        if "data/identity.sqlite" in files:
            names = self.open(files, "data/identity.sqlite", self.read_names)
        if not names["sound"]:
            return [("integrity", f"identity.sqlite: {names['cause']}")]
        for offset, table, number in self.first_use[:bisect.bisect_left(self.first_use, (count,))]:
            if names[table].get(number) != self.final_names[table][number]:
                return [("names", f"{table} {number} of event {offset} is called {names[table].get(number)}")]
        return []

    def check_summaries(self, files, count):
        if "data/summaries.sqlite" not in files:
            return []
        found = self.open(files, "data/summaries.sqlite", self.read_summaries)
        if not found["sound"]:
            return [("integrity", f"summaries.sqlite: {found['cause']}")]
        if not found["snapshot"] <= found["offset"] <= count:
            return [("summaries", f"snapshot at {found['snapshot']}, rows at {found['offset']}, log at {count}")]
        expected = collections.Counter(event[4] for event in self.final[:found["offset"]] if not event[-1])
        if found["products"] != expected:
            return [("summaries", f"at {found['offset']} they count {found['products']}, not {dict(expected)}")]
        return []


def segments(files):
    return sorted(path for path in files if path.startswith("data/log/") and path.endswith(".tidings"))


class Restart:
    """A real daemon on a state: it must start, take what is missing, and end with everything once."""

    def __init__(self, recording, scratch):
        self.recording, self.folder = recording, pathlib.Path(scratch, "restart")

    def check(self, files, place):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for path, content in sorted(files.items()):
            where = self.folder / path
            if content is None:
                where.mkdir(exist_ok=True)
            else:
                where.write_bytes(content)
        devices = []
        senders = [link for link in self.recording.links if not isinstance(link, downlink.Author)]
        originals = [link.device for link in senders]
        for original in originals:
            device = Device(original.product, original.name)
            device.events = original.events
            devices.append(device)
        for position, original, numbers in self.recording.acks:
            if position <= place and original in originals:
                devices[originals.index(original)].acked.update(numbers)
        for device in devices:
            # What has no ack, and a few that have one.
            device.pending.update((number, event) for number, event in sorted(device.events.items())
                                  if number not in device.acked or number > max(device.acked, default=0) - 5)
        # Who listens is one who sends here: what it was sent, and has answered, comes again.
        kinds = [LinesTCP if isinstance(link, downlink.Receiver) else type(link) for link in senders]
        links = [kind(device, total=len(device.pending)) for kind, device in zip(kinds, devices)]
        try:
            return [("restart", problem) for problem in self.run(devices, links)]
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return [("restart", str(error))]

    def run(self, devices, links):
        daemon = Daemon(self.folder, SETTINGS)
        try:
            load = start(links, daemon)
            load.join(timeout=5)
            load.stop()
            code = daemon.term(timeout=20)
        finally:
            daemon.kill9()
        problems = [f"exit code {code}: {daemon.log()}"] if code else []
        problems += [link.failure for link in links if link.failure]
        unsent = sum(len(device.pending) for device in devices)
        if unsent:
            problems.append(f"{unsent} events never got an ack: {daemon.log()[-500:]}")
        ledger = Ledger(devices)
        ledger.read(read_log(self.folder))
        counts = ledger.counts()
        problems += [f"{counts[name]} {name}" for name in ("lost", "doubled", "invented", "out_of_order")
                     if counts[name]]
        problems += verify(self.folder) + rebuild_equal(self.folder)
        return problems + (downlink.check_folder(self.folder) if self.recording.author else [])


# Where to cut.

def sealing_records(records):
    """Which records lie between the first change of a segment's own file after its commits and its successor's first
    commit: sealing and beginning anew."""
    paths, sealing, inside = {}, set(), False
    for index, (_, op, inode, _, path, piece) in enumerate(records):
        if op in "CR":
            if op == "R":
                inode = next((n for n, p in paths.items() if p == piece.decode()), None)
            paths[inode] = path
        name = paths.get(inode, path) if op in "WTSCR" else path
        if op == "R" and name.endswith(".tidings"):
            name += ".new"
        if name.startswith("data/log/"):
            # Commits go to the write-ahead log; everything else in this folder is turning over.
            inside = not (name.endswith("-wal") and op in "WS")
        if inside:
            sealing.add(index)
    return sealing


def choose_cuts(rng, records, sealing, count):
    """Indices of the last record before the cut: half anywhere, a third in sealing, the rest at changes of names."""
    turning = sorted(sealing) or [0]
    naming = [index for index, record in enumerate(records) if record[1] in "CRLUMT"]
    cuts = []
    for _ in range(count):
        chance = rng.random()
        place = rng.randrange(len(records)) if chance < 0.5 else rng.choice(turning if chance < 0.83 else naming)
        cuts.append(min(len(records) - 1, place + (rng.randrange(3) if chance >= 0.5 else 0)))
    return sorted(cuts)


def main():
    os.umask(0o077)     # files that come back have their owner's permissions alone, as they had
    parser = Parser(
        prog="scripts/powercut", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lives", type=int, default=3, help="of the daemon, before the last one")
    parser.add_argument("--model", choices=(*MODELS, "each"), default="each")
    parser.add_argument("--restart-every", type=int, default=50, metavar="N", help="a daemon on each N-th state")
    parser.add_argument("--large", action="store_true",
                        help="one life, one segment, written until its write-ahead log is copied into it (16 MiB)")
    parser.add_argument("--new-folder", action="store_true", help="the daemon makes the data folder itself")
    parser.add_argument("--forget-syncs", choices=SYNCS, metavar="OF",
                        help=f"as if the disk ignored these: {', '.join(SYNCS)}; must fail")
    parser.add_argument("--messages", action="store_true",
                        help="an operator sends messages meanwhile, and devices answer them")
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it; it is emptied first")
    options = parser.parse_args()
    scratch = scratch_folder(options.keep)
    began = time.monotonic()
    print(f"powercut: seed {options.seed}, in {scratch}", flush=True)
    recording = Recording(scratch, options.seed, 0 if options.large else options.lives, options.new_folder,
                          options.large, options.messages)
    problems = recording_problems(recording) or whole_check(recording.disk)
    if problems:
        print(f"powercut: the run itself is not right: {problems}")
        return 1
    return judge(options, recording, scratch, began)


def recording_problems(recording):
    counts = recording.ledger.counts()
    return [f"{counts[name]} {name}" for name in ("lost", "doubled", "invented", "out_of_order") if counts[name]]


def judge(options, recording, scratch, began):
    rng = random.Random(options.seed)
    records = list(recording.records())
    sealing = sealing_records(records)
    checker = Checker(recording, scratch)
    restart = Restart(recording, scratch)
    sealed = len(list((data(recording.disk) / "log").glob("*.tidings"))) - 1
    syncs = sum(1 for record in records if record[1] == "S")
    print(f"powercut: {len(records)} changes, {syncs} syncs, {len(checker.final)} events, {len(checker.acked)} acks,"
          f" {sealed} segments sealed, {time.monotonic() - began:.1f} s", flush=True)
    disk = Disk(options.new_folder, options.forget_syncs)
    position = -1
    counts, broken = collections.Counter(), collections.defaultdict(collections.Counter)
    examples, restarts_of_failures = {}, 0
    for number, cut in enumerate(choose_cuts(rng, records, sealing, options.states)):
        while position < cut:
            position += 1
            _, op, inode, value, path, piece = records[position]
            disk.follow(op, inode, value, path, piece)
        model = MODELS[number % 5 % 3] if options.model == "each" else options.model
        files, style = disk.after_cut(rng, model)
        place = records[cut][0]
        found, _ = checker.check(files, place)
        counts["states"] += 1
        counts[model] += 1
        counts["sealing"] += cut in sealing
        counts["torn"] += style == "torn"
        unusual = any(path.endswith(UNUSUAL) for path in files) and rng.random() < 2 / options.restart_every
        counts["unusual"] += unusual
        if number % options.restart_every == 0 or unusual or found and restarts_of_failures < 20:
            counts["restarts"] += 1
            restarts_of_failures += bool(found)
            more = restart.check(files, place)
            found += more
        for which in {which for which, _ in found}:
            broken[model][which] += 1
        counts["bad"] += bool(found)
        for which, what in found:
            # One example of each kind: numbers and paths aside.
            kind = re.sub(r"[0-9]+|/\S+", "#", what)[:80]
            examples.setdefault((model, which, kind), f"state {number}, cut {cut} ({style}): {what}")
        if number and number % 2_000 == 0:
            print(f"powercut: {number} states, {counts['bad']} bad, {time.monotonic() - began:.0f} s", flush=True)
    report(options, counts, broken, examples, began)
    if counts["bad"]:
        print(f"powercut: FAILED, seed {options.seed}; {scratch} is kept")
        return 1
    if not options.keep:
        shutil.rmtree(scratch, ignore_errors=True)
    print("powercut: every promise kept")
    return 0


def report(options, counts, broken, examples, began):
    print(f"powercut: {counts['states']} states in {time.monotonic() - began:.0f} s,"
          f" {counts['sealing']} cut in sealing, {counts['torn']} torn,"
          f" {counts['restarts']} with a daemon started on them"
          f" ({counts['unusual']} of them with a journal or a draft)")
    for model in MODELS:
        if counts[model]:
            kinds = ("lost", "chain", "integrity", "invented", "names", "summaries", "restart")
            print(f"powercut: {model}: {counts[model]} states, "
                  + ", ".join(f"{kind} {broken[model][kind]}" for kind in kinds))
    for (model, *_), text in sorted(examples.items())[:20]:
        print(f"powercut: {model}: {text.strip()}")


if __name__ == "__main__":
    sys.exit(main())
