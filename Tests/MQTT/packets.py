"""MQTT packets by hand: whole, broken, and as they come back."""

import socket
import ssl
import struct

TYPES = {2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 9: "SUBACK", 11: "UNSUBACK",
         13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH"}


def variable(number):
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (128 if number else 0))
        if not number:
            return bytes(made)


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(text)) + text


def packet(first, rest):
    return bytes([first]) + variable(len(rest)) + rest


def connect(client="", version=5, clean=True, keep_alive=60, user=None, password=None, will=None, properties=b""):
    """will: topic and payload."""
    flags = (2 if clean else 0) | (4 if will else 0) | (128 if user is not None else 0) | (64 if password else 0)
    rest = string("MQTT") + bytes([version, flags]) + struct.pack(">H", keep_alive)
    rest += variable(len(properties)) + properties if version == 5 else b""
    rest += string(client)
    if will:
        rest += (b"\x00" if version == 5 else b"") + string(will[0]) + string(will[1])
    rest += string(user) if user is not None else b""
    rest += string(password) if password else b""
    return packet(0x10, rest)


def publish(topic, payload, qos=0, number=1, version=5, properties=b"", dup=False):
    rest = string(topic) + (struct.pack(">H", number) if qos else b"")
    rest += variable(len(properties)) + properties if version == 5 else b""
    return packet(0x30 | qos << 1 | (8 if dup else 0), rest + payload)


def pubrel(number):
    return packet(0x62, struct.pack(">H", number))


PINGREQ, DISCONNECT = b"\xc0\x00", b"\xe0\x00"


class Closed(Exception):
    """The peer has closed the connection."""


class Connection:
    """A socket that gives back whole packets."""

    def __init__(self, port, timeout=10.0, ca=None, address=None):
        self.link = socket.create_connection(("127.0.0.1", port), timeout, (address, 0) if address else None)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca:
            self.link = ssl.create_default_context(cafile=str(ca)).wrap_socket(self.link, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, data):
        """Whether it went: a peer that has closed says so by what it has sent before."""
        try:
            self.link.sendall(data)
            return True
        except (BrokenPipeError, ConnectionError):
            return False

    def packet(self):
        """The next one: its name, its first byte's low half, and the rest."""
        while True:
            whole = self.whole()
            if whole:
                return whole
            try:
                more = self.link.recv(65_536)
            except ConnectionError:
                more = b""
            if not more:
                raise Closed(self.buffer.hex(" "))
            self.buffer += more

    def whole(self):
        size = shift = 0
        for at in range(1, min(len(self.buffer), 5)):
            size |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                if len(self.buffer) <= at + size:
                    return None
                first, rest = self.buffer[0], self.buffer[at + 1:at + 1 + size]
                self.buffer = self.buffer[at + 1 + size:]
                return TYPES.get(first >> 4, str(first >> 4)), first & 15, rest
        return None

    def open(self, **options):
        """CONNECT; the reason code of the answer."""
        self.send(connect(**options))
        name, _, rest = self.packet()
        if name != "CONNACK":
            raise ValueError(f"CONNECT is answered with {name}")
        return rest[1]

    def rest(self):
        """All that comes until the end, in short: `DISCONNECT 0x82, end`."""
        said = []
        try:
            while True:
                name, _, rest = self.packet()
                reason = {"DISCONNECT": rest[:1], "CONNACK": rest[1:2], "PUBACK": rest[2:3], "PUBREC": rest[2:3]}
                code = reason.get(name, b"")
                said.append(name + (f" 0x{code.hex()}" if code else ""))
        except Closed:
            said.append("end")
        except TimeoutError:
            said.append("open")
        return ", ".join(said)

    def answers_ping(self):
        self.send(PINGREQ)
        try:
            while self.packet()[0] != "PINGRESP":
                pass
        except (Closed, TimeoutError):
            return False
        return True
