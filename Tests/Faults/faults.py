"""Faults of the disk and of the system: each is switched on beneath a running daemon and off again.

For each fault, while devices send over native TCP, native UDP and JSON lines and remember every ack:

1. The daemon works; the fault begins; the daemon stays up, says so in `tidings status` and in a log line that is
   repeated at most about once a second, and acknowledges nothing that it cannot store.
2. The fault ends; the daemon goes on by itself.
3. The fault begins again, and the daemon is killed in the midst of it (kill -9).
4. Without the fault it starts again: every acked event is in the log once, the log verifies, the summaries equal a
   rebuild.

Faults come from iofault.c (LD_PRELOAD), from resource limits, and from a small tmpfs where mounting is allowed.

Usage: scripts/faults [--only NAME[,NAME]] [--list] [--short] [--seed S] [--keep FOLDER]
Example: scripts/faults --only enospc,eio-fsync-wal
"""

import argparse
import contextlib
import errno
import mmap
import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import rig

WRITE, SYNC, READ, OPEN, ACCEPT, TRUNCATE, RENAME, UNLINK = (1 << bit for bit in range(8))
CHANGES = WRITE | SYNC | TRUNCATE | RENAME | UNLINK
GRACE = 0.6         # a commit that was under way when the fault began may still be acknowledged, seconds
RECOVERY = 20.0     # how long a daemon may take to go on after a fault has ended, seconds
SMALL = {"log.segment_max_bytes": 1 << 20}      # the smallest segment, so that sealing happens


class Rules:
    """The control file of iofault.c."""

    LAYOUT = struct.Struct("<IIiIqIIIIQQ64s")

    def __init__(self, folder):
        self.path = pathlib.Path(folder, "iofault.control")
        self.path.write_bytes(bytes(8192))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8192)

    def set(self, index, operations, error=0, skip=0, times=-1, delay_us=0, short=0, writing=0, match=""):
        """Makes a rule and switches it on. The first word goes last, so that no half-made rule is ever active."""
        at = 8 + index * self.LAYOUT.size
        rule = self.LAYOUT.pack(0, operations, error, skip, times, delay_us, short, writing, 0, 0, 0, match.encode())
        self.map[at:at + len(rule)] = rule
        self.map[at:at + 4] = b"\1\0\0\0"

    def move_clock(self, seconds):
        """The wall clock of the program goes so much ahead (or back) of the true one."""
        at = 8 + 8 * self.LAYOUT.size
        self.map[at:at + 8] = struct.pack("<q", seconds)

    def clear(self):
        for index in range(8):
            at = 8 + index * self.LAYOUT.size
            self.map[at:at + 4] = bytes(4)

    def failed(self):
        """How many operations the rules have seen and failed."""
        rules = [self.LAYOUT.unpack_from(self.map, 8 + index * self.LAYOUT.size) for index in range(8)]
        return sum(rule[9] for rule in rules), sum(rule[10] for rule in rules)


def build_shim(folder):
    shim = pathlib.Path(folder, "iofault.so")
    source = rig.ROOT / "Tests/Faults/iofault.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", shim, source, "-ldl"],
                   check=True)
    return shim


class Traveller(rig.Device):
    """A device whose customer is ever another: every few events bring a new name."""

    def make(self):
        event = super().make()
        event["customer"] = f"cu-{self.name}-{len(self.events) // 8}"
        return event


class Datagrams(rig.NativeUDP):
    """Native datagrams that survive a stall: answers to earlier datagrams are read, not taken for the latest one's."""

    def exchange(self, window):
        body = rig.native_batch(self.device, window, {}, f"{self.device.product}/{self.device.name}")
        self.counter += 1
        head = struct.pack(">BBIII", 0xC1, 3, 0, self.device.epoch, self.counter) + body
        self.socket.send(head + struct.pack("<II", zlib.crc32(head), 0))
        while True:
            try:
                answer = self.socket.recv(65536)
            except socket.timeout:
                return
            if answer[1] & 15 == 4:
                ack = rig.parse(answer[14:-8])
                self.got([number for number in list(self.device.pending)[:200] if rig.is_acked(ack, number)])
            if struct.unpack(">I", answer[10:14])[0] == self.counter:
                return


