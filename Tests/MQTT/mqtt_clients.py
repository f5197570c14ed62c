"""MQTT clients as they are: mosquitto_pub, the Paho C programs, and PyPI's paho-mqtt and gmqtt.

`Client.send` publishes messages and returns when all of them are acknowledged (QoS 0: sent). `Publishing` is a process
that goes on publishing and says what was acknowledged, with the client's own retries.
"""

import base64
import json
import pathlib
import queue
import re
import shutil
import subprocess
import threading

import mqtt_forms
from senders import DEADLINE, ROOT

HERE = pathlib.Path(__file__).resolve().parent
# As of November 2026.
PACKAGES = ["paho-mqtt==2.2.0", "gmqtt==0.8.0"]
VERSIONS = {"3.1.1": 4, "5": 5}


def python():
    """The path of a Python that has the packages."""
    done = subprocess.run([ROOT / "scripts/python", *PACKAGES], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout.strip()


class Target:
    """Where to publish, with what: the daemon's port; with TLS, who signed its certificate; tokens by their sources."""

    def __init__(self, port, ca=None, tokens=None):
        self.port, self.ca, self.tokens = port, ca, tokens or {}


class Failure(RuntimeError):
    """A client could not do what it was asked for."""


def run(name, command, timeout=DEADLINE, **options):
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or late.stdout or b"").decode()[-300:]
        raise Failure(f"{name}: not done after {timeout} s: {said}") from None
    if done.returncode != 0 or b"rror" in done.stderr:
        raise Failure(f"{name}: exit code {done.returncode}: {(done.stderr or done.stdout).decode()[-500:]}")
    return done


class Client:
    """A name, the version that it speaks, and the forms that it can send."""

    most_lines = 1 << 30        # of a process; what is more goes in batches
    side_by_side = 12           # processes; they mostly wait
    repeated = 0                # events that it may have sent twice

    def __init__(self, name, version, forms):
        self.name, self.version, self.forms = f"{name}, MQTT {version}", version, forms

    def groups(self, messages):
        """The messages of each topic and QoS, one after the other: for programs that know one of each."""
        group = []
        for message in messages:
            if group and (message.topic, message.qos, message.content_type, message.source) != (
                    group[0].topic, group[0].qos, group[0].content_type, group[0].source):
                yield group
                group = []
            group.append(message)
        if group:
            yield group


class Mosquitto(Client):
    """A process of mosquitto_pub for the messages of a topic: a line of its input each (-l), or all of it (-s)."""

    def __init__(self, version):
        super().__init__("mosquitto_pub", version, mqtt_forms.FORMS)

    def command(self, target, message, name):
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", target.port, "-V", {"3.1.1": "311", "5": "5"}[self.version],
                 "-q", message.qos, "-i", name, "-u", message.source, "-t", message.topic]
        words += ["-P", target.tokens[message.source]] if message.source in target.tokens else []
        words += ["--cafile", target.ca] if target.ca else []
        if self.version == "5" and message.content_type:
            words += ["-D", "PUBLISH", "content-type", message.content_type]
        return list(map(str, words))

    def send(self, target, messages, folder):
        for group in self.groups(messages):
            command = self.command(target, group[0], f"mosquitto {group[0].source}")
            if group[0].kind == "event":
                run("mosquitto_pub", command + ["-l"], input=b"".join(one.payload + b"\n" for one in group))
                continue
            for one in group:
                run("mosquitto_pub", command + ["-s"], input=one.payload)


class PahoC(Client):
    """paho_cs_pub for single events, by the line; paho_c_pub for batches, each a file. Both are Debian's examples.

    They sleep a lot: 100 ms after each line of QoS 1 or 2, 400 ms in the life of a process. With TLS one paho_c_pub of
    some thousands frees something twice and aborts: it is started again, and its events may come twice.
    """

    most_lines, side_by_side = 10, 24

    def __init__(self, version):
        super().__init__("paho_c_pub, paho_cs_pub", version, {
            name: mqtt_forms.FORMS[name] for name in ("event", "cloudevent", "lines", "native", "batch")})

    def command(self, program, target, message):
        words = [program, "-t", message.topic, "-q", message.qos, "-V", {"3.1.1": "311", "5": "5"}[self.version],
                 "-i", f"{program} {message.source}", "-u", message.source, "-v"]
        words += ["-P", target.tokens[message.source]] if message.source in target.tokens else []
        if target.ca:
            words += ["-c", f"ssl://localhost:{target.port}", "--cafile", target.ca]
        else:
            words += ["-h", "127.0.0.1", "-p", target.port]
        return list(map(str, words))

    def send(self, target, messages, folder):
        for group in self.groups(messages):
            if group[0].kind == "event":
                self.send_lines(target, group)
                continue
            for number, one in enumerate(group):
                file = folder / f"{one.source.replace('/', '-')}-{number}"
                file.write_bytes(one.payload)
                self.send_file(target, one, file)

    def send_file(self, target, message, file, tries=3):
        command = self.command("paho_c_pub", target, message) + ["-f", file]
        try:
            done = run("paho_c_pub", command)
        except Failure as failure:
            if tries == 1 or "exit code -6" not in str(failure):
                raise
            self.repeated += message.count
            self.send_file(target, message, file, tries - 1)
            return
        if b"Publish succeeded" not in done.stdout:
            raise Failure(f"paho_c_pub: {done.stdout.decode()[-300:]}")

    def send_lines(self, target, group):
        """It sends its last lines, says DISCONNECT and goes: what it has sent before is the daemon's."""
        command = self.command("paho_cs_pub", target, group[0]) + ["--maxdatalen", "65536"]
        done = run("paho_cs_pub", command, input=b"".join(one.payload + b"\n" for one in group))
        sent = done.stderr.count(b"Publishing data")
        if b"Connected" not in done.stdout or sent != len(group) or b"onnectionLost" in done.stdout:
            raise Failure(f"paho_cs_pub: {sent} of {len(group)} lines sent: {done.stdout.decode()[-300:]}")


