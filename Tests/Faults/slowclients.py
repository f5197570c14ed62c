"""A thousand web clients that are slow on purpose, beside an honest one: slowhttptest's four attacks on the HTTP port.

headers     1,000 requests whose heads never end.
body        1,000 requests whose bodies come in drops.
range       1,000 requests for overlapping ranges of an answer.
read        1,000 connections that ask, and read the answers in drops through a small window.

Each time: the 99th percentile of what an honest device waits for its ack, one event a request, is at most twice what it
was just before (the least of three tries: what else the machine does only adds); the daemon's memory stays under the
cap; every slow connection is closed, and counted with its reason; what was acked is stored. With --short the daemon has
less patience, all takes less than a minute, and latencies are printed and not judged.

Usage: scripts/slow-clients [--short] [--connections N] [--cap-mib N] [--seed S] [--only ATTACK[,ATTACK]]
Example: scripts/slow-clients --short
"""

import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import time

import rig
from overload import Honest, Report, Watch

EVENTS = "/v1/events"
#            slowhttptest's options, the path, and the reason with which all connections of the attack are counted
ATTACKS = {
    "headers": (["-H", "-t", "POST", "-x", "24"], EVENTS, "slow"),
    "body": (["-B", "-t", "POST", "-s", "8192", "-x", "10", "-f", "application/x-ndjson"], EVENTS, "slow"),
    "range": (["-R", "-t", "GET", "-a", "10", "-b", "3000"], "/health/live", None),
    "read": (["-X", "-t", "GET", "-w", "512", "-y", "1024", "-n", "1", "-z", "256", "-k", "8"], "/health/live", None),
}
# What is closed is counted in the sweep that comes once a second; a busy machine is a little late.
LATE = 4
TRIES = 3