class Load:
    """Devices that send all the time, connect again when they are cut off, and note when each ack came."""

    def __init__(self, daemon, seed, big=0.0):
        kinds = (rig.NativeTCP, Datagrams, rig.LinesTCP)
        self.devices = [Traveller("kettle", f"f-{kind.__name__}", seed=seed, big=0 if kind is Datagrams else big)
                        for kind in kinds]
        self.links = [kind(device, pause=0.01) for kind, device in zip(kinds, self.devices)]
        self.fresh = []     # (when, how many events that were not acked before)
        for link in self.links:
            link.note = lambda device, numbers, fresh: self.fresh.append((time.monotonic(), fresh))
        self.daemon = daemon
        self.stopping = False
        self.threads = []
        self.go(daemon)

    def go(self, daemon):
        self.daemon, self.stopping = daemon, False
        self.threads = [threading.Thread(target=self.work, args=(link,), daemon=True) for link in self.links]
        for thread in self.threads:
            thread.start()

    def work(self, link):
        while not self.stopping:
            link.stopping.clear()
            link.run(self.daemon)
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        while any(thread.is_alive() for thread in self.threads):
            for link in self.links:
                link.stopping.set()
            time.sleep(0.01)

    @property
    def acked(self):
        return [len(device.acked) for device in self.devices]

    def between(self, start, end=None):
        """Events acked for the first time in a span."""
        return sum(fresh for when, fresh in list(self.fresh) if when >= start and (end is None or when < end))

    def wait_for(self, more, timeout):
        """Whether every device gets so many more acks in time."""
        before, until = self.acked, time.monotonic() + timeout
        while time.monotonic() < until:
            if all(now >= then + more for now, then in zip(self.acked, before)):
                return True
            time.sleep(0.02)
        return False


class Case:
    """One fault. `acks` says what must become of acks while it lasts: stop, go, or any (it depends on timing)."""

    name = acks = text = ""
    settings = {}
    big = 0.0
    seconds = 2.0
    shows = True            # the status and the log must say it
    stays_up = True
    limits = None           # called in the daemon's process before it starts

    def __init__(self, name, acks, text, begin, end=None, **options):
        self.name, self.acks, self.text, self.begin_with, self.end_with = name, acks, text, begin, end
        for key, value in options.items():
            setattr(self, key, value)

    def begin(self, bench):
        self.begin_with(bench)

    def end(self, bench):
        bench.rules.clear()
        if self.end_with:
            self.end_with(bench)

    @staticmethod
    def place(bench):
        """Prepares the folder of the data; a context manager."""
        return contextlib.nullcontext()


def shim(*rules):
    """Begins a fault by rules of iofault.c."""

    def begin(bench):
        for index, rule in enumerate(rules):
            bench.rules.set(index, **rule)

    return begin


# A small disk.

class Unmountable(Exception):
    pass


@contextlib.contextmanager
def small_disk(bench):
    """A tmpfs of 12 MiB at the data folder."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", bench.data], capture_output=True)
    if done.returncode != 0:
        raise Unmountable("mounting is not permitted; `enospc` does the same by LD_PRELOAD")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", bench.data], check=False)


def fill(bench):
    with open(bench.data / "filler", "ab") as filler, contextlib.suppress(OSError):
        while True:
            os.write(filler.fileno(), bytes(4096))


def empty(bench):
    (bench.data / "filler").unlink(missing_ok=True)


# Limits.

def set_limit(bench, kind, value):
    _, hard = resource.prlimit(bench.daemon.pid, kind)
    bench.old = getattr(bench, "old", {})
    bench.old.setdefault(kind, resource.prlimit(bench.daemon.pid, kind))
    resource.prlimit(bench.daemon.pid, kind, (value, hard))


def lift_limits(bench):
    for kind, value in getattr(bench, "old", {}).items():
        if bench.daemon.alive:
            resource.prlimit(bench.daemon.pid, kind, value)
    bench.old = {}
    for link in getattr(bench, "crowd", []):
        link.close()
    bench.crowd = []


def few_descriptors():
    """In the child, before the program starts: a limit that the connections of a test can reach."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))


def too_many_connections(bench):
    bench.crowd = []
    for _ in range(150):
        link = socket.socket()
        link.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            link.connect(("127.0.0.1", bench.daemon.tcp_port))
        bench.crowd.append(link)


def no_larger_files(bench):
    largest = max(path.stat().st_size for path in bench.data.glob("log/*"))
    set_limit(bench, resource.RLIMIT_FSIZE, max(largest, 1 << 16))


