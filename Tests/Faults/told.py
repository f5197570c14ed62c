"""Cases of docs/reliability.md on what people are told: nothing lost unsaid, nothing said wrongly.

Each is named after what the device maker, the analyst or the operator does; see cases.py for how they are run.
"""

import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import rig
from bench import AS_NOBODY, NotHere, case, codes, event, expect, talk, udp_ask

GOOD = b'{"product":"k","device":"d","type":"feature.used","aspect":"a"}\n'
HOSTILE = ["x" * 128, "\u4e2d\u6587" * 20, "a\u0301" * 30, "\u202eevil\u001b[2J", "k\u0000one", "k\u0000two"]


def send(daemon, text, *arguments, wait=20):
    """`tidings send` with `text` on standard input: exit code, totals and what stands on standard error."""
    done = subprocess.run([rig.BINARY, "send", "--port", str(daemon.tcp_port), "--output", "json", *arguments],
                          input=text, env=rig.environment(), capture_output=True, timeout=wait)
    totals = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, totals, done.stderr.decode("utf-8", "replace")


def status(bench):
    return json.loads(rig.tidings(bench.folder, "status", "--format", "json").stdout)


@case(74, "bad-lines-in-send")
def bad_lines_in_send(bench):
    daemon = bench.daemon()
    bad = {
        "half a line": (GOOD + b'{"x"\n' + GOOD, "line 2: malformed_json", 2, 1),
        "CSV": (b"product,device\nk,d\n", "line 1: malformed_json", 0, 2),
        "an array": (b'[{"product":"k"}]\n', "line 1: malformed_json", 0, 1),
        "UTF-16": (("\ufeff" + GOOD.decode()).encode("utf-16-le"), "UTF-16", 0, None),
        "a long line": (GOOD + b'{"x":"' + b"y" * 66_000 + b'"}\n' + GOOD, "line 2: too_big", 2, 1),
        "an export": (GOOD.replace(b"}", b',"quarantined":"bad_aspect"}'), "line 1: already_quarantined", 0, 1),
    }
    for form in ("native", "json"):
        for name, (text, told, acked, rejected) in bad.items():
            code, totals, errors = send(daemon, text, "--format", form)
            expect(told in errors, f"{form}, {name}: {errors[:300]}")
            expect(code == 1, f"{form}, {name}: exit code {code}")
            expect(totals["acked"] == acked, f"{form}, {name}: {totals}")
            expect(totals["rejected"] == rejected or rejected is None and totals["rejected"] > 0, f"{name}: {totals}")
            expect(totals["sent"] == totals["acked"] + totals["rejected"] + totals["lost"], f"{name}: {totals}")
        code, totals, errors = send(daemon, b"\xef\xbb\xbf\r\n" + GOOD + b" \n" + GOOD, "--format", form)
        expect((code, totals["acked"], totals["rejected"]) == (0, 2, 0), f"{form}, byte order mark: {totals} {errors}")
    many = send(daemon, b"{}\n" * 100)[2]
    expect(many.count("line ") == 20 and "80 more" in many, many[-300:])
    return "each line named with reason and remedy, 20 of them, then a count; counted as rejected, exit code 1"


@case(75, "blank-lines")
def blank_lines(bench):
    daemon = bench.daemon({"listen.frame_timeout_seconds": 1})
    asked = {GOOD + b"\n": 1, GOOD + b"\r\n\r\n": 1, GOOD + b"\n" + GOOD: 3, GOOD[:-1] + b" \t\0\0": 1}
    for text, number in asked.items():
        expect(udp_ask(daemon, text, 3) == b'{"ack":%d}\n' % number, f"{text}")
    mixed = udp_ask(daemon, GOOD + b'{"x"\n' + GOOD, 3)
    expect(mixed.startswith(b'{"ack":3}\n') and b'"line":2,"code":4005' in mixed, f"{mixed}")
    expect(udp_ask(daemon, b"\n \r\n") == b"", "a blank datagram is answered")
    expect(talk(daemon, b"\xef\xbb\xbf\n" + GOOD + b"\t\n \r\n" + GOOD) .endswith(b'{"ack":5}\n'), "over TCP")
    with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=10) as link:
        for _ in range(4):
            link.sendall(b"\n")
            time.sleep(0.6)
        link.sendall(GOOD)
        expect(b'{"ack":5}' in link.recv(1000), "newlines between lines end the connection")
    expect(status(bench)["transports"]["tcp_json"]["refused"] == {}, "something was refused")
    return "nothing on both transports; what a datagram stored is acked beside what it did not"


