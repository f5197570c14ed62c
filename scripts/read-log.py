#!/usr/bin/python3
"""Reads a data folder without any of the daemon's code: SQLite, zlib and the schema are enough.

Prints every event as one line of canonical JSON, in log order: the same bytes as `tidings log export --format ndjson`.
Damaged blocks are reported on stderr and stepped over; the exit code is then 65.

Usage: scripts/read-log.py DATA_FOLDER
Needs: python3, python3-protobuf, protoc (Debian: python3 python3-protobuf protobuf-compiler)
"""

import hashlib
import hmac
import importlib
import json
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import zlib
from datetime import datetime, timedelta, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent
SYMBOLS = {"product": 1, "aspect": 2, "value": 3, "unit": 4, "language": 5, "type": 6}
QUARANTINE = {
    1: "unknown_type", 2: "bad_aspect", 3: "missing_value", 5: "wrong_value_type", 6: "out_of_range",
    7: "absurd_clock", 8: "not_finite", 9: "text_too_long", 10: "policy", 11: "unknown_cause", 12: "bad_answer",
    13: "bad_time", 14: "number_reused", 15: "outside_catalogue", 16: "unknown_unit",
}
ORIGINS = ["", "user", "default", "rule"]
STAGES = ["", "received", "shown", "answered", "dismissed", "failed", "sent", "applied", "refused"]
EVIDENCE = ["", "transport", "app"]
PARTS = ["text", "extra", "raw", "payload", "value"]
KEYS = ["text", "extra", "raw", "payload", "personal_value"]
USED, RECEIPT = 3, 10
FORMATS = (2, 3)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MASK = (1 << 64) - 1


def load_schema():
    """The classes of schemas/log/v1/block.proto."""
    with tempfile.TemporaryDirectory() as folder:
        schema = ROOT / "schemas/log/v1"
        subprocess.run(["protoc", f"--proto_path={schema}", f"--python_out={folder}", "block.proto"], check=True)
        sys.path.insert(0, folder)
        return importlib.import_module("block_pb2")


def load_kinds():
    kinds = json.loads((ROOT / "schemas/kinds.json").read_text(encoding="utf-8"))["kinds"]
    return {kind["number"]: kind["name"] for kind in kinds}


def unzigzag(value):
    return value >> 1 if value & 1 == 0 else ~(value >> 1)


def signed(value):
    """The 64-bit pattern as a signed number."""
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


def column(message, count):
    """The values of a column: the sum of its planes."""
    values = [0] * count
    for plane in range(8):
        data = getattr(message, f"plane_{plane}")
        if data:
            assert len(data) == count, "a plane of the wrong length"
            values = [value | byte << 8 * plane for value, byte in zip(values, data)]
    return values


class Device:
    __slots__ = ("seq", "epoch", "customer", "other", "product")

    def __init__(self):
        self.seq = self.epoch = self.customer = self.other = self.product = 0


def lists(block, shapes):
    """For every column an iterator over its values, as long as the shapes say."""

    def uses(test):
        return sum(1 for shape in shapes if test(shape))

    def has(bit):
        return lambda shape: shape.fields >> bit & 1

    def is_value(kind):
        return lambda shape: shape.value_kind == kind

    sizes = {
        "time": lambda s: not s.fields >> 6 & 1,
        "arrival": has(5),
        "customer": lambda s: s.fields & 3 == 1,
        "product": has(2),
        "epoch": has(3),
        "seq": lambda s: s.fields >> 4 & 1 and s.identity == 1,
        "hash": lambda s: s.fields >> 4 & 1 and s.identity != 1,
        "aspect": has(7),
        "rating": lambda s: s.value_kind == 1 and s.kind == 2,
        "whole": lambda s: s.value_kind == 1 and s.kind != 2,
        "decimal": lambda s: s.value_kind == 2 and s.decimals != 15,
        "real": lambda s: s.value_kind == 2 and s.decimals == 15,
        "symbol": is_value(3),
        "count_of": has(8),
        "unit": has(9),
        "language": has(10),
        "type": has(11),
        "text_length": has(12),
        "cause": has(14),
        "cause_tag": has(15),
        "notice": has(16),
        "method": has(16),
        "expiry": has(16),
        "replays": has(17),
        "part_count": has(18),
    }
    values = {name: column(getattr(block, name), uses(test)) for name, test in sizes.items()}
    for name in ["part", "part_length"]:
        values[name] = column(getattr(block, name), sum(values["part_count"]))
    return {name: iter(numbers) for name, numbers in values.items()}