# Files changed beneath the daemon.

def remove_log(bench):
    bench.removed = bench.folder / "removed"
    bench.removed.mkdir(exist_ok=True)
    for path in bench.data.glob("log/*"):
        path.rename(bench.removed / path.name)


def put_log_back(bench):
    """An operator would restart with the files put back."""
    for path in bench.removed.glob("*"):
        path.rename(bench.data / "log" / path.name)


def protect_log(bench):
    for path in bench.data.glob("log/*"):
        path.chmod(0o444)


def unprotect_log(bench):
    for path in bench.data.glob("log/*"):
        path.chmod(0o644)


CASES = [
    Case("enospc", "stop", "every write fails, no space", shim(dict(operations=WRITE, error=errno.ENOSPC))),
    Case("enospc-tmpfs", "stop", "a full disk, truly", fill, empty, place=small_disk),
    Case("enospc-torn", "any", "the disk fills in the midst of a write, again and again",
         shim(dict(operations=WRITE, error=errno.ENOSPC, skip=40, times=30, short=1000, match=".tidings-wal"))),
    Case("edquot", "stop", "the quota is used up", shim(dict(operations=WRITE, error=errno.EDQUOT))),
    Case("fsize", "any", "RLIMIT_FSIZE, the signal SIGXFSZ", no_larger_files, lift_limits),
    Case("short-writes", "go", "no write does more than 512 bytes", shim(dict(operations=WRITE, short=512)),
         shows=False),
    Case("eio-write-wal", "stop", "writing the log's WAL fails",
         shim(dict(operations=WRITE, error=errno.EIO, match=".tidings-wal"))),
    Case("eio-write-file", "any", "writing the segment's file fails (checkpoint, sealing)",
         shim(dict(operations=WRITE, error=errno.EIO, match=".tidings")), settings=SMALL, big=0.5, seconds=4.0),
    Case("eio-fsync-wal", "stop", "fsync of the log's WAL fails",
         shim(dict(operations=SYNC, error=errno.EIO, match=".tidings-wal"))),
    Case("eio-fsync-once", "any", "one fsync of the WAL fails, the next says that all is well",
         shim(dict(operations=SYNC, error=errno.EIO, times=1, match=".tidings-wal")), shows=False),
    Case("eio-fsync-file", "any", "fsync of the segment's file fails (checkpoint, sealing)",
         shim(dict(operations=SYNC, error=errno.EIO, match=".tidings")), settings=SMALL, big=0.5, seconds=4.0),
    Case("eio-fsync-folder", "any", "fsync of the log's folder fails (a new segment)",
         shim(dict(operations=SYNC, error=errno.EIO, match="/log")), settings=SMALL, big=0.5, seconds=4.0),
    Case("enospc-new-segment", "any", "a new segment cannot be made",
         shim(dict(operations=OPEN, writing=1, error=errno.ENOSPC, match=".tidings.new")), settings=SMALL, big=0.5,
         seconds=4.0),
    Case("eio-rename", "any", "a new segment cannot be named",
         shim(dict(operations=RENAME, error=errno.EIO)), settings=SMALL, big=0.5, seconds=4.0),
    Case("eio-identity", "stop", "fsync of the names fails, and there are new names",
         shim(dict(operations=SYNC, error=errno.EIO, match="identity.sqlite-wal"))),
    Case("enospc-identity", "stop", "no room for the names",
         shim(dict(operations=WRITE, error=errno.ENOSPC, match="identity.sqlite-wal"))),
    Case("eio-summaries", "go", "the summaries cannot be written",
         shim(dict(operations=WRITE | SYNC, error=errno.EIO, match="summaries.sqlite-wal"))),
    Case("eio-read", "any", "nothing of the data folder can be read",
         shim(dict(operations=READ, error=errno.EIO)), shows=False),
    Case("eio-read-after-write", "stop", "a write fails, and the file cannot be read again",
         shim(dict(operations=WRITE, error=errno.EIO, times=1, match=".tidings-wal"),
              dict(operations=READ, error=errno.EIO, match=".tidings"),
              dict(operations=READ, error=errno.EIO, match=".tidings-wal"))),
    Case("erofs", "stop", "the file system has become read-only",
         shim(dict(operations=CHANGES, error=errno.EROFS), dict(operations=OPEN, writing=1, error=errno.EROFS))),
    Case("emfile-accept", "go", "no descriptor for another connection", too_many_connections, lift_limits,
         limits=few_descriptors, seconds=5.0),
    Case("emfile-log", "stop", "a write fails, and there is no descriptor to open the log again",
         shim(dict(operations=WRITE, error=errno.EIO, times=1, match=".tidings-wal"),
              dict(operations=OPEN, error=errno.EMFILE, match=".tidings"))),
    Case("log-removed", "stop", "the log's files are moved away beneath the daemon", remove_log, put_log_back,
         stays_up=False),
    Case("log-protected", "any", "the log's files are made read-only beneath the daemon", protect_log, unprotect_log,
         shows=False),
    Case("slow-disk", "go", "each write and fsync takes 20 ms longer",
         shim(dict(operations=WRITE | SYNC, delay_us=20_000)), shows=False, seconds=4.0),
]
SHORT = ("enospc", "eio-fsync-wal", "eio-identity", "eio-summaries", "erofs", "emfile-accept", "slow-disk")


