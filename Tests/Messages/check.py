"""A notice, a question and a setting to devices that are nothing but clients as everybody has them.

Each device is one program: nc; curl that waits (long poll); curl -N (events); mosquitto_sub with MQTT 3.1.1 and 5, with
a clean and a persistent session, with mosquitto_pub for what it says; paho-mqtt, 3.1.1 and 5. Each receives the notice
and says `shown`, answers the question, and applies the setting and reports it. Then one query on the log's summaries
must know all of it. Of a device over MQTT the state document must have told the setting as well. The daemon is killed in
between with SIGKILL and started again: what was answered does not come again, and what was not comes.

Example: scripts/check-messages        scripts/check-messages --only nc
"""

import argparse
import json
import pathlib
import queue
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "Tests/Faults")]

import downlink  # noqa: E402
import rig  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PAHO = "paho-mqtt==2.2.0"
DEADLINE = 20


class Program:
    """A program whose lines are read as they come."""

    def __init__(self, *words):
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Device:
    """A device behind a program. `messages()` gives what has come since it was asked last, as objects."""

    needs = ()

    def __init__(self, name, site):
        self.name, self.source, self.site, self.number = name, f"kettle/{name}", site, 0
        self.program, self.document = None, None

    def event(self, **fields):
        self.number += 1
        return json.dumps({"product": "kettle", "device": self.name, "id": self.number, **fields})

    def stop(self):
        if self.program:
            self.program.stop()
            self.program = None

    def next(self):
        try:
            return self.program.lines.get_nowait()
        except queue.Empty:
            return None


class Netcat(Device):
    needs = ("nc",)

    def begin(self):
        self.program = Program("nc", "127.0.0.1", self.site.daemon.tcp_port)
        self.say(self.event(type="feature.used", aspect="boil"))

    def say(self, line):
        self.program.write(line)

    def messages(self):
        found = []
        while (line := self.next()) is not None:
            said = json.loads(line)
            if "down" in said:
                found.append(said["down"])
        return found


class Curl(Device):
    """What a device says goes in requests of their own."""

    needs = ("curl",)

    def begin(self):
        self.say(self.event(type="feature.used", aspect="boil"))

    def say(self, line):
        subprocess.run(["curl", "-sf", "-H", "Content-Type: application/json", "-d", line,
                        f"{self.site.url}/v1/events"], check=True, capture_output=True, timeout=DEADLINE)


class Poll(Curl):
    token = ""

    def messages(self):
        with tempfile.TemporaryDirectory() as folder:
            body = pathlib.Path(folder, "body")
            done = subprocess.run(
                ["curl", "-s", "-D", "-", "-o", body,
                 f"{self.site.url}/v1/down?source={self.source}&wait=1&after={self.token}"],
                capture_output=True, text=True, timeout=DEADLINE)
            for line in done.stdout.splitlines():
                if line.lower().startswith("tidings-token:"):
                    self.token = line.split(":", 1)[1].strip()
            if " 204" in done.stdout.split("\n")[0] or not body.exists():
                return []
            return [json.loads(line) for line in body.read_text().splitlines() if line]


class Events(Curl):
    def begin(self):
        super().begin()
        self.program = Program("curl", "-sN", f"{self.site.url}/v1/down/stream?source={self.source}")

    def messages(self):
        found = []
        while (line := self.next()) is not None:
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
        return found


class Mosquitto(Device):
    needs = ("mosquitto_sub", "mosquitto_pub")
    version, session = "311", []

    def begin(self):
        self.say(self.event(type="feature.used", aspect="boil"))
        self.program = Program(
            "mosquitto_sub", "-h", "127.0.0.1", "-p", self.site.mqtt_port, "-V", self.version, "-i", self.name, "-q",
            1, *self.session, "-t", f"tidings/v1/{self.source}/down/#", "-t", f"tidings/v1/{self.source}/state", "-F",
            "%t\t%p")

    def say(self, line):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.site.mqtt_port), "-V", self.version, "-q",
                        "1", "-i", f"{self.name}-says", "-t", f"tidings/v1/{self.source}/event", "-m", line], check=True,
                       capture_output=True, timeout=DEADLINE)

    def messages(self):
        found = []
        while (line := self.next()) is not None:
            topic, _, payload = line.partition("\t")
            if topic.endswith("/state"):
                self.document = json.loads(payload)
            else:
                found.append(json.loads(payload))
        return found


class MosquittoKept(Mosquitto):
    session = ["-c"]


class MosquittoFive(Mosquitto):
    version = "5"


class MosquittoFiveKept(MosquittoFive):
    session = ["-c", "-x", 3600]


class Paho(Mosquitto):
    needs, number_of_version = (), 3

    def begin(self):
        self.program = Program(self.site.python(), HERE / "paho_device.py", self.site.mqtt_port, self.number_of_version,
                               self.name, self.source)
        self.say(self.event(type="feature.used", aspect="boil"))

    def say(self, line):
        self.program.write(line)


class PahoFive(Paho):
    number_of_version = 5


DEVICES = {"nc": Netcat, "curl-poll": Poll, "curl-events": Events, "mosquitto-311": Mosquitto,
           "mosquitto-311-kept": MosquittoKept, "mosquitto-5": MosquittoFive, "mosquitto-5-kept": MosquittoFiveKept,
           "paho-311": Paho, "paho-5": PahoFive}