class Library(Client):
    """A process that publishes with a library of PyPI."""

    side_by_side = 4            # they compute

    def __init__(self, name, version, command):
        super().__init__(name, version, mqtt_forms.FORMS | (mqtt_forms.BINARY if version == "5" else {}))
        self.command = command

    def options(self, target, client=None, bind=None):
        return json.dumps({"port": target.port, "version": VERSIONS[self.version], "client": client,
                           "tokens": target.tokens, "ca": target.ca and str(target.ca), "bind": bind})

    def send(self, target, messages, folder):
        made = list(messages)
        lines = "".join(line_of(one, key) for key, one in enumerate(made)).encode()
        done = run(self.name, [*self.command, self.options(target)], input=lines, timeout=DEADLINE * 5)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        refused = [one["refused"] for one in said if "refused" in one]
        if refused:
            raise Failure(f"{self.name}: refused: {refused[:3]}")
        acked = {one["acked"] for one in said if "acked" in one}
        if len(acked) != len(made):
            raise Failure(f"{self.name}: {len(acked)} of {len(made)} messages acknowledged")


def line_of(message, key):
    return json.dumps({"source": message.source, "topic": message.topic, "qos": message.qos,
                       "payload": base64.b64encode(message.payload).decode(), "type": message.content_type,
                       "attributes": message.attributes, "key": key}) + "\n"


class Publishing:
    """A client's process that goes on publishing for one device. `said` gives what it says, as publish_paho.py does."""

    def __init__(self, client, target, source, qos, name=None, bind=None):
        self.client, self.qos, self.written, self.said = client, qos, 0, queue.Queue()
        first = mqtt_forms.Message(source, "event", b"", 1, qos=qos)
        self.is_library = isinstance(client, Library)
        if self.is_library:
            command = [*client.command, client.options(target, name, bind)]
        else:
            command = client.command(target, first, name or source) + ["-l", "-d"]
        # What mosquitto_pub says of its acks is in its pipe at once only without a buffer.
        if not self.is_library:
            command = ["stdbuf", "-oL", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def write(self, message, key):
        """`key` is told when it is acknowledged."""
        message.qos = self.qos
        self.written += 1
        if self.is_library:
            self.process.stdin.write(line_of(message, key))
        else:
            self.process.stdin.write(message.payload.decode() + "\n")
        self.process.stdin.flush()

    # With QoS 0 that it was sent is all that is known.
    MOSQUITTO = [(re.compile(r"received PUB(?:ACK|COMP) \(Mid: (\d+)"), "mid"),
                 (re.compile(r"sending PUBLISH \(d\d, q0, r\d, m(\d+)"), "mid"),
                 (re.compile(r"received CONNACK \((\d+)"), "connected")]

    def listen(self):
        for line in self.process.stdout:
            if self.is_library:
                self.said.put(json.loads(line) if line.startswith("{") else {"raw": line})
                continue
            for pattern, word in self.MOSQUITTO:
                found = pattern.search(line)
                if found:
                    self.said.put({word: int(found[1])})

    def close(self):
        self.process.kill()
        self.process.wait()


def installed():
    """The clients that this machine has; and those that it has not, each with what is missing."""
    found, missing = [], []
    for version in VERSIONS:
        if shutil.which("mosquitto_pub"):
            found.append(Mosquitto(version))
        if shutil.which("paho_c_pub") and shutil.which("paho_cs_pub"):
            found.append(PahoC(version))
    for tool, package in (("mosquitto_pub", "mosquitto-clients"), ("paho_c_pub", "paho.mqtt.c-examples")):
        if not shutil.which(tool):
            missing.append(f"{tool}: not installed; scripts/bootstrap --mqtt installs {package}")
    interpreter = python()
    for name, file in (("paho-mqtt", "publish_paho.py"), ("gmqtt", "publish_gmqtt.py")):
        found += [Library(name, version, [interpreter, str(HERE / file)]) for version in VERSIONS]
    return found, missing
