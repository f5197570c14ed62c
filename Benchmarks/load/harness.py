"""What the benchmarks share: data, the daemon under test, the sender, and how the kernel's figures are read."""
import fcntl, glob, json, os, resource, shutil, signal, socket, sqlite3, statistics, subprocess, sys, tempfile, time
from typing import NamedTuple

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
BIN = f"{HERE}/.bin"
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SENDER_CORE, SERVER_CORE = CORES[0], CORES[-1]


class Wrong(Exception):
    """The daemon gave a wrong answer, or the run did not do what it claims; no figure may come of it."""


def note(text):
    print(text, file=sys.stderr, flush=True)


def on(core, command):
    return ["taskset", "-c", str(core)] + command


def be_alone():
    """Keeps other benchmarks out of this clone until the process ends: they would share cores and folders."""
    os.makedirs(f"{HERE}/.data", exist_ok=True)
    lock = os.open(f"{HERE}/.data/lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Wrong("another benchmark runs in this clone; wait for its end") from None


def build(binary=None):
    """Builds everything that is needed; returns the path of the daemon."""
    be_alone()
    os.makedirs(BIN, exist_ok=True)
    for name, flags in (("loadsend", ["-lz"]), ("floor", ["-lz"]), ("commit4k", ["-lsqlite3"])):
        subprocess.run(["gcc", "-O2", "-o", f"{BIN}/{name}", f"{HERE}/load/{name}.c"] + flags, check=True)
    for name in ("read_clock", "valgrind_shim"):
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", f"{BIN}/{name}.so", f"{HERE}/load/{name}.c"]
        subprocess.run(command, check=True)
    note("building the generator")
    subprocess.run(["swift", "build", "-c", "release", "--package-path", HERE, "--product", "generate"], check=True,
                   stdout=subprocess.DEVNULL)
    if binary:
        return os.path.abspath(binary)
    note("building tidings (the first build takes some minutes)")
    command = ["swift", "build", "-c", "release", "--package-path", ROOT]
    same = ["--explicit-target-dependency-import-check", "error"]       # as scripts/test
    subprocess.run(command + same + ["--product", "tidings"], check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(command + ["--show-bin-path"], check=True, capture_output=True, text=True).stdout.strip()
    return f"{folder}/tidings"


class Data:
    """The standard work of so many events; files are made when they are first asked for."""

    def __init__(self, events, seed=1, part=1, devices=None, gateways=None):
        self.events = events
        more = {"part": part if part > 1 else None, "devices": devices, "gateways": gateways}
        more = {name: value for name, value in more.items() if value}
        self.options = ["--events", events, "--seed", seed] + [x for name in more for x in (f"--{name}", more[name])]
        self.folder = f"{HERE}/.data/{events}-{seed}" + "".join(f"-{name}-{more[name]}" for name in more)
        self.generator = f"{HERE}/.build/release/generate"

    def path(self, kind):
        names = {"ndjson": "events.ndjson", "csv": "events.csv", "answers": "answers.json"}
        return f"{self.folder}/{names.get(kind, kind if kind.endswith('.names') else kind + '.load')}"

    def file(self, kind):
        self.make([kind])
        return self.path(kind)

    def make(self, kinds):
        """Makes those of the files that are missing or older than the generator, all in one pass over the events."""
        made = os.path.getmtime(self.generator)
        kinds = [k for k in kinds if not os.path.exists(self.path(k)) or os.path.getmtime(self.path(k)) < made]
        if not kinds:
            return
        note(f"generating {', '.join(kinds)}: {self.events:,} events")
        unfinished = f"{self.folder}.part"
        subprocess.run([self.generator, "--out", unfinished, *map(str, self.options), *kinds], check=True,
                       stdout=subprocess.DEVNULL)
        os.makedirs(self.folder, exist_ok=True)
        for kind in kinds:
            os.replace(f"{unfinished}/{os.path.basename(self.path(kind))}", self.path(kind))
        shutil.rmtree(unfinished)

    def answers(self):
        return json.load(open(self.file("answers")))


# The kernel's figures.

def tree(pid):
    """The process and its descendants."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            text = open(path).read()
        except OSError:
            continue
        children.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(text.split()[0]))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pid):
    """User and system time of a process and what it has waited for, with its children: /proc/PID/stat."""
    total = 0
    for member in tree(pid):
        try:
            fields = open(f"/proc/{member}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15] if member == pid else fields[11:13]))
    return total / TICKS


def page_faults(pid):
    """Minor and major page faults of a process and what it has waited for, with its children: /proc/PID/stat."""
    minor = major = 0
    for member in tree(pid):
        try:
            fields = open(f"/proc/{member}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        own = list(map(int, fields[7:11]))
        minor += own[0] + (own[1] if member == pid else 0)
        major += own[2] + (own[3] if member == pid else 0)
    return minor, major


def memory_mb(pid, key="VmHWM"):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0


def settle(pid, quiet=1.0, limit=30.0):
    """Waits until the process has used next to no CPU for a while; returns its CPU seconds."""
    end = time.time() + limit
    last, since = cpu_seconds(pid), time.time()
    while time.time() < end and time.time() - since < quiet:
        time.sleep(0.1)
        used = cpu_seconds(pid)
        if used - last > 0.02:
            last, since = used, time.time()
    return cpu_seconds(pid)


def bytes_in(path):
    """Bytes of a file or of all files below a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("TIDINGS_")}


class Server:
    """A daemon on its own core, with a data folder of its own unless one is given: an empty one, or a copy of `seed`."""

    def __init__(self, binary, folder, fresh=True, http=False, mqtt=False, seed=None, **settings):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        if seed:
            shutil.copytree(seed, folder)
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.http_port = free_port() if http else None
        self.mqtt_port = free_port() if mqtt else None
        environment = clean_environment()
        environment |= {"TIDINGS_DATA_DIR": folder, "TIDINGS_LISTEN_TCP_PORT": str(self.port),
                        "TIDINGS_LISTEN_UDP_PORT": str(self.port), "TIDINGS_LISTEN_HTTP_PORT": str(self.http_port or "off"),
                        "TIDINGS_LOGGING_FORMAT": "json"}
        if mqtt:
            environment["TIDINGS_LISTEN_MQTT_PORT"] = str(self.mqtt_port)
        environment |= {"TIDINGS_" + key.upper(): str(value) for key, value in settings.items()}
        self.log_path = folder + ".stderr"
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            on(SERVER_CORE, [binary, "serve"]), stdout=subprocess.DEVNULL, stderr=open(self.log_path, "wb"),
            env=environment, preexec_fn=raise_file_limit, cwd=os.path.dirname(folder))
        self.pid = self.process.pid
        self.log = []

    def port_for(self, load):
        return self.http_port if load.startswith("http-") else self.mqtt_port if load.startswith("mqtt-") else self.port

    def wait_until_listening(self, limit=60, step=0.02):
        end = time.time() + limit
        while True:
            try:
                if self.http_port:
                    socket.create_connection(("127.0.0.1", self.http_port), 5).close()
                return socket.create_connection(("127.0.0.1", self.port), 5)
            except OSError:
                if self.process.poll() is not None or time.time() > end:
                    self.kill()
                    raise Wrong(f"the daemon did not start: {open(self.log_path).read()[-2000:]}")
                time.sleep(step)

    def stop(self):
        """SIGTERM; returns the CPU seconds of its whole life. Raises when it does not end by itself, with 0."""
        self.process.send_signal(signal.SIGTERM)
        end = time.time() + 60
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.time() > end:
                self.kill()
                raise Wrong("the daemon did not stop within 60 s")
            time.sleep(0.01)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        for line in open(self.log_path, errors="replace"):
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"message": line.rstrip()})
        if self.process.returncode != 0:
            raise Wrong(f"the daemon ended with {self.process.returncode}: {open(self.log_path).read()[-2000:]}")
        return usage.ru_utime + usage.ru_stime

    def kill(self):
        if self.process.returncode is None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stages(self):
        """Nanoseconds per event by stage, as the daemon says at its end."""
        for line in self.log:
            if line.get("message") == "stage timings":
                return {k: float(v) for k, v in line.items() if k not in ("time", "level", "message", "unit", "events")}
        return {}

    def counts(self):
        return [line for line in self.log if line.get("message") == "counts"]


