"""Bit rot: a byte of a log that lies on disk changes. Every change that means something must be found.

Makes a log with sealed segments and an active one, then again and again takes a copy, damages one place (a flipped
bit, most often; also a file cut short, a row deleted, two rows swapped, a file that is gone) and looks:

- `tidings log verify` finds it and names the segment and the damaged block, or the exported events are those of the
  sound log (a byte that SQLite does not use changes nothing). It never crashes.
- `tidings log export` prints none of the events changed. A word whose text is lost is printed as its number.
- What is left out stays within the bound. One changed byte of a block's body costs nothing. Other damage costs the
  blocks that it touches, the one directly behind each when nothing else proves that one, and those behind them up to
  the next keyframe. Which blocks a byte touches is read from the file's pages (`segmentpages.py`), where the keyframes
  stand from the sound log.
- `tidings log salvage` makes a copy that verifies, holds only true events, and leaves out no more than that.
- Now and then: the daemon starts on it, stays up, takes new events and serves the rest, or refuses in one line.

Damage to the active segment's write-ahead log is counted apart: SQLite takes the first damaged frame for the end, so
that it looks like a log which ends earlier. It can be found against what is known of the log's end elsewhere.

Usage: scripts/bitrot [--flips N] [--seed S] [--daemon-every N] [--keep FOLDER]
Example: scripts/bitrot --flips 200 --seed 7
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import rig
import segmentpages

CRASHED = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGTRAP, -signal.SIGBUS, 139, 134, 132, 133, 135}
PAGE_TYPES = {2: "index interior", 5: "table interior", 10: "index leaf", 13: "table leaf"}


def make_log(folder, seed, is_killed):
    """Some sealed segments and an active one, in many small blocks."""
    daemon = rig.Daemon(folder, {"log.segment_max_bytes": 1 << 20})
    devices = [rig.Device(product, f"b-{number}", seed=seed, big=0.35)
               for number, product in enumerate(("kettle", "oven", "kettle"))]
    links = [rig.LinesTCP(device, batch=12) for device in devices]
    load = rig.start(links, daemon)
    until = time.monotonic() + rig.DEADLINE
    while len(list(rig.data(folder).glob("log/*.tidings"))) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    load.stop()
    if daemon.term() != 0:
        sys.exit("bitrot: the daemon did not stop cleanly")
    # What a killed daemon wrote last is in the write-ahead log; what one wrote that was stopped is in the file.
    daemon = rig.Daemon(folder)
    load = rig.start(links, daemon)
    until = time.monotonic() + rig.DEADLINE
    while sum(link.acks for link in links) < 300 and time.monotonic() < until:
        time.sleep(0.01)
    load.stop()
    if is_killed:
        daemon.kill9()
    else:
        daemon.term()


def segments(folder):
    return sorted(rig.data(folder).glob("log/*.tidings"))


def export(folder):
    """What can be read: the exit code, and the events by offset as printed."""
    done = subprocess.run([rig.BINARY, "log", "export", "--format", "ndjson", "--data", str(rig.data(folder))],
                          env=rig.environment(), capture_output=True, timeout=rig.DEADLINE)
    events = {}
    for line in done.stdout.split(b"\n"):
        if line and b'"type":"audited"' not in line:    # that there were exports before
            offset = re.match(rb'{"offset":(\d+),', line)
            events[int(offset.group(1)) if offset else len(events)] = line
    return done.returncode, events, done.stderr.decode("utf-8", "replace")


# Kinds of damage. Each changes the copy in `folder` and returns (the file, what was done, the first offsets of the
# blocks that it touches or None, where not known), or None when it cannot be done.

def open_plain(path):
    path.chmod(0o644)
    return open(path, "r+b")


def flip(path, rng, span=None):
    """One bit of one byte; `span` narrows where."""
    low, high = span or (0, path.stat().st_size)
    at, bit = rng.randrange(low, high), rng.randrange(8)
    pages = segmentpages.Pages(path)
    touched = set() if pages.is_in_body(at) else pages.blocks_on(at // 4096 + 1)
    with open_plain(path) as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
        file.seek(at // 4096 * 4096 + (100 if at < 4096 else 0))
        kind = PAGE_TYPES.get(file.read(1)[0], "overflow or other")
    where = "in a body" if pages.is_in_body(at) else f"page {at // 4096}, {kind}"
    return f"byte {at}, bit {bit} ({where})", touched


def flip_sealed(folder, rng):
    path = rng.choice(segments(folder)[:-1])
    return path, *flip(path, rng)


def flip_active(folder, rng):
    path = segments(folder)[-1]
    return path, *flip(path, rng)


def flip_small_fields(folder, rng):
    """A flip where it is rare by chance: the first pages (schema, header, words), or outside the bodies of blocks."""
    path = rng.choice(segments(folder))
    size = path.stat().st_size
    if rng.random() < 0.5:
        return path, *flip(path, rng, (0, min(size, 10 * 4096)))
    with open(path, "rb") as file:
        image = file.read()
    leaves = [at for at in range(4096, size, 4096) if image[at] in PAGE_TYPES]
    at = rng.choice(leaves)
    return path, *flip(path, rng, (at, at + 200 if rng.random() < 0.5 else at + 4096))


def flip_index(folder, rng):
    """A flip in what leads to the words: few pages, and nothing in them has a checksum."""
    path = rng.choice(segments(folder))
    with open(path, "rb") as file:
        image = file.read()
    at = rng.choice([at for at in range(4096, len(image), 4096) if image[at] in (2, 10)])
    cells = int.from_bytes(image[at + 5:at + 7], "big") % 4096 or 4048
    return path, *flip(path, rng, rng.choice([(at, at + 48), (at + cells, at + 4096), (at + cells, at + 4096)]))


def zero_page(folder, rng):
    path = rng.choice(segments(folder))
    page = rng.randrange(path.stat().st_size // 4096)
    touched = segmentpages.Pages(path).blocks_on(page + 1)
    with open_plain(path) as file:
        file.seek(page * 4096)
        file.write(bytes(4096))
    return path, f"page {page} is zeros", touched


def cut(folder, rng):
    path = rng.choice(segments(folder))
    size = rng.randrange(1, path.stat().st_size)
    pages = segmentpages.Pages(path)
    touched = set().union(*(pages.blocks_on(number + 1) for number in range(size // 4096, pages.count)))
    os.chmod(path, 0o644)
    os.truncate(path, size)
    return path, f"cut to {size} bytes", touched


def remove_segment(folder, rng):
    # Not the first: a log may begin later, that is how an operator makes room.
    path = rng.choice(segments(folder)[1:-1])
    touched = set().union(*segmentpages.Pages(path).touched.values())
    path.unlink()
    return path, "removed", touched


def change_rows(folder, rng, act):
    """Lets `act` change a segment's rows as SQLite would: no page is damaged."""
    # The last block of all is another case: that log only ends earlier.
    path = rng.choice(segments(folder)[:-1])
    path.chmod(0o644)
    database = sqlite3.connect(path)
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {name}")
    done, touched = act(database, rng)
    database.commit()
    database.close()
    return path, done, touched