@case(76, "second-address")
def second_address(bench):
    seen = 0
    for host, addresses in (("0.0.0.0", ["127.0.0.1", "127.0.0.2"]), ("::", ["127.0.0.3", "::1"])):
        settings = {"listen.udp.host": f'"{host}"', "listen.tcp.host": f'"{host}"', "auth.mode": "off"}
        daemon = rig.Daemon(bench.folder, settings)
        bench.daemons.append(daemon)
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as link:
                link.settimeout(5)
                link.connect((address, daemon.udp_port))
                link.send(GOOD)
                expect(link.recv(1000) == b'{"ack":1}\n', f"{address} by {host}")
                seen += 1
        expect(daemon.term() == 0, "no clean stop")
    return f"{seen} addresses, IPv4 and IPv6: each answers for itself"


@case(77, "too-long-a-line")
def too_long_a_line(bench):
    daemon = bench.daemon()
    text = GOOD + b'{"product":"k","x":"' + b"y" * 65_537 + b'"}\n' + GOOD * 10
    for form in ("json", "native"):
        begun = time.monotonic()
        code, totals, _ = send(daemon, text, "--format", form)
        expect(code == 1 and totals["acked"] == 11 and totals["rejected"] == 1, f"{form}: {totals}")
        expect(time.monotonic() - begun < 10, "it took too long")
    expect(status(bench)["connections"] <= 2, "connections are left")
    return "refused once and for all; the lines around it are stored"


@case(78, "slow-pipe")
def slow_pipe(bench):
    daemon = bench.daemon()
    for form in ("native", "json"):
        before = status(bench)["head"]
        child = subprocess.Popen([rig.BINARY, "send", "--port", str(daemon.tcp_port), "--format", form],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=rig.environment())
        child.stdin.write(GOOD)
        child.stdin.flush()
        until = time.monotonic() + 5
        while status(bench)["head"] == before and time.monotonic() < until:
            time.sleep(0.05)
        expect(status(bench)["head"] == before + 1, f"{form}: the first event waits")
        child.stdin.close()
        expect(child.wait(20) == 0, form)
    return "an event leaves when its line is there, though the pipe stays open"


@case(79, "stale-is-told")
def stale_is_told(bench):
    daemon = bench.daemon()
    lines = b"".join(event(number, device="old") for number in [1000] + list(range(1, 101)))
    answer = talk(daemon, lines)
    more = sum(int(number) for number in re.findall(rb'{"stale":{"more":(\d+)}}', answer))
    expect(answer.count(b'{"stale":{"line":') + more == 100, f"{answer[:300]}")
    for form in ("native", "json"):
        _, totals, errors = send(daemon, b"".join(event(number, device="old") for number in range(1, 501)),
                                 "--format", form)
        expect(totals["stale"] == 500, f"{form}: {totals}")
        expect("stale" in errors and "epoch" in errors, errors[:300])
    text = rig.tidings(bench.folder, "status").stdout
    expect(re.search(r"kettle +old +1,?100\b", text), text)
    return "each line, a total in send, the device in status"


@case(80, "windows-know-their-limits")
def windows_know_their_limits(bench):
    daemon = bench.daemon()
    talk(daemon, b"".join([
        b'{"product":"k","device":"d","type":"preference.set","aspect":"light","value":true}\n',
        b'{"product":"k","device":"d","type":"rating.given","aspect":"a","value":9,"bestRating":10,"worstRating":0}\n',
        b'{"product":"k","device":"d","type":"fault.seen","aspect":"a","value":"E1","severity":17}\n']))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    done = rig.tidings(bench.folder, "summary", "k", "--since", day, "--until", day, "--format", "json")
    found = json.loads(done.stdout)
    expect(found.get("not_in_window"), f"nothing is said of what is missing: {found}")
    by_name = {aspect["aspect"]: aspect for aspect in found["aspects"]}
    expect("max_severity" not in by_name["a"]["faults"], f"a false zero: {by_name['a']}")
    expect("devices" not in by_name["light"]["preference"], f"a false zero: {by_name['light']}")
    turned = rig.tidings(bench.folder, "summary", "k", "--since", day, "--until", "2020-01-01")
    expect(turned.returncode == 64 and turned.stderr.count("\n") <= 3, turned.stderr)
    return "what a window cannot know is absent and named; an inverted one is an error (64)"