class RequestsHTTP(rig.Link):
    """One event a request, on a connection that is kept."""

    batch = 1

    def open(self, daemon):
        link = socket.create_connection(("127.0.0.1", daemon.http_port), timeout=5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(0.05)
        return link

    def exchange(self, window):
        for number, event in window:
            body = json.dumps(event).encode()
            self.socket.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            answer = b""
            while b"}\n" not in answer:
                answer += self.receive()
            if not re.match(rb"HTTP/1.1 200 .*\"received\":1,\"stored\":1,", answer, re.DOTALL):
                raise RuntimeError(f"answered with {answer!r}")
            self.got([number])


def p99(values):
    return sorted(values)[int(len(values) * 0.99)] if values else float("inf")


class Attack:
    def __init__(self, name, daemon, honest, options, patience):
        self.name, self.daemon, self.honest, self.options = name, daemon, honest, options
        self.patience = patience
        self.ended = {}

    def run(self):
        """Returns what the honest device waited before and meanwhile, and how many connections were opened."""
        begun = time.monotonic()
        time.sleep(self.options.quiet)
        before = self.daemon.status()
        how, path, _ = ATTACKS[self.name]
        seconds = 4 * (self.patience + self.options.connections // 500 + LATE)      # it ends when all are closed
        start = time.monotonic()
        run = subprocess.run(
            ["slowhttptest", *how, "-c", str(self.options.connections), "-r", "500", "-i", "1", "-l",
             str(seconds), "-p", "3", "-u", f"http://127.0.0.1:{self.daemon.http_port}{path}"], capture_output=True,
            text=True, timeout=seconds + 60)
        end = time.monotonic()
        self.is_available = "service available:   NO" not in re.sub(r"\x1b\[[0-9;]*m", "", run.stdout)
        until = time.monotonic() + self.patience + LATE
        after = self.daemon.status()
        while after["connections"] > 1 and time.monotonic() < until:
            time.sleep(0.2)
            after = self.daemon.status()
        self.left = after["connections"] - 1
        self.opened = after["connections_accepted"] - before["connections_accepted"]
        for reason, count in after["connections_ended"].items():
            self.ended[reason] = count - before["connections_ended"].get(reason, 0)
        self.quiet = self.honest.served(begun, start)
        self.meanwhile = self.honest.served(start, end)

    def judge(self, report):
        problems, (_, _, reason) = [], ATTACKS[self.name]
        quiet, meanwhile, count = p99(self.quiet), p99(self.meanwhile), self.options.connections
        if not meanwhile <= 2 * quiet and not self.options.short:
            problems.append("the honest device waited more than twice as long")
        if self.honest.failures:
            problems.append(f"the honest device was cut off {self.honest.failures} times")
        if not self.is_available:
            problems.append("a probe of the tool was not answered within 3 s")
        if self.opened < count:
            problems.append(f"only {self.opened} connections were opened")
        if self.left:
            problems.append(f"{self.left} connections were left open")
        if reason and self.ended.get(reason, 0) < count:
            problems.append(f"{self.ended.get(reason, 0)} connections are counted as {reason}, of {count}")
        counted = ", ".join(f"{number} {name}" for name, number in sorted(self.ended.items()) if number) or "none"
        report.line(
            self.name, f"{self.opened} connections, closed by the daemon: {counted}; honest device: p99 "
            f"{quiet * 1000:.1f} ms before, {meanwhile * 1000:.1f} ms meanwhile ({meanwhile / quiet:.2f} times; "
            f"{len(self.quiet)} and {len(self.meanwhile)} served)", problems)


def main():
    parser = rig.Parser(prog="scripts/slow-clients", description=__doc__.splitlines()[0],
                        epilog="Example: scripts/slow-clients --short")
    parser.add_argument("--short", action="store_true", help="a daemon with less patience: less than a minute")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--cap-mib", type=int, default=256, help="what the daemon's memory must stay under")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", help=f"some of: {', '.join(ATTACKS)}")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(ATTACKS)
    if set(names) - set(ATTACKS):
        parser.error(f"the attacks are {', '.join(ATTACKS)}")
    if not shutil.which("slowhttptest"):
        sys.exit("slow-clients: slowhttptest is not installed; run scripts/bootstrap --slow-clients")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    patience, options.quiet = (3, 3) if options.short else (10, 10)
    settings = {"listen.frame_timeout_seconds": patience, "listen.first_byte_timeout_seconds": patience,
                "listen.idle_timeout_seconds": patience}
    print(f"slow-clients: seed {options.seed}", flush=True)
    folder, report = pathlib.Path(rig.scratch_folder()), Report("slow-clients")
    try:
        # The daemon has a core to itself: what the tool needs for its connections is not in question.
        cores = sorted(os.sched_getaffinity(0))
        daemon = rig.Daemon(folder, settings, limits=lambda: os.sched_setaffinity(0, cores[-1:]))
        os.sched_setaffinity(0, cores[:1])
        watch, honest = Watch(daemon), Honest(daemon, options.seed, way=RequestsHTTP)
        time.sleep(1)
        for name in names:
            attack = Attack(name, daemon, honest, options, patience)
            attack.run()
            for _ in range(0 if options.short else TRIES - 1):
                if p99(attack.meanwhile) <= 2 * p99(attack.quiet):
                    break
                print(f"slow-clients: {name}: once more; p99 was {p99(attack.quiet) * 1000:.1f} ms before and "
                      f"{p99(attack.meanwhile) * 1000:.1f} ms meanwhile", flush=True)
                attack = Attack(name, daemon, honest, options, patience)
                attack.run()
            attack.judge(report)
        honest.stop()
        peak, status, code, problems = watch.stop(), daemon.status(), daemon.term(), []
        if code != 0:
            problems.append(f"exit code {code}")
        if not status["is_balanced"]:
            problems.append(f"the counts do not balance: {status['transports']}")
        if peak > options.cap_mib << 20:
            problems.append(f"peak memory {peak >> 20} MiB, the cap is {options.cap_mib} MiB")
        ledger = rig.Ledger([honest.device])
        ledger.read(rig.read_log(folder))
        if ledger.lost or ledger.doubled:
            problems.append(f"{len(ledger.lost)} acked events are not stored, {len(ledger.doubled)} are stored twice")
        report.line("all", f"peak memory {peak >> 20} MiB (cap {options.cap_mib}); {ledger.acked} events acked, "
                    f"{len(ledger.lost)} of them missing", problems + rig.verify(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"slow-clients: {len(names)} attacks, {len(report.broken)} with a broken promise")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
