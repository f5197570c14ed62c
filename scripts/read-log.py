#!/usr/bin/python3
"""Reads a data folder without any of the daemon's code: SQLite, zlib and the schema are enough.

Prints every event as one line of canonical JSON, in log order: the same bytes as `tidings log export --format ndjson`.
Damaged blocks are reported on stderr and stepped over; the exit code is then 65.

Usage: scripts/read-log.py DATA_FOLDER
Needs: python3, python3-protobuf, protoc (Debian: python3 python3-protobuf protobuf-compiler)
"""

import hashlib
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
PARTS = ["sealed", "extra", "raw", "payload"]
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
                event[PARTS[tag]] = part.decode("utf-8")
            if code & 1 << 7:
                event[PARTS[tag] + "_cut"] = True


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


class Printer:
    """Numbers to names to JSON."""

    def __init__(self, folder, kinds):
        self.kinds = kinds
        self.symbols = {}
        self.devices, self.customers = {}, {}
        path = folder / "identity.sqlite"
        if path.exists():
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as names:
                self.devices = dict(names.execute("SELECT id, name FROM device"))
                self.customers = dict(names.execute("SELECT id, name FROM customer"))

    def symbol(self, kind, number):
        return quote(self.symbols.get((SYMBOLS[kind], number)) or f"symbol#{number}")

    def line(self, offset, event):
        shape = event["shape"]
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