@case(82, "names-with-nul")
def names_with_nul(bench):
    daemon = bench.daemon()
    talk(daemon, b"".join(event(None, product=name) for name in HOSTILE))
    listed = json.loads(rig.tidings(bench.folder, "summary", "--format", "json").stdout)
    names = [product["product"] for product in listed["products"]]
    expect(sorted(names) == sorted(HOSTILE), f"{names}")
    talk(daemon, b"".join(
        json.dumps({"product": "n", "device": "d%d" % number, "type": "preference.set", "aspect": "a",
                    "value": value}).encode() + b"\n" for number, value in enumerate(HOSTILE[-2:])))
    choices = json.loads(rig.tidings(bench.folder, "summary", "n", "--format", "json").stdout)["aspects"][0]
    expect(sorted(choice["value"] for choice in choices["preference"]["choices"]) == sorted(HOSTILE[-2:]), str(choices))
    return "whole, in every form; two names that differ behind a NUL are two"


@case(83, "scale-of-one-to-ten")
def scale_of_one_to_ten(bench):
    daemon = bench.daemon()
    rating = {"product": "k", "device": "d", "type": "rating.given", "aspect": "a", "bestRating": 10}
    answer = talk(daemon, b"".join(json.dumps(dict(rating, value=value)).encode() + b"\n" for value in (0, 1, 10)))
    expect(codes(answer) == [4226] and b"1 to 10" in answer, f"{answer}")
    found = json.loads(rig.tidings(bench.folder, "summary", "k", "--format", "json").stdout)["aspects"][0]["ratings"]
    expect([(one["scale"], one["count"]) for one in found] == [("1-10", 2)], str(found))
    return "0 is quarantined (4226), the scale is called 1-10"


@case(84, "own-reasons")
def own_reasons(bench):
    daemon = bench.daemon()
    base = {"product": "k", "device": "d", "type": "feature.used", "aspect": "a"}
    asked = [
        ({"time": "2026-11-01T10:00:00+0200"}, 4233, b"+02:00"), ({"time": "2026-11-01T10:00:00"}, 4233, b"zone"),
        ({"time": "2026-11-01"}, 4233, b"date only"), ({"time": 1767225600}, 4227, b"seconds? send milliseconds"),
        ({"customer": 17}, 4017, b"customer is a number"), ({"product": "x" * 200}, 4016, b"at most 128"),
        ({"quarantined": "bad_aspect"}, 4018, b"quarantined"),
    ]
    for more, code, words in asked:
        answer = talk(daemon, json.dumps(dict(base, **more)).encode() + b"\n")
        expect(codes(answer) == [code] and words in answer, f"{more}: {answer}")
    return "bad_time, wrong_type, too_long, already_quarantined, each with the key and the remedy"


@case(85, "texts-name-the-remedy")
def texts_name_the_remedy(bench):
    daemon = bench.daemon()
    answer = talk(daemon, b"".join([
        event(None, aspect="Door Sound"), event(None, type="preferenc.set"), event(None, timestamp=1),
        event(None, timestamp=2)]))
    for words in (b"try door_sound", b"did you mean preference.set?", b"did you mean time?"):
        expect(words in answer, f"{words}: {answer}")
    expect(answer.count(b'"note"') == 1, "an unknown key is not told once")
    return "an aspect, a kind and a key that are nearly right are answered with the right one"