def decode(block, texts, devices):
    """The events of a block, as dictionaries of plain numbers. Moves `devices` on."""
    shapes = [block.shapes[index] for index in column(block.shape, block.count)]
    numbers = column(block.device, block.count)
    take = {name: values.__next__ for name, values in lists(block, shapes).items()}
    time, arrival = block.base_time, block.base_arrival
    assert block.text_codec == 0, "an unknown text codec"
    at = 0

    def take_text(length):
        nonlocal at
        at += length
        assert at <= len(texts), "the texts are shorter than they should be"
        return texts[at - length : at]

    for shape, number in zip(shapes, numbers):
        fields = shape.fields
        if fields & 1 << 5:
            arrival = signed(arrival + unzigzag(take["arrival"]()))
        time = arrival if fields & 1 << 6 else signed(time + unzigzag(take["time"]()))
        event = {"shape": shape, "device": number, "time": time, "arrival": arrival, "epoch": 0, "seq": 0}
        event["aspect"] = take["aspect"]() if fields & 1 << 7 else 0
        event["count"] = take["count_of"]() if fields & 1 << 8 else 1
        event["value"] = decode_value(shape, take)
        decode_identity(event, shape, devices.setdefault(number, Device()), take)
        event["unit"] = take["unit"]() if fields & 1 << 9 else 0
        event["language"] = take["language"]() if fields & 1 << 10 else 0
        event["type"] = take["type"]() if fields & 1 << 11 else 0
        if fields & 1 << 12:
            event["text"] = take_text(take["text_length"]()).decode("utf-8")
        decode_details(event, fields, take, take_text)
        yield event
    assert at == len(texts), "the texts are longer than they should be"


def decode_details(event, fields, take, take_text):
    if fields & 1 << 14:
        event["cause"] = f"m{take['cause']()}"
    if fields & 1 << 15:
        event["cause"] = f"{event.get('cause', 'm0')}-{take['cause_tag']():08x}"
    if fields & 1 << 16:
        event["notice"], event["method"], event["expiry"] = take["notice"](), take["method"](), take["expiry"]()
    if fields & 1 << 17:
        event["replays"] = take["replays"]()
    if fields & 1 << 18:
        for _ in range(take["part_count"]()):
            code = take["part"]()
            tag, codec = code & 15, code >> 4 & 7
            assert tag < len(PARTS) and codec < 2, "an unknown part"
            part = take_text(take["part_length"]())
            if codec == 0:
                event[KEYS[tag]] = part.decode("utf-8")
            else:
                event.setdefault("sealed", {})[tag] = part
            if code & 1 << 7:
                event[KEYS[tag] + "_cut"] = True


def decode_value(shape, take):
    if shape.value_kind == 1:
        return unzigzag(take["rating" if shape.kind == 2 else "whole"]())
    if shape.value_kind == 2 and shape.decimals == 15:
        return struct.unpack("<d", struct.pack("<Q", take["real"]()))[0]
    if shape.value_kind == 2:
        return unzigzag(take["decimal"]()) / 10**shape.decimals
    if shape.value_kind == 3:
        return take["symbol"]()
    return bool(shape.fields & 1 << 13) if shape.value_kind == 4 else None


def decode_identity(event, shape, device, take):
    fields = shape.fields
    if fields & 2:
        device.customer, device.other = device.other, device.customer
    elif fields & 1:
        device.other, device.customer = device.customer, take["customer"]()
    if fields & 4:
        device.product = take["product"]()
    event["customer"], event["product"] = device.customer, device.product
    epoch = take["epoch"]() if fields & 8 else None
    if shape.identity == 1:
        if epoch is not None:
            device.epoch, device.seq = epoch, 0
        surprise = unzigzag(take["seq"]()) if fields & 16 else 0
        event["epoch"], event["seq"] = device.epoch, (device.seq + 1 + surprise) & MASK
        device.seq = max(device.seq, event["seq"])
    else:
        event["epoch"], event["seq"] = epoch or 0, take["hash"]() if fields & 16 else 0


def quote(text):
    """A JSON string with only what must be escaped."""
    out = ['"']
    for character in text:
        code = ord(character)
        if character in '"\\':
            out.append("\\" + character)
        elif character in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character])
        elif code < 0x20 or 0x7F <= code <= 0x9F:
            out.append(f"\\u{code:04x}")
        else:
            out.append(character)
    return "".join(out) + '"'