def delete_block(folder, rng):
    def act(database, rng):
        offset = rng.choice([row[0] for row in database.execute("SELECT first_offset FROM block")])
        database.execute("DELETE FROM block WHERE first_offset = ?", (offset,))
        return f"the block at {offset} deleted", {offset}
    return change_rows(folder, rng, act)


def swap_blocks(folder, rng):
    """The contents of two neighbours with equal counts are exchanged, checksums and all."""
    def act(database, rng):
        rows = database.execute("SELECT * FROM block ORDER BY first_offset").fetchall()
        pairs = [(a, b) for a, b in zip(rows, rows[1:]) if a[1] == b[1]]
        one, other = rng.choice(pairs)
        columns = [row[1] for row in database.execute("PRAGMA table_info(block)")]
        changes = ", ".join(f"{column} = ?" for column in columns[2:])
        for place, source in ((one, other), (other, one)):
            database.execute(f"UPDATE block SET {changes} WHERE first_offset = ?", (*source[2:], place[0]))
        return f"the blocks at {one[0]} and {other[0]} swapped", {one[0], other[0]}
    return change_rows(folder, rng, act)


def change_symbol(folder, rng):
    """Another word: the blocks are untouched, but they now say something else."""
    def act(database, rng):
        words = database.execute("SELECT kind, id, text, first_offset FROM symbol").fetchall()
        kind, number, text, block = rng.choice(words)
        database.execute("UPDATE symbol SET text = ? WHERE kind = ? AND id = ?", (text + "x", kind, number))
        return f"the word {text!r} is now {text + 'x'!r}", {block}
    return change_rows(folder, rng, act)


def delete_symbol(folder, rng):
    def act(database, rng):
        words = database.execute("SELECT kind, id, text, first_offset FROM symbol").fetchall()
        kind, number, text, block = rng.choice(words)
        database.execute("DELETE FROM symbol WHERE kind = ? AND id = ?", (kind, number))
        return f"the word {text!r} deleted", {block}
    return change_rows(folder, rng, act)