@case(86, "whole-numbers")
def whole_numbers(bench):
    daemon = bench.daemon()
    line = '{"product":"k","device":"w%s","type":"fault.seen","aspect":"a","value":"E","id":%s,"count":%s,"severity":%s}\n'
    texts = [("1", "42", "2", "17"), ("2", "42.0", "2.0", "17.0"), ("3", "4.2e1", "20e-1", "1.7e1")]
    answer = talk(daemon, "".join(line % text for text in texts).encode())
    expect(answer == b'{"ack":3}\n', f"{answer}")
    seen = {(found["id"], found["count"], found["severity"]) for found in bench.events()}
    expect(seen == {("0-42", 2, 17)}, str(seen))
    return "42, 42.0 and 4.2e1 are one number, for every key"


@case(87, "variables-of-others")
def variables_of_others(bench):
    bench.daemon()
    ours = "TIDINGS"
    silent = {f"{ours}_PORT": "tcp://10.0.0.9:7411", f"{ours}_SERVICE_HOST": "10.0.0.9",
              f"{ours}_PORT_7411_TCP_ADDR": "10.0.0.9", f"{ours}_BIN": "x"}
    done = subprocess.run([rig.BINARY, "summary", "--data", str(rig.data(bench.folder))], capture_output=True,
                          text=True, env=rig.environment(**silent), timeout=rig.DEADLINE)
    expect(done.returncode == 0 and done.stderr == "", done.stderr)
    done = subprocess.run([rig.BINARY, "summary", "--data", str(rig.data(bench.folder))], capture_output=True,
                          text=True, env=rig.environment(**{f"{ours}_LISTEN_TCP_PROT": "1"}), timeout=rig.DEADLINE)
    expect(done.returncode == 0 and f"{ours}_LISTEN_TCP_PORT" in done.stderr, done.stderr)
    return "service links and our tools' own are silent; another one warns with the nearest key"


@case(88, "long-data-folder")
def long_data_folder(bench):
    deep = bench.folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    daemon = rig.Daemon(deep, {})
    bench.daemons.append(daemon)
    done = rig.tidings(deep, "status")
    expect(done.returncode == 0, done.stderr)
    expect(daemon.term() == 0, "no clean stop")
    none = rig.tidings(deep, "status")
    expect(none.returncode == 69 and "no daemon" in none.stderr, none.stderr)
    bench.daemons.remove(daemon)
    return "the control socket works; no daemon, no answer and not permitted are three messages"


def as_nobody(bench, *arguments):
    return subprocess.run([*AS_NOBODY, rig.BINARY, *arguments], env=rig.environment(), capture_output=True, text=True,
                          timeout=rig.DEADLINE, cwd="/")