class Bench:
    """A daemon under iofault, with its load, for one case."""

    def __init__(self, case, folder, shim_path, seed):
        self.case, self.seed = case, seed
        self.folder = pathlib.Path(folder)
        self.data = rig.data(folder)
        self.data.mkdir(parents=True)
        self.rules = Rules(folder)
        self.extra = {"LD_PRELOAD": str(shim_path), "IOFAULT_FOLDER": str(self.data),
                      "IOFAULT_CONTROL": str(self.rules.path)}
        self.problems = []
        self.false_acks = 0
        self.line = ""
        self.recovered = False
        self.daemon = self.load = None

    def note(self, problem):
        self.problems.append(problem)

    def run(self):
        with self.case.place(self):
            self.daemon = rig.Daemon(self.folder, self.case.settings, extra=self.extra, limits=self.case.limits)
            self.load = Load(self.daemon, self.seed, self.case.big)
            try:
                if not self.load.wait_for(50, 20):
                    self.note("the daemon does not acknowledge even without a fault")
                self.suffer()
                self.recover()
                self.die()
            finally:
                self.load.stop()
                self.rules.clear()
                if self.daemon.alive:
                    self.daemon.kill9()
            self.case.end(self)
            self.check()

    def suffer(self):
        """The fault begins and lasts; the daemon says so and acknowledges nothing that it does not have."""
        lines_before = len(list(self.daemon.lines()))
        self.case.begin(self)
        began = time.monotonic()
        time.sleep(self.case.seconds / 2)
        status = self.ask()
        time.sleep(self.case.seconds / 2)
        ended = time.monotonic()
        late = self.load.between(began + GRACE, ended)
        if self.case.acks == "stop" and late:
            self.false_acks += late
            self.note(f"{late} events acknowledged while nothing could be stored")
        if self.case.acks == "go" and not late:
            self.note("no event was acknowledged though the log could be written")
        if not self.daemon.alive:
            if self.case.stays_up:
                self.note(f"the daemon ended, exit code {self.daemon.process.returncode}")
        said = [line for line in list(self.daemon.lines())[lines_before:]
                if line.get("level") in ("warning", "error", "critical") or "raw" in line]
        if said:
            self.line = " ".join(line.get("raw") or f"{line['message']}: {line.get('cause', '')}"
                                 for line in said[:1 if "message" in said[0] else 8] if line.get("raw") != "")
        allowed = 4 + 3 * (ended - began)
        if len(said) > allowed:
            self.note(f"{len(said)} log lines in {ended - began:.1f} s")
        if self.case.shows and not said:
            self.note("no log line says it")
        if self.case.shows and self.case.acks == "stop" and self.daemon.alive:
            if not status:
                self.note("`tidings status` has no answer")
            elif status["storage"] == "good":
                self.note("`tidings status` says that the storage is good")
            elif ";" not in status["storage"]:
                self.note(f"`tidings status` names no remedy: {status['storage']}")

    def ask(self):
        """`tidings status`; exit code 1 means that the log cannot be written, and prints all the same."""
        if not self.daemon.alive:
            return None
        try:
            done = rig.tidings(self.folder, "status", "--format", "json", timeout=15)
        except subprocess.TimeoutExpired:
            return None
        try:
            return rig.json.loads(done.stdout)
        except ValueError:
            return None

    def recover(self):
        """The fault ends; the daemon must go on by itself. One that had to end is started again."""
        self.case.end(self)
        ended = time.monotonic()
        if not self.daemon.alive:
            self.restart()
        self.recovered = self.load.wait_for(40, RECOVERY)
        self.took = time.monotonic() - ended
        if not self.recovered:
            self.note(f"does not go on within {RECOVERY:.0f} s after the fault has ended")
            return
        status = self.ask()
        if not status or status["storage"] != "good":
            self.note(f"after the fault the status says {status and status['storage']}")
        elif not status["is_balanced"]:
            self.note("the counts do not balance")
        if self.case.acks == "stop" and self.case.stays_up and not any(
                line.get("message") == "the log can be written again" for line in self.daemon.lines()):
            self.note("no log line says that the log can be written again")

    def restart(self):
        self.load.stop()
        self.daemon = rig.Daemon(self.folder, extra=self.extra, limits=self.case.limits)
        self.load.go(self.daemon)

    def die(self):
        """The fault once more, and kill -9 in the midst of it."""
        if self.daemon.alive:
            self.case.begin(self)
            time.sleep(0.4)
            self.daemon.kill9()
        self.load.stop()

    def check(self):
        """Every acked event is in the log once; the rest is whole."""
        daemon = rig.Daemon(self.folder)
        self.load.go(daemon)
        if not self.load.wait_for(20, RECOVERY):
            self.note("does not acknowledge after the restart")
        self.load.stop()
        code = daemon.term()
        if code != 0:
            self.note(f"exit code {code} at the end")
        ledger = rig.Ledger(self.load.devices)
        ledger.read(rig.read_log(self.folder))
        counts = ledger.counts()
        self.acked = counts["acked"]
        self.false_acks += counts["lost"]
        for name in ("lost", "doubled", "invented"):
            if counts[name]:
                self.note(f"{counts[name]} events {name}")
        for problem in rig.verify(self.folder) + rig.rebuild_equal(self.folder):
            self.note(problem)


