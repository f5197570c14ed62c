"""Rows over MQTT 3.1.1, QoS 1: their loads, and mosquitto, which plays the same bytes in the same sitting.

Mosquitto is set up to remember nothing (persistence off), and nobody has subscribed: its PUBACK says that the message was
read, and the message is then gone. Ours says that its events are on disk."""
import os, shutil, socket, struct, subprocess, time
import harness as h
import loadfile

MESSAGES = 5
#   load, window, devices of the fleet (none: as many as the standard), whether mosquitto plays it first, more for the sender
ROWS = {
    "mqtt": ("mqtt-one", 1000, None, True, "--gather", "256"),
    "mqtt-turns": ("mqtt-1", 1, None, True, "--turns"),
    "mqtt-batch": ("mqtt-64", 16, 5_000, False),
}
# Of these rows the figure is the ratio to mosquitto.
RATIOS = ["mqtt-turns"]
CONNECTIONS, BATCH, BATCH_CONNECTIONS = 1000, 64, 16
# A clean session; the server chooses the name. DISCONNECT at the end.
CONNECT, DISCONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00", b"\xe0\x00"


class Missing(Exception):
    """Mosquitto is not installed."""


def variable(number):
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (128 if number else 0))
        if not number:
            return bytes(made)


class Numbers:
    """The packet ids of each connection, from 1 on."""

    def __init__(self):
        self.sent = {}

    def publish(self, connection, line, kind, payload):
        number = self.sent[connection] = self.sent.get(connection, 0) % 65535 + 1
        product, device = loadfile.value_of(line, b"product"), loadfile.value_of(line, b"device")
        topic = b"tidings/v1/%s/%s/%s" % (product, device, kind)
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + payload
        return b"\x32" + variable(len(body)) + body


def load(data, name):
    """The file of a load: one event a PUBLISH on one connection or on many, or batches of one device's events."""
    connections = {"mqtt-one": 1, "mqtt-1": CONNECTIONS, "mqtt-64": BATCH_CONNECTIONS}[name]

    def single(lines):
        numbers = Numbers()
        for connection, line in loadfile.on_connections(lines, connections):
            yield connection, 1, numbers.publish(connection, line, b"event", line)

    def batches(lines):
        numbers, waiting = Numbers(), {}
        for connection, line in loadfile.on_connections(lines, connections):
            _, batch = waiting.setdefault(loadfile.value_of(line, b"device"), (connection, []))
            batch.append(line)
            if len(batch) == BATCH:
                yield connection, BATCH, numbers.publish(connection, line, b"batch", b"\n".join(batch))
                batch.clear()
        for connection, batch in waiting.values():
            if batch:
                yield connection, len(batch), numbers.publish(connection, batch[0], b"batch", b"\n".join(batch))
    return loadfile.write(data, name, MESSAGES, connections, batches if name == "mqtt-64" else single, CONNECT, DISCONNECT)


def fleet(row, data):
    """The work of a row: the standard one, or as many events of fewer devices, so that each fills some batches."""
    devices = ROWS[row][2]
    return h.Data(data.events, devices=devices) if devices else data


class Mosquitto:
    """A server on the server's core, for as long as the `with`."""

    def __init__(self, folder):
        self.program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        if not self.program:
            raise Missing("scripts/bootstrap --bench")
        self.folder, self.port = folder, h.free_port()

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        settings = f"{self.folder}/mosquitto.conf"
        with open(settings, "w") as out:
            out.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n")
        os.chmod(settings, 0o644)
        self.process = subprocess.Popen(
            h.on(h.SERVER_CORE, [self.program, "-c", settings]), stdout=open(f"{self.folder}/server.log", "ab"),
            stderr=subprocess.STDOUT, preexec_fn=h.raise_file_limit)
        end = time.time() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.time() > end:
                    self.__exit__()
                    raise h.Wrong(f"mosquitto did not start; see {self.folder}/server.log") from None
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def play(self, data, path, *how):
        """CPU seconds of the server for a million events, around what the sender does."""
        before = h.settle(self.process.pid, quiet=0.5)
        sent = h.send("tcp", self.port, path, *how)
        at_last_ack = h.cpu_seconds(self.process.pid)
        used = h.settle(self.process.pid) - before
        if sent["events"] != data.events:
            raise h.Wrong(f"{sent['events']} of {data.events} events were sent")
        millions = data.events / 1e6
        return {"cpu_s_per_M": used / millions, "cpu_s_per_M_to_last_ack": (at_last_ack - before) / millions,
                "events_per_s": sent["events_per_s"], "sender_cpu_s_per_M": sent["sender_cpu_s"] / millions}
