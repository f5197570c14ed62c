"""Where the checks of MQTT happen: a daemon with a port for it, plain or with TLS and keys that are required."""

import importlib.machinery
import importlib.util
import json
import subprocess

import keyed
import mqtt_clients
import rig

LOADER = importlib.machinery.SourceFileLoader("check_identity", str(rig.ROOT / "scripts/check-identity"))
IDENTITY = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_identity", LOADER))
LOADER.exec_module(IDENTITY)


def command(*words, **options):
    return subprocess.run([rig.BINARY, *words], env=rig.environment(), capture_output=True, text=True, **options)


def counts(daemon):
    """Of all events that came over MQTT: stored for the first time, recognised, and what should not be."""
    found = {"committed": 0, "again": 0, "other": 0}
    for name, one in daemon.status()["transports"].items():
        if not name.startswith("mqtt"):
            continue
        found["committed"] += one["committed"]
        found["again"] += one["duplicate"] + one["stale"]
        found["other"] += sum(sum(one[name].values()) for name in ("quarantined", "refused", "dropped"))
    return found


class Site:
    """A daemon at a port that stays the same, and what a client needs to get in."""

    def __init__(self, is_secure=False):
        self.is_secure, self.daemon, self.target = is_secure, None, None
        self.title = " with TLS and keys" if is_secure else ""

    def start(self, folder, sources, settings=None):
        """A fresh daemon; with keys for the sources when it requires them."""
        self.port, self.folder, tokens = rig.free_port(), folder, {}
        folder.mkdir(parents=True)
        listener = "mqtts" if self.is_secure else "mqtt"
        self.settings = {f"listen.{listener}.port": self.port} | (settings or {})
        if self.is_secure:
            certificate = self.certify()
            self.settings |= {"auth.mode": "require", "tls.certificate_file": certificate,
                              "tls.key_file": folder / "key.pem"}
            tokens = {source: key.token for source, key in zip(sources, keyed.add_keys(folder, sources))}
        self.target = mqtt_clients.Target(self.port, folder / "certificate.pem" if self.is_secure else None, tokens)
        return self.again()

    def certify(self):
        made = self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-keyout", self.folder / "key.pem", "-out", made, "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
                       check=True, capture_output=True)
        (self.folder / "key.pem").chmod(0o600)
        return made

    def again(self):
        """The next life of the same daemon."""
        self.daemon = rig.Daemon(self.folder, self.settings)
        return self.daemon

    def stop(self):
        """A clean end. Returns what is wrong."""
        status = self.daemon.status()
        problems = [] if status["is_balanced"] else [f"the counts do not balance: {json.dumps(status['transports'])}"]
        code = self.daemon.term()
        if code != 0:
            problems.append(f"the daemon's exit code is {code}: {self.daemon.log()[-500:]}")
        return problems + rig.verify(self.folder)

    def kill(self):
        if self.daemon and self.daemon.alive:
            self.daemon.kill9()