def run_case(case, shim_path, seed, keep):
    folder = keep and f"{keep}/{case.name}" or tempfile.mkdtemp(prefix=f"tidings-{case.name}-", dir=PLACE)
    if keep:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    bench = Bench(case, folder, shim_path, seed)
    bench.acked = bench.took = 0
    try:
        bench.run()
    except Unmountable as reason:
        print(f"faults: {case.name}: skipped: {reason}", flush=True)
        return True
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        bench.note(f"{type(error).__name__}: {error}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    verdict = "ok" if not bench.problems else "BROKEN"
    print(f"faults: {verdict}: {case.name} ({case.text}): {bench.acked} events acked, {bench.false_acks} false acks, "
          f"recovered: {f'yes, {bench.took:.1f} s' if bench.recovered else 'no'}, "
          f"log line: {shorten(bench.line) or 'none'}", flush=True)
    for problem in bench.problems:
        print(f"faults:   {case.name}: {shorten(problem, 400)}", flush=True)
    return not bench.problems


def shorten(text, size=150):
    """Without the folder's name, which says nothing."""
    text = " ".join(text.split())
    for word in text.split():
        if PLACE and PLACE in word and "/data/" in word:
            text = text.replace(word, word.split("/data/", 1)[1])
    return text if len(text) <= size else text[:size] + "..."


PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__.splitlines()[0],
                                     epilog="Example: scripts/faults --only enospc,eio-fsync-wal")
    parser.add_argument("--only", help="names of faults, with commas between them")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--short", action="store_true", help="a selection, for every change")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", metavar="FOLDER", help="leave the data there")
    try:
        options = parser.parse_args()
    except SystemExit as stop:
        sys.exit(64 if stop.code else 0)
    if options.list:
        for case in CASES:
            print(f"{case.name:24} {case.text}")
        return
    names = options.only.split(",") if options.only else list(SHORT) if options.short else [c.name for c in CASES]
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        print(f"faults: unknown: {', '.join(sorted(unknown))}; `scripts/faults --list` names them", file=sys.stderr)
        sys.exit(64)
    print(f"faults: seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        shim_path = build_shim(scratch)
        results = {case.name: run_case(case, shim_path, options.seed, options.keep)
                   for case in CASES if case.name in names}
    broken = [name for name, is_good in results.items() if not is_good]
    print(f"faults: {len(results)} faults, {len(broken)} with a broken promise"
          + (f": {', '.join(broken)}" if broken else ""))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