class Site:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.mqtt_port, self.http_port = rig.free_port(), rig.free_port()
        self.daemon = None

    def start(self):
        self.daemon = rig.Daemon(self.folder, {"listen.mqtt.port": self.mqtt_port},
                                 extra={"TIDINGS_LISTEN_HTTP_PORT": str(self.http_port)})
        self.url = f"http://127.0.0.1:{self.http_port}"

    def python(self):
        """A Python that has paho-mqtt."""
        return subprocess.run([ROOT / "scripts/python", PAHO], check=True, capture_output=True, text=True
                              ).stdout.strip()

    def wait_for(self, devices):
        """Until something of every device is stored."""
        until, found = time.monotonic() + DEADLINE, -1
        while time.monotonic() < until and found < devices:
            done = rig.tidings(self.folder, "notify", "kettle", "--text", "x", "--basis", "contract", "--dry-run",
                               "--format", "json")
            found = json.loads(done.stdout)["addressed"] if done.returncode == 0 else 0
            time.sleep(0.1)
        if found < devices:
            raise RuntimeError(f"of {devices} devices {found} were heard")

    def command(self, *words):
        done = rig.tidings(self.folder, *words, "--format", "json")
        if done.returncode != 0:
            raise RuntimeError(f"tidings {' '.join(words)}: exit code {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)["id"]


def gather(devices, kinds, heard, seconds=DEADLINE):
    """Reads until every device has had a message of each kind. heard: name -> kind -> messages."""
    until = time.monotonic() + seconds
    missing = True
    while missing and time.monotonic() < until:
        for device in devices:
            for message in device.messages():
                heard[device.name].setdefault(message["type"], []).append(message)
        missing = [(device.name, kind) for device in devices for kind in kinds if kind not in heard[device.name]]
        time.sleep(0.02)
    return missing


def run(site, devices):
    problems, heard = [], {device.name: {} for device in devices}
    site.start()
    for device in devices:
        device.begin()
    site.wait_for(len(devices))
    notice = site.command("notify", "kettle", "--text", "Time to descale", "--basis", "contract")
    question = site.command("ask", "kettle", "--aspect", "sound.ready", "--text", "Which?", "--choice", "melody",
                            "--choice", "off", "--basis", "contract")
    missing = gather(devices, ("notice", "question"), heard)
    problems += [f"{name} got no {kind}" for name, kind in missing]
    for device in devices:
        if not missing:
            device.say(device.event(type="receipt", cause=notice, stage="shown"))
            device.say(device.event(type="preference.set", cause=question, aspect="sound.ready", value="melody"))
    time.sleep(0.5)
    site.daemon.kill9()
    for device in devices:
        device.stop()
    site.start()
    setting = site.command("set", "kettle", "temperature", "88", "--unit", "Cel")
    again = {device.name: {} for device in devices}
    for device in devices:
        device.begin()
    missing = gather(devices, ("setting",), again)
    problems += [f"{name} got no {kind}" for name, kind in missing]
    for device in devices:
        for kind in ("notice", "question"):
            if kind in again[device.name]:
                problems.append(f"{device.name} got the {kind} again, which it had answered")
        device.say(device.event(type="receipt", cause=setting, stage="applied"))
        device.say(device.event(type="state.reported", aspect="temperature", value=88))
        if isinstance(device, Mosquitto):
            wanted = (device.document or {}).get("settings", {}).get("temperature", {}).get("value")
            if wanted != 88:
                problems.append(f"{device.name} was told the state {device.document}")
    time.sleep(1)
    for device in devices:
        device.stop()
    problems += states(site, devices, {notice: "shown", question: "answered", setting: "applied"})
    return problems


def states(site, devices, wanted):
    """One query on one log: what became of each message at each device."""
    code = site.daemon.term()
    problems = [f"the daemon's exit code is {code}"] if code else []
    database = sqlite3.connect(f"file:{rig.data(site.folder)}/summaries.sqlite?mode=ro", uri=True)
    rows = database.execute("""
        SELECT printf('m%d-%08x', number, tag), delivery.device, delivery.state FROM fold_message JOIN delivery ON message = number""")
    names = {number: name for number, (_, name) in downlink.device_names(site.folder).items()}
    found = {(message, names[device]): state for message, device, state in rows}
    database.close()
    for message, state in wanted.items():
        for device in devices:
            if found.get((message, device.name)) != state:
                problems.append(f"{message} at {device.name} is {found.get((message, device.name))}, not {state}")
    return problems + rig.verify(site.folder) + downlink.check_folder(site.folder)


def main():
    parser = rig.Parser(prog="scripts/check-messages", description=__doc__,
                        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"devices, separated by commas: {', '.join(DEVICES)}")
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it; it is emptied first")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(DEVICES)
    if set(chosen) - set(DEVICES):
        parser.error(f"no such device: {', '.join(sorted(set(chosen) - set(DEVICES)))}")
    folder = rig.scratch_folder(options.keep)
    site = Site(folder)
    devices = []
    for name in chosen:
        missing = [program for program in DEVICES[name].needs if not shutil.which(program)]
        if missing:
            print(f"check-messages: left out: {name}, there is no {missing[0]}")
        else:
            devices.append(DEVICES[name](name, site))
    began = time.monotonic()
    problems = run(site, devices)
    for problem in problems[:30]:
        print(f"check-messages: FAILED: {problem}", file=sys.stderr)
    if problems:
        sys.exit(f"check-messages: {len(problems)} problems; the folder {folder} is kept")
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"check-messages: {len(devices)} clients as they are: a notice shown, a question answered, a setting applied "
          f"and reported by each, with a kill in between, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