def rfc3339(milliseconds):
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime(f"{moment.year:04d}-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def aes_tables():
    """The S-box of AES, and the products of each entry with 2 and 3."""
    box, power, inverse = [0] * 256, 1, 1
    while True:
        power ^= (power << 1 & 0xFF) ^ (0x1B if power & 0x80 else 0)     # times 3
        for shift in (1, 2, 4):                                          # divided by 3
            inverse ^= inverse << shift & 0xFF
        inverse ^= 0x09 if inverse & 0x80 else 0
        rotated = inverse
        for turn in (1, 2, 3, 4):
            rotated ^= (inverse << turn | inverse >> 8 - turn) & 0xFF
        box[power] = rotated ^ 0x63
        if power == 1:
            break
    box[0] = 0x63
    double = [(s << 1 & 0xFF) ^ (0x1B if s & 0x80 else 0) for s in box]
    return box, double, [s ^ d for s, d in zip(box, double)]


class AES256:
    """The forward direction (FIPS 197), which is all that GCM-SIV needs."""

    BOX, TWICE, THRICE = aes_tables()

    def __init__(self, key):
        words, round_constant = [list(key[at:at + 4]) for at in range(0, 32, 4)], 1
        while len(words) < 60:
            word = words[-1]
            if len(words) % 8 == 0:
                word = [self.BOX[b] for b in word[1:] + word[:1]]
                word[0] ^= round_constant
                round_constant <<= 1
            elif len(words) % 8 == 4:
                word = [self.BOX[b] for b in word]
            words.append([a ^ b for a, b in zip(word, words[-8])])
        self.rounds = [sum(words[at:at + 4], []) for at in range(0, 60, 4)]

    def encrypt(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[0])]
        for key in self.rounds[1:14]:
            turned = [state[(at + 4 * (at % 4)) % 16] for at in range(16)]
            state = []
            for at in range(0, 16, 4):
                a, b, c, d = turned[at:at + 4]
                state += [self.TWICE[a] ^ self.THRICE[b] ^ self.BOX[c] ^ self.BOX[d] ^ key[at],
                          self.BOX[a] ^ self.TWICE[b] ^ self.THRICE[c] ^ self.BOX[d] ^ key[at + 1],
                          self.BOX[a] ^ self.BOX[b] ^ self.TWICE[c] ^ self.THRICE[d] ^ key[at + 2],
                          self.THRICE[a] ^ self.BOX[b] ^ self.BOX[c] ^ self.TWICE[d] ^ key[at + 3]]
        return bytes(self.BOX[state[(at + 4 * (at % 4)) % 16]] ^ self.rounds[14][at] for at in range(16))


def polyval(key, data):
    """RFC 8452, 3."""
    total, factor = 0, int.from_bytes(key, "little")
    for at in range(0, len(data), 16):
        left, product = total ^ int.from_bytes(data[at:at + 16], "little"), 0
        for bit in range(128):
            if left >> bit & 1:
                product ^= factor << bit
        for _ in range(128):
            if product & 1:
                product ^= 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1
            product >>= 1
        total = product
    return total.to_bytes(16, "little")