@case(89, "read-only-folder")
def read_only_folder(bench):
    if os.geteuid() != 0:
        raise NotHere("only root can hand a folder to another user")
    daemon = bench.daemon()
    talk(daemon, GOOD * 10)
    expect(daemon.term() == 0, "no clean stop")
    copy = bench.folder / "copy"
    shutil.copytree(rig.data(bench.folder), copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    top = bench.folder
    while top != top.parent:
        if not top.stat().st_mode & 0o005:
            top.chmod(top.stat().st_mode | 0o005)
        top = top.parent
    for arguments in (["summary"], ["log", "tail"], ["log", "stat"], ["log", "verify"], ["log", "export"]):
        done = as_nobody(bench, *arguments, "--data", str(copy))
        expect(done.returncode == 0, f"{arguments}: {done.stderr}")
    expect(not list(copy.glob("*-wal")) and not list(copy.glob("*-shm")), "files are left behind")
    return "every reading command works without permission to write"


@case(90, "modes-of-files")
def modes_of_files(bench):
    os.umask(0o022)
    daemon = bench.daemon()
    talk(daemon, GOOD)
    rig.tidings(bench.folder, "summary")
    expect(rig.tidings(bench.folder, "log", "backup", str(bench.folder / "copy")).returncode == 0, "no backup")
    for place in (rig.data(bench.folder), bench.folder / "copy"):
        for path in [place, *place.rglob("*")]:
            wide = stat.S_IMODE(path.stat().st_mode) & 0o077
            expect(not wide, f"{path.relative_to(bench.folder)} is open to others: {oct(path.stat().st_mode)}")
    return "folders 0700, files 0600, copies too"


@case(91, "output-that-fails")
def output_that_fails(bench):
    daemon = bench.daemon()
    talk(daemon, b"".join(event(number) for number in range(1, 3001)))
    commands = (["summary"], ["summary", "kettle"], ["summary", "kettle", "--format", "json"], ["status"],
                ["status", "--format", "json"], ["log", "tail", "-n", "3000"], ["log", "stat"], ["log", "verify"],
                ["log", "export"], ["check", "config"], ["--help"], ["--version"])
    for arguments in commands:
        data = [] if arguments[0].startswith("--") or arguments[0] == "check" else \
            ["--data", str(rig.data(bench.folder))]
        with open("/dev/full", "w") as full:
            done = subprocess.run([rig.BINARY, *arguments, *data], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=rig.environment(), timeout=rig.DEADLINE)
        expect(done.returncode == 74 and done.stderr.count("\n") == 1, f"{arguments}: {done.returncode} {done.stderr}")
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([rig.BINARY, *arguments, *data], stdout=writing, stderr=subprocess.PIPE, text=True,
                              env=rig.environment(), timeout=rig.DEADLINE)
        os.close(writing)
        expect(done.returncode == 0 and done.stderr == "", f"{arguments}: {done.returncode} {done.stderr}")
    return f"{len(commands)} commands: a full device is one line and 74, a closed pipe a quiet end"


def terminal_says(leader, wait):
    """What has been written to a terminal; nothing when nobody has it open any more, or after so many seconds."""
    if not select.select([leader], [], [], wait)[0]:
        return b""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""


def on_terminal(bench, columns, *arguments):
    """What a command prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen([rig.BINARY, *arguments, "--data", str(rig.data(bench.folder))], stdout=follower,
                             stderr=subprocess.DEVNULL, env=rig.environment(NO_COLOR="1", LANG="C.UTF-8"))
    os.close(follower)
    seen = b""
    until = time.monotonic() + rig.DEADLINE
    while time.monotonic() < until:
        more = terminal_says(leader, 0.2)
        if not more and child.poll() is not None:
            break
        seen += more
    os.close(leader)
    child.wait(10)
    return seen.decode("utf-8", "replace").replace("\r\n", "\n")


def columns_of(text):
    import unicodedata
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
               for letter in text)


@case(92, "terminals-of-all-widths")
def terminals_of_all_widths(bench):
    daemon = bench.daemon()
    for number, name in enumerate(HOSTILE):
        talk(daemon, event(number, product=name, device=name[:40]) + event(number, product=name, device="d", count=0))
        talk(daemon, event(None, product=name, type="preference.set", value="w" * 200)
             + event(None, product=name, type="rating.given", value=4))
    for columns in (60, 80, 200):
        for arguments in (["summary"], ["summary", HOSTILE[0]], ["status"], ["log", "tail"], ["log", "stat"],
                          ["log", "tail", "--quarantined"]):
            text = on_terminal(bench, columns, *arguments)
            expect(text.strip(), f"{arguments} prints nothing")
            expect("\x1b" not in text and "\u202e" not in text, f"{arguments}: raw control characters")
            # The head of the hash chain is there to be written down, and never cut.
            widest = max(columns_of(line) for line in text.split("\n") if not re.search("[0-9a-f]{64}", line))
            expect(widest <= columns, f"{arguments} at {columns}: a line of {widest} columns")
            if "--quarantined" in arguments:
                expect("out_of_range" in text, f"the reason is cut at {columns}: {text}")
    return "60, 80 and 200 columns: no line is wider, reasons stand whole"


@case(93, "one-judgement")
def one_judgement(bench):
    daemon = bench.daemon()
    text = {"product": "k", "device": "d", "type": "feedback.text", "text": "x" * 5_000}
    value = {"product": "k", "device": "d", "type": "preference.set", "aspect": "a", "value": "y" * 300}
    late = {"product": "k", "device": "d", "type": "feature.used", "aspect": "a", "time": "2026-11-01"}
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in (text, value, late)) + GOOD + b"{}\n"
    seen = []
    for form in ("native", "json"):
        code, totals, errors = send(daemon, lines, "--format", form)
        seen.append((code, {key: totals[key] for key in totals if key != "retried"}, sorted(
            line for line in errors.split("\n") if line.startswith("line "))))
    expect(seen[0] == seen[1], f"native: {seen[0]}\njson: {seen[1]}")
    expect(seen[0][1]["quarantined"] == 3 and seen[0][1]["rejected"] == 1, str(seen[0]))
    reasons = [found.get("quarantined") for found in bench.events()]
    expect(reasons[:4] and sorted(filter(None, reasons)) == sorted(
        ["text_too_long", "text_too_long", "bad_time"] * 2), str(reasons))
    return "the same events, words and totals, native and JSON"


@case(94, "forms-of-others")
def forms_of_others(bench):
    done = subprocess.run([rig.BINARY, "check", "config", "--format", "csv"], capture_output=True, text=True,
                          env=rig.environment(TIDINGS_DATA_DIR='a"b,c\\d'), timeout=rig.DEADLINE)
    rows = {row[0]: row[1] for row in csv.reader(io.StringIO(done.stdout))}
    expect(rows.get("data_dir") == 'a"b,c\\d', done.stdout[:300])
    settings = {"listen.udp.host": '"::1"', "listen.tcp.host": '"::1"'}
    bench.daemon(settings)
    expect(status(bench)["listening"]["tcp"].startswith("[::1]:"), str(status(bench)["listening"]))
    return "CSV by RFC 4180; IPv6 addresses in brackets"


@case(96, "open-to-the-network")
def open_to_the_network(bench):
    daemon = bench.daemon({"listen.tcp.host": '"0.0.0.0"', "listen.udp.host": '"0.0.0.0"', "auth.mode": "warn"})
    warned = [line for line in daemon.lines() if line.get("level") == "warning"]
    expect(len(warned) == 1, f"{warned}")
    expect("exposed" in rig.tidings(bench.folder, "status").stdout, "status says nothing")
    talk(daemon, b"".join(event(None, customer=f"c{number}@example.org") for number in range(3)))
    time.sleep(0.3)
    told = [line for line in daemon.lines() if "@" in line.get("message", "")]
    expect(len(told) == 1 and "example.org" not in daemon.log(), f"{told}")
    return "one warning at the start, a line in status; an address among the ids is told once, never shown"


@case(97, "status-for-machines")
def status_for_machines(bench):
    daemon = bench.daemon()
    talk(daemon, GOOD)
    time.sleep(1.2)
    found = status(bench)
    keys = set(re.findall(r'"([A-Za-z_0-9]+)":', json.dumps(found)))
    expect(all(key == key.lower() for key in keys), f"{[key for key in keys if key != key.lower()]}")
    expect(found["projected"] == found["head"] == 1, str(found))
    free = [key for key in found if "free" in key]
    expect(free and found[free[0]] > 0, f"no free bytes: {sorted(found)}")
    return "snake_case keys, free bytes, last event; each key is documented"


@case(98, "long-work-is-told")
def long_work_is_told(bench):
    daemon = bench.daemon()
    expect(subprocess.run([rig.BINARY, "send", "--port", str(daemon.tcp_port), "--devices", "2000", "--events",
                           "200000"], capture_output=True, env=rig.environment(), timeout=120).returncode == 0, "send")
    expect(daemon.term() == 0, "no clean stop")
    leader, follower = pty.openpty()
    child = subprocess.Popen([rig.BINARY, "log", "export", "--data", str(rig.data(bench.folder))],
                             stdout=subprocess.PIPE, stderr=follower, env=rig.environment())
    os.close(follower)

    def read_slowly():
        while child.stdout.read(1 << 16):
            time.sleep(0.005)

    threading.Thread(target=read_slowly, daemon=True).start()
    seen, begun = b"", time.monotonic()
    while time.monotonic() - begun < 30 and b"%" not in seen and child.poll() is None:
        seen += terminal_says(leader, 0.2)
    was_running = child.poll() is None
    child.send_signal(signal.SIGINT)
    code = child.wait(20)
    while more := terminal_says(leader, 0.3):
        seen += more
    os.close(leader)
    if not was_running:
        raise NotHere("the export was over before a second had passed")
    expect(b"%" in seen and code == 130, f"exit code {code}: {seen}")
    expect(b"stopped" in seen, f"{seen}")
    return "share, rate and time left after a second; Ctrl-C says what stands (130)"
