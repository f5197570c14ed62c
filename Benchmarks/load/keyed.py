"""Rows whose senders have keys: the keys, as the program itself makes them, and what a row needs of them."""
import base64, csv, io, os, shutil, struct, subprocess
import harness as h

#   load, mode, window, who has keys (a file of the generator), devices of the fleet (none: as many as the standard)
ROWS = {
    "udp-signed": ("udp-1200", "udp", 1024, "devices.names", 10_000),
    "udp-signed-once": ("udp-1200", "udp", 1024, "devices.names", None),
    "udp-single-signed": ("udp-1", "udp", 4096, "devices.names", 10_000),
    "native-proof": ("tcp-256-product", "tcp", 4, "gateways.names", None),
    "single-proof": ("tcp-1-product", "tcp", 64, "gateways.names", None),
}
# Of all datagrams, with keys and without, so that the two of a pair differ in nothing else: seconds since 2000.
EPOCH = 820_540_800


class Keys:
    """Keys for the connections or devices of a load, and a folder with what a daemon needs to know of them."""

    def __init__(self, binary, data, who):
        self.folder = f"{data.folder}/keys-{who.removesuffix('.names')}"
        self.file = f"{self.folder}.bin"
        names = data.file(who)
        stamp = max(os.path.getmtime(names), os.path.getmtime(binary))
        if os.path.exists(self.file) and os.path.getmtime(self.file) > stamp:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        text = open(names).read()
        h.note(f"making keys: {who}")
        if who == "devices.names":
            made = self.add(binary, "-", names=text)
        else:
            made = [key for prefix in dict.fromkeys(text.split()) for key in self.add(binary, "--gateway", prefix)]
        keys = {line["for"]: (int(line["key_id"]), line["key"]) for line in made}
        with open(self.file, "wb") as out:
            for name in text.split():
                number, key = keys[name]
                out.write(struct.pack("<I", number) + base64.urlsafe_b64decode(key + "="))

    def add(self, binary, *what, names=None):
        run = subprocess.run([binary, "device", "add", *what, "--format", "csv", "--data", self.folder], input=names,
                             capture_output=True, text=True, env=h.clean_environment())
        if run.returncode:
            raise h.Wrong(f"device add ended with {run.returncode}: {run.stderr[-1000:]}")
        return csv.DictReader(io.StringIO(run.stdout))

    @property
    def sender(self):
        """What the sender is told."""
        return ["--keys", self.file]

    @property
    def daemon(self):
        """What the daemon is told, and given."""
        return {"seed": self.folder, "auth_mode": "require"}


def fleet(row, data):
    """The work of a row: the standard one, or as many events of fewer devices."""
    devices = ROWS[row][-1] if row in ROWS else None
    return h.Data(data.events, devices=devices) if devices else data


def epoch(mode):
    """What the sender is told of epochs, with keys and without."""
    return ["--epoch", str(EPOCH)] if mode == "udp" else []