def open_gcm_siv(key, nonce, sealed, context):
    """AES-256-GCM-SIV (RFC 8452, 5); None when the tag is another one."""
    outer = AES256(key)
    keys = b"".join(outer.encrypt(struct.pack("<I", count) + nonce)[:8] for count in range(6))
    cipher, body, tag = AES256(keys[16:]), sealed[:-16], sealed[-16:]
    start, stream = int.from_bytes(tag[:4], "little"), b""
    for block in range((len(body) + 15) // 16):
        stream += cipher.encrypt(struct.pack("<I", start + block & 0xFFFFFFFF) + tag[4:15] + bytes([tag[15] | 0x80]))
    plain = bytes(a ^ b for a, b in zip(body, stream))
    blocks = b"".join(part + bytes(-len(part) % 16) for part in (context, plain))
    digest = bytearray(polyval(keys[:16], blocks + struct.pack("<QQ", 8 * len(context), 8 * len(plain))))
    for at, byte in enumerate(nonce):
        digest[at] ^= byte
    digest[15] &= 0x7F
    return plain if cipher.encrypt(bytes(digest)) == tag else None


class Keys:
    """The keys that open sealed parts: of the sealing secret, and of the seeds beside the names."""

    def __init__(self, folder, names):
        path = folder / "sealing.secret"
        self.secret = path.read_bytes() if path.exists() else None
        self.customers = dict(names.execute("SELECT id, key FROM customer WHERE key IS NOT NULL"))
        has_products = names.execute("SELECT 1 FROM sqlite_schema WHERE name = 'product'").fetchone()
        self.products = dict(names.execute("SELECT id, key FROM product")) if has_products else {}

    def open(self, offset, event, tag, part):
        """What stands in a sealed part; None when nobody can open it."""
        mark, owner = (1, event["customer"]) if event["customer"] else (2, event["product"])
        seed = (self.customers if event["customer"] else self.products).get(owner)
        if self.secret is None or seed is None or len(part) < 32:
            return None
        key = hmac.digest(self.secret, b"tidings seal" + seed + b"\x01", "sha256")
        context = struct.pack("<BIBB", mark, owner, event["shape"].kind, tag)
        message = open_gcm_siv(key, struct.pack("<QI", offset, 0), part, context)
        return message and message[1:len(message) - message[0]].decode("utf-8")


class Printer:
    """Numbers to names to JSON."""

    def __init__(self, folder, kinds):
        self.kinds = kinds
        self.symbols = {}
        self.devices, self.customers, self.keys = {}, {}, None
        path = folder / "identity.sqlite"
        if path.exists():
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as names:
                self.devices = dict(names.execute("SELECT id, name FROM device"))
                self.customers = dict(names.execute("SELECT id, name FROM customer"))
                self.keys = Keys(folder, names)

    def open_parts(self, offset, event):
        """Opens the sealed parts of an event that can be opened; the others stay in `sealed`."""
        closed = []
        for tag, part in event.pop("sealed", {}).items():
            text = self.keys and self.keys.open(offset, event, tag, part)
            if text is None:
                closed.append(PARTS[tag])
            else:
                event[KEYS[tag]] = text
        if closed:
            event["sealed"] = closed

    def symbol(self, kind, number):
        return quote(self.symbols.get((SYMBOLS[kind], number)) or f"symbol#{number}")

    def line(self, offset, event):
        shape = event["shape"]
        self.open_parts(offset, event)
        out = [f'"offset":{offset}']

        def add(key, text):
            out.append(f'"{key}":{text}')

        def add_symbol(key, kind, number):
            if number:
                add(key, self.symbol(kind, number))

        add_symbol("product", "product", event["product"])
        if event["device"]:
            add("device", quote(self.devices.get(event["device"]) or f"device#{event['device']}"))
        if event["customer"]:
            add("customer", quote(self.customers.get(event["customer"]) or f"customer#{event['customer']}"))
        if shape.identity == 1:
            add("id", f'"{event["epoch"]}-{event["seq"]}"')
        elif shape.identity == 2:
            add("id", f'"#{event["seq"]:016x}"')
        if shape.marks & 4:
            add("epoch_assigned", "true")
        add("type", quote(self.kinds[shape.kind]))
        if "cause" in event:
            add("cause", quote(event["cause"]))
        if shape.kind == RECEIPT:
            for key, words, number in [("stage", STAGES, shape.scale), ("evidence", EVIDENCE, shape.severity)]:
                if number:
                    add(key, quote(words[number]) if number < len(words) else number)
        add("time", quote(rfc3339(event["time"])))
        if shape.clock:
            add("clock", '"age"' if shape.clock == 1 else '"arrival"')
        add("arrival", quote(rfc3339(event["arrival"])))
        add_symbol("aspect", "aspect", event["aspect"])
        value = "duration" if shape.kind == USED and shape.value_kind in (1, 2) else "value"
        if shape.value_kind == 3:
            add(value, self.symbol("value", event["value"]))
        elif shape.value_kind:
            add(value, json.dumps(event["value"]))
        elif "personal_value" in event:
            add("value", event["personal_value"])
        add_symbol("unit", "unit", event["unit"])
        if shape.marks & 3:
            add("origin", quote(ORIGINS[shape.marks & 3]))
        if event["count"] != 1:
            add("count", event["count"])
        if shape.severity and shape.kind != RECEIPT:
            add("severity", shape.severity)
        if shape.scale and shape.kind != RECEIPT:
            add("scale", shape.scale)
        add_symbol("notice", "value", event.get("notice", 0))
        add_symbol("method", "value", event.get("method", 0))
        if event.get("expiry"):
            add("expiry", quote(rfc3339(unzigzag(event["expiry"]))))
        if "text" in event:
            add("text", quote(event["text"]))
        add_symbol("lang", "language", event["language"])
        if "extra" in event:
            add("extra", event["extra"])
        if "raw" in event:
            add("raw", quote(event["raw"]))
        if "raw_cut" in event:
            add("raw_cut", "true")
        if "payload" in event:
            add("payload", event["payload"])
        if "sealed" in event:
            add("sealed", "[" + ",".join(map(quote, event["sealed"])) + "]")
        add_symbol("vendor_type", "type", event["type"])
        if "replays" in event:
            add("replays", event["replays"])
        if shape.quarantine:
            add("quarantined", quote(QUARANTINE[shape.quarantine]))
        return "{" + ",".join(out) + "}"


class StoredBlock:
    """A row of the table `block`."""

    def __init__(self, form, row):
        self.form = form
        self.offset, self.count, *self.bounds, self.codec, self.raw_size, self.crc, self.chain, self.body = row[:11]
        (self.text_size, self.text_crc, self.digest, self.relay_seq, self.writer, self.writer_number,
         self.text) = row[11:] or [None] * 7

    def link(self, chain, words):
        """The chain behind this block."""
        head = struct.pack("<QQqqqqQQ", self.offset, self.count, *self.bounds, self.raw_size, len(words))
        if self.form > 2:
            head += struct.pack("<QQQ", self.text_size or 0, self.relay_seq or 0, self.writer_number or 0)
            head += (self.writer or bytes(16)) + (self.digest or bytes(32))
        for kind, number, word in words:
            head += struct.pack("<QQQ", kind, number, len(word)) + word
        return hashlib.sha256(chain + head + self.body).digest()

    def is_whole(self):
        if self.digest is not None and self.text is not None:
            if zlib.crc32(self.text) != self.text_crc or hashlib.sha256(self.text).digest() != self.digest:
                return False
        return self.codec == 1 and zlib.crc32(self.body) == self.crc

    def events(self, schema, devices):
        block = schema.Block.FromString(zlib.decompress(self.body))
        assert block.count == self.count, "a block of the wrong size"
        if self.form == 2:
            return decode(block, block.text, devices)
        assert self.digest is None or self.text is not None, "the texts are missing"
        texts = zlib.decompress(self.text) if self.text else b""
        assert len(texts) == (self.text_size or 0), "the texts are of the wrong size"
        return decode(block, texts, devices)


def stored_blocks(log, form):
    """The blocks of a segment, in order."""
    columns = "first_offset, count, time_min, time_max, arrival_min, arrival_max, codec, raw_size, crc32, chain, body"
    if form > 2:
        columns += ", text_size, text_crc32, text_sha256, relay_seq, writer, writer_number, text"
    for row in log.execute(f"SELECT {columns} FROM block ORDER BY first_offset"):
        yield StoredBlock(form, row)


def read_segment(path, schema, printer, write):
    """Prints a segment's events; returns the damage found."""
    damage = []
    mode = "ro" if pathlib.Path(f"{path}-wal").exists() else "ro&immutable=1"
    with sqlite3.connect(f"file:{path}?mode={mode}", uri=True) as log:
        recorded = {}
        words = "SELECT first_offset, kind, id, CAST(text AS BLOB) FROM symbol ORDER BY first_offset, kind, id"
        for offset, kind, number, text in log.execute(words):
            printer.symbols[kind, number] = text.decode("utf-8", "replace")
            recorded.setdefault(offset, []).append((kind, number, text))
        form, first, chain = log.execute("SELECT format, first_offset, previous_chain FROM segment").fetchone()
        if form not in FORMATS:
            return [f"{path.name}: has format {form}, which this reader does not know"]
        devices, following = {}, first
        for stored in stored_blocks(log, form):
            offset, end = stored.offset, stored.offset + stored.count
            chain = stored.link(chain, recorded.get(offset, []))
            if offset != following or not stored.is_whole() or chain != stored.chain:
                damage.append(f"{path.name}: events {min(offset, following)} to {end - 1}")
            chain, following = stored.chain, end
            try:
                for index, event in enumerate(stored.events(schema, devices)):
                    write(printer.line(offset + index, event) + "\n")
            except (zlib.error, AssertionError, IndexError, RuntimeError, ValueError) as error:
                damage.append(f"{path.name}: events {offset} to {end - 1}: {error}")
    return damage


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(64)
    folder = pathlib.Path(sys.argv[1])
    segments = sorted((folder / "log").glob("*.tidings"))
    printer = Printer(folder, load_kinds())
    schema = load_schema()
    output = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    damage = []
    for path in segments:
        damage += read_segment(path, schema, printer, output.write)
    output.flush()
    for place in damage:
        print(f"damage: {place}", file=sys.stderr)
    sys.exit(65 if damage else 0)


if __name__ == "__main__":
    main()