def flip_wal(folder, rng):
    path = pathlib.Path(f"{segments(folder)[-1]}-wal")
    if not path.exists() or not path.stat().st_size:
        return None
    at, bit = rng.randrange(path.stat().st_size), rng.randrange(8)
    with open_plain(path) as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    return path, f"byte {at}, bit {bit}", None


def remove_wal(folder, _):
    path = pathlib.Path(f"{segments(folder)[-1]}-wal")
    if not path.exists() or not path.stat().st_size:
        return None
    path.unlink()
    return path, "removed", None


# Name, the damage, its share of the tries.
DAMAGES = [
    ("a bit of a sealed segment", flip_sealed, 45), ("a bit of the active segment", flip_active, 15),
    ("a bit outside the bodies", flip_small_fields, 20), ("a bit of an index", flip_index, 10),
    ("a page of zeros", zero_page, 4), ("a file cut", cut, 4),
    ("a segment removed", remove_segment, 1), ("a row deleted", delete_block, 3), ("two rows swapped", swap_blocks, 3),
    ("a word changed", change_symbol, 2), ("a word deleted", delete_symbol, 1),
    ("a bit of the write-ahead log", flip_wal, 6), ("the write-ahead log removed", remove_wal, 1),
]
# Looks like a log that ends earlier: what is lost is counted, and whether the daemon notices.
APART = {"a bit of the write-ahead log", "the write-ahead log removed"}
KINDS = {1: "product", 2: "aspect", 3: "value", 4: "unit", 5: "language", 6: "type"}


class Result:
    def __init__(self):
        self.counts = collections.Counter()
        self.problems = collections.Counter()
        self.examples = {}

    def problem(self, kind, text):
        self.problems[kind] += 1
        self.examples.setdefault(kind, text)