class Ran(NamedTuple):
    """What a command that has ended took."""
    wall_ms: float
    cpu_s: float
    minor_faults: int
    major_faults: int
    text: str


def command(binary, *arguments, folder=None, **more):
    """Runs one command of the program on the server's core."""
    environment = clean_environment()
    if folder:
        environment["TIDINGS_DATA_DIR"] = folder
    environment |= more
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(on(SERVER_CORE, [binary, *arguments]), stdout=out, stderr=subprocess.STDOUT,
                                   env=environment, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        wall = (time.perf_counter() - start) * 1e3
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    if process.returncode:
        raise Wrong(f"{' '.join(arguments)} ended with {process.returncode}: {text[-1000:]}")
    return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_minflt, usage.ru_majflt, text)


def send(mode, port, load, window, *more):
    run = subprocess.run(on(SENDER_CORE, [f"{BIN}/loadsend", mode, "127.0.0.1", str(port), load, "--window", str(window)]
                            + list(more)), capture_output=True, text=True)
    if run.returncode:
        raise Wrong(f"the sender failed: {run.stdout}{run.stderr}")
    return json.loads(run.stdout)


def check_summary(folder, data):
    """Compares summaries.sqlite with the known answers; raises `Wrong` at the first difference."""
    answers = data.answers()
    database = sqlite3.connect(f"file:{folder}/summaries.sqlite?mode=ro", uri=True)

    def same(what, got, want, tolerance=0.0):
        if got is None or abs(got - want) > tolerance * max(1, abs(want)):
            raise Wrong(f"{what}: the summary says {got}, the workload {want}")

    def one(sql, *arguments):
        return database.execute(sql, arguments).fetchone() or [None] * 20

    same("events of all products", one("SELECT sum(events) FROM product_summary")[0], answers["events"])
    for want in answers["products"]:
        name, kinds = want["product"], want["kinds"]
        row = one("SELECT events, preferences, ratings, uses, texts, faults, devices, customers, rating_mean, use_total,"
                  " rating_histogram FROM product_summary WHERE product = ?", name)
        exact = [want["events"], kinds["preference.set"], kinds["rating.given"], kinds["feature.used"],
                 kinds["feedback.text"], kinds["fault.seen"], want["devices"]]
        for what, got, expected in zip("events preferences ratings uses texts faults devices".split(), row, exact):
            same(f"{name}: {what}", got, expected)
        same(f"{name}: customers", row[7], want["customers"], 0.03)
        if want["kinds"]["rating.given"]:
            same(f"{name}: mean rating", row[8], want["rating_mean"], 1e-9)
            if json.loads(row[10]) != want["histogram"]:
                raise Wrong(f"{name}: histogram {row[10]}, not {want['histogram']}")
        same(f"{name}: uses", row[9], want["uses"])
        faults = dict(database.execute("SELECT code, sum(events) FROM fault WHERE product = ? GROUP BY code", (name,)))
        if faults != want["faults"]:
            raise Wrong(f"{name}: faults {faults}, not {want['faults']}")
        for aspect, now in want["aspects"].items():
            got = {value: devices for value, devices in database.execute(
                "SELECT value, devices_now FROM preference WHERE product = ? AND aspect = ?", (name, aspect)) if devices}
            if got != now["choices"]:
                raise Wrong(f"{name}, {aspect}: choices {got}, not {now['choices']}")
            if now["numbers"]:
                devices, median = one("SELECT devices_now, p50 FROM numeric WHERE product = ? AND aspect = ?", name, aspect)
                same(f"{name}, {aspect}: devices with a number", devices, now["numbers"])
                if now["numbers"] > 100:
                    same(f"{name}, {aspect}: median", median, now["median"], 0.015)
    database.close()