class Bench:
    def __init__(self, options, bases, scratch):
        self.options, self.bases, self.scratch = options, bases, scratch
        self.has_salvage = "salvage" in rig.tidings(bases[0], "log", "--help").stdout
        self.results = {name: Result() for name, _, _ in DAMAGES}
        self.daemons = self.refused = self.served = self.salvaged = 0
        self.use(bases[0])

    def use(self, base):
        """What the next copies are made of."""
        self.base = base
        self.sound = export(base)[1]
        self.ends, self.words = {}, {}
        # Where reading can begin anew: at a segment's start and at its keyframes.
        self.starts = {int(path.stem) for path in segments(base)} | {len(self.sound)}
        self.heads = set(self.starts)
        for path in segments(base):
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                self.ends |= {first: first + count for first, count
                              in database.execute("SELECT first_offset, count FROM block")}
                self.starts |= {offset for (offset,) in database.execute("SELECT offset FROM keyframe")}
                self.words |= {(KINDS[kind], number): text for kind, number, text
                               in database.execute("SELECT kind, id, text FROM symbol")}
        self.block_count = len(self.ends)

    def allowed(self, touched):
        """The events that damage to some blocks may cost."""
        offsets = set()
        for block in touched:
            behind = self.ends[block]
            if behind not in self.heads:
                behind = self.ends[behind]
            offsets.update(range(block, min(start for start in self.starts if start >= behind)))
        return offsets

    def is_same(self, line, sound):
        """Whether two printed events are the same, but for words that one gives by their numbers."""
        if line == sound:
            return True
        try:
            one, other = json.loads(line), json.loads(sound or "null")
        except ValueError:
            return False
        if other is None or one.keys() != other.keys():
            return False
        for key, value in one.items():
            if value != other[key]:
                kind, _, number = str(value).partition("#")
                if not number.isdigit() or self.words.get((kind, int(number))) != other[key]:
                    return False
        return True

    def try_one(self, number, name, damage, rng):
        copy = pathlib.Path(self.scratch, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.base, copy, ignore=lambda _, names: [n for n in names if n == "control.sock"])
        done = damage(copy, rng)
        if done is None:    # a daemon that was stopped leaves no write-ahead log
            name, done = "a bit of a sealed segment", flip_sealed(copy, rng)
        path, what, touched = done
        result = self.results[name]
        result.counts["tries"] += 1
        place = f"{path.name}: {what}"
        allowed = None if touched is None else self.allowed(touched)
        damages = self.verify(copy, path, place, result)
        gone = self.compare(copy, damages is not None, place, result, name, allowed)
        if gone and damages and touched is not None and not any(
                damage["first_offset"] <= min(gone) < max(damage["end_offset"], damage["first_offset"] + 1)
                for damage in damages):
            result.problem("what is lost is not named", f"{place}: {min(gone)}: {damages[:3]}")
        if self.has_salvage and damages is not None:
            self.salvage(copy, place, result, allowed)
        if number % self.options.daemon_every == 0 or name in APART:
            self.start_daemon(copy, place, result)

    def verify(self, copy, path, place, result):
        """What `log verify` finds; None when it finds nothing."""
        done = rig.tidings(copy, "log", "verify", "--format", "json")
        if done.returncode in CRASHED:
            result.problem("verify crashed", f"{place}: {death(done.returncode, done.stderr)}")
            return []
        if done.returncode == 0:
            return None
        try:
            damages = json.loads(done.stdout)["damages"]
        except ValueError:
            # Refused as a whole, in words.
            result.counts["refused as a whole"] += 1
            result.problem("verify gives up without a report",
                           f"{place}: exit code {done.returncode}: {(done.stdout + done.stderr).strip()[:200]}")
            return []
        if not any(path.name.removesuffix("-wal") in damage["segment"] for damage in damages):
            # The neighbour may be the one that notices (a segment that is gone).
            result.counts["named by its neighbour"] += 1
        if not damages:
            result.problem("verify names no place", place)
        return damages

    def compare(self, copy, found, place, result, name, allowed):
        """What can be read against what was there; returns the offsets that are gone."""
        code, events, said = export(copy)
        if code in CRASHED:
            result.problem("export crashed", f"{place}: {death(code, said)}")
        other = [offset for offset, line in events.items() if self.sound.get(offset) != line]
        changed = [offset for offset in other if not self.is_same(events[offset], self.sound.get(offset))]
        gone = self.sound.keys() - events.keys()
        if not found and not other and not gone and code == 0:
            result.counts["harmless, proven identical"] += 1
            return gone
        result.counts["found" if found else "not found"] += 1
        if not found and name not in APART:
            result.problem("not found by verify",
                           f"{place}: {len(other)} events changed, {len(gone)} missing, export's exit code {code}")
        if changed:
            result.problem("changed events are printed", f"{place}: {len(changed)} events, such as "
                           f"{events[changed[0]]} for {self.sound.get(changed[0])}")
        result.counts["events with a word's number for its text"] += len(other) - len(changed)
        result.counts["events not readable"] += len(gone)
        if found and not gone:
            result.counts["cost nothing"] += 1
        self.check_cost(gone, allowed, "export", f"{place}: {' '.join(said.split())[:300]}", result)
        return gone

    @staticmethod
    def check_cost(gone, allowed, command, place, result):
        beyond = gone - allowed if allowed is not None else set()
        if beyond:
            result.problem(f"{command} leaves out more than the bound",
                           f"{len(beyond)} of {len(gone)} events, from {min(beyond)}: {place}")

    def start_daemon(self, copy, place, result):
        """The daemon stays up and takes new events; or it says in one line why not."""
        self.daemons += 1
        try:
            daemon = rig.Daemon(copy)
        except RuntimeError as error:
            text = str(error)
            code = int(re.search(r"exit code (-?\d+)", text).group(1)) if "exit code" in text else 0
            if code in CRASHED or code <= 0:
                result.problem("the daemon crashed at its start", f"{place}: {death(code, text)}")
            else:
                self.refused += 1
                result.problem("the daemon refuses to start", f"{place}: {text.strip().splitlines()[-1][-260:]}")
            return
        device = rig.Device("kettle", "late", seed=number_of(place))
        link = rig.LinesTCP(device, total=60, batch=20)
        load = rig.start([link], daemon)
        load.join()
        alive = daemon.alive
        if not alive:
            result.problem("the daemon crashed",
                           f"{place}: {death(daemon.process.returncode, daemon.log())}")
            return
        if link.acks < 60:
            result.problem("the daemon does not take new events", f"{place}: {daemon.log()[-300:]}")
        if any(line.get("level") in ("warning", "error", "critical") for line in daemon.lines()):
            result.counts["said by the daemon"] += 1
        done = rig.tidings(copy, "summary", "kettle", "--format", "json")
        if done.returncode != 0:
            result.problem("no summary is served", f"{place}: exit code {done.returncode}: {done.stderr.strip()}")
        code = daemon.term()
        if code != 0:
            result.problem("the daemon ends badly", f"{place}: exit code {code}: {daemon.log()[-300:]}")
        # By either reader: each may stop at damage that the other steps over.
        done = subprocess.run([rig.ROOT / "scripts/read-log.py", rig.data(copy)], capture_output=True, text=True)
        late = max(done.stdout.count('"device":"late"'),
                   sum(b'"device":"late"' in event for event in export(copy)[1].values()))
        if late < link.acks:
            result.problem("acked after the damage, not in the log",
                           f"{place}: {late} of {link.acks}: {done.stderr[-200:]}")
        self.served += 1

    def salvage(self, copy, place, result, allowed):
        """The copy of what is whole must verify."""
        out = pathlib.Path(self.scratch, "salvaged")
        shutil.rmtree(out, ignore_errors=True)
        done = rig.tidings(copy, "log", "salvage", str(out / "data"))
        if done.returncode != 0:
            result.problem("salvage failed", f"{place}: exit code {done.returncode}: {done.stderr.strip()[-200:]}")
            return
        self.salvaged += 1
        for problem in rig.verify(out):
            result.problem("what was salvaged does not verify", f"{place}: {problem[-200:]}")
        whole = export(out)[1]
        wrong = [offset for offset, line in whole.items() if not self.is_same(line, self.sound.get(offset))]
        self.check_cost(self.sound.keys() - whole.keys(), allowed, "salvage", f"{place}: {done.stderr[:300]}", result)
        if wrong:
            result.problem("salvaged events differ", f"{place}: {len(wrong)} events, from {wrong[0]}")