def check_counts(server, data, resent=0):
    counts = server.counts()
    total = {k: sum(int(line.get(k, 0)) for line in counts)
             for k in ("received", "committed", "duplicate", "stale", "quarantined", "refused", "dropped")}
    if any(line.get("balanced") != "true" for line in counts) or not counts:
        raise Wrong(f"the daemon's counts do not balance: {counts}")
    if total["committed"] != data.events or total["quarantined"]:
        raise Wrong(f"not every event was committed once: {total}")
    if not resent and total["duplicate"] + total["stale"] + total["refused"] + total["dropped"]:
        raise Wrong(f"counted as sent again, refused or dropped, though nothing was: {total}")
    return total


def ingest(binary, data, load, mode, window, folder, *more, path=None, **settings):
    """One run on a fresh folder, from first byte to clean stop, checked; returns its figures. `more` goes to the
    sender; `path` is that of a load that the generator does not make."""
    path = path or data.file(load)
    server = Server(binary, folder, http=load.startswith("http-"), mqtt=load.startswith("mqtt-"), **settings)
    try:
        server.wait_until_listening().close()
        before = settle(server.pid, quiet=0.3)
        faults = page_faults(server.pid)
        sent = send(mode, server.port_for(load), path, window, *more)
        at_last_ack = cpu_seconds(server.pid)
        used = settle(server.pid) - before
        minor, major = (now - then for now, then in zip(page_faults(server.pid), faults))
        memory, resident = memory_mb(server.pid), memory_mb(server.pid, "VmRSS")
        life = server.stop()
    finally:
        server.kill()
    check_counts(server, data, sent["resent"])
    check_summary(folder, data)
    millions = data.events / 1e6
    return {"cpu_s_per_M": used / millions, "cpu_s_per_M_to_last_ack": (at_last_ack - before) / millions,
            "cpu_s_per_M_whole_life": life / millions, "events_per_s": sent["events_per_s"],
            "events_per_answer": data.events / sent["answers"], "events_per_record": data.events / sent["records"], "minor_faults_per_k": minor / millions / 1e3,
            "major_faults_per_k": major / millions / 1e3, "sender_cpu_s_per_M": sent["sender_cpu_s"] / millions,
            "memory_mb": memory, "resident_mb": resident, "resent": sent["resent"], "busy": sent["busy"],
            "stages": server.stages()}