def death(code, text):
    """The exit code, and the line of a crash report that says why."""
    reason = [line for line in text.splitlines() if "rror:" in line or "Crash" in line or "Signal" in line]
    return f"exit code {code}: {' '.join(reason[:2])[:300]}"


def number_of(text):
    return sum(text.encode())


def self_test(bench):
    """A check that cannot fail is none: an export with one changed event must be noticed."""
    result = Result()
    original, bench.sound = bench.sound, dict(bench.sound)
    bench.sound[next(iter(bench.sound))] = b"{}"
    bench.compare(bench.base, False, "self-test", result, "self-test", set())
    bench.sound = original
    if result.problems["not found by verify"] != 1 or result.problems["changed events are printed"] != 1:
        sys.exit("bitrot: the self-test failed: a changed event goes unnoticed")
    bench.check_cost({1, 2}, {1}, "self-test", "self-test", result)
    if len(result.problems) != 3:
        sys.exit("bitrot: the self-test failed: a loss beyond the bound goes unnoticed")


def report(bench, options):
    broken = collections.Counter()
    for name, result in bench.results.items():
        counts = ", ".join(f"{value} {key}" for key, value in sorted(result.counts.items()) if key != "tries" and value)
        print(f"bitrot: {name}: {result.counts['tries']} tries: {counts or 'none'}")
        for kind, count in result.problems.items():
            print(f"bitrot:   BROKEN: {kind}: {count}, such as: {result.examples[kind]}")
        broken.update(result.problems)
    print(f"bitrot: the daemon started on {bench.daemons} of them: {bench.served} served, {bench.refused} refused")
    if bench.has_salvage:
        print(f"bitrot: {bench.salvaged} salvaged")
    else:
        print("bitrot: this release has no `tidings log salvage`: not tried")
    print(f"bitrot: {sum(result.counts['tries'] for result in bench.results.values())} tries, "
          f"broken {sum(broken.values())}")
    return 1 if broken else 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/bitrot", description=__doc__.splitlines()[0],
                                     epilog="Example: scripts/bitrot --flips 200 --seed 7")
    parser.add_argument("--flips", type=int, default=1000, help="how many places are damaged, one in each copy")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--daemon-every", type=int, default=10, help="start the daemon on each N-th copy")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the sound log and the last copy there")
    try:
        options = parser.parse_args()
    except SystemExit as stop:
        sys.exit(64 if stop.code else 0)
    print(f"bitrot: seed {options.seed}", flush=True)
    scratch = rig.scratch_folder(options.keep)
    try:
        bases = [pathlib.Path(scratch, name) for name in ("killed", "stopped")]
        for base in bases:
            make_log(base, options.seed, is_killed=base.name == "killed")
        bench = Bench(options, bases, scratch)
        self_test(bench)
        rng = random.Random(options.seed)
        chosen = rng.choices(DAMAGES, weights=[share for _, _, share in DAMAGES], k=options.flips)
        chosen[:len(DAMAGES)] = DAMAGES[:options.flips]     # each kind at least once
        half = max(len(DAMAGES), options.flips // 2)
        for number, (name, damage, _) in enumerate(chosen):
            if number in (0, half):
                bench.use(bases[number > 0])
                print(f"bitrot: a log whose daemon was {bench.base.name}: {len(segments(bench.base))} segments, "
                      f"{bench.block_count} blocks, {len(bench.sound)} events", flush=True)
            bench.try_one(number, name, damage, rng)
        sys.exit(report(bench, options))
    finally:
        if not options.keep:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