def floor(data, load, mode, window, per_answer, *more):
    """The same load against load/floor.c, which only reads and answers, as often as the daemon: the kernel's price."""
    path, port = data.file(load), free_port()
    often = [f"{per_answer:.3f}"] if mode == "tcp" else []
    server = subprocess.Popen(on(SERVER_CORE, [f"{BIN}/floor", mode, str(port), *often]), stdout=subprocess.PIPE,
                              text=True)
    try:
        if server.stdout.readline() != "ready\n":
            raise Wrong("load/floor.c does not listen")
        before = cpu_seconds(server.pid)
        sent = send(mode, port, path, window, *more)
        used = cpu_seconds(server.pid) - before
    finally:
        server.kill()
        server.wait()
    return {"cpu_s_per_M": used / data.events * 1e6, "events_per_s": sent["events_per_s"],
            "events_per_answer": data.events / sent["answers"], "resent": sent["resent"]}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def versions(binary):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    tidings = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip() if binary else ""
    return {"tidings": tidings, "cpu": cpu, "cores": len(CORES), "kernel": os.uname().release,
            "sqlite": sqlite3.sqlite_version}


def print_markdown(head, rows, right=()):
    """A table that reads well on a terminal and in a document; the columns `right` are set to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells):
        aligned = (cell.rjust(width) if i in right else cell.ljust(width)
                   for i, (cell, width) in enumerate(zip(cells, widths)))
        return f"| {' | '.join(aligned)} |"

    print("\n" + line(head))
    print("|" + "|".join("-" * (w + 1) + ":" if i in right else "-" * (w + 2) for i, w in enumerate(widths)) + "|")
    for row in rows:
        print(line(row))
