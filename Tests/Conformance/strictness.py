"""RFC 9110 and RFC 9112 as cases of our own: over sockets, directly and behind proxies.

Directly the answers are compared, and which events are in the log. A proxy may refuse, repair or pass on what it gets;
but what it takes for one request the daemon must take for one: every event in the log was answered, and what comes next
on the proxy's connections is answered to whoever asked it.
"""

import collections
import pathlib

import proxies
from grammar import GRAMMAR
from harness import Daemon, answers, exchange
from smuggling import SMUGGLING

FENCE = b"GET /fence HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PROBE = (b'POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n'
         b'Content-Length: %d\r\n\r\n%s')
CASES = [(f"smuggling: {name}", *rest) for name, *rest in SMUGGLING] + GRAMMAR
# What takes so long that a proxy waits for more.
PROXY_SECONDS = 0.4


def run(tally, scratch, corpora):
    direct(tally, "direct", pathlib.Path(scratch, "direct"))
    direct(tally, "byte by byte", pathlib.Path(scratch, "bytes"), piece=1)
    for proxy in proxies.ALL:
        missing = proxy.missing()
        if missing:
            tally.skip(len(CASES), f"strictness behind {proxy.name}", missing)
            continue
        behind(tally, proxy, pathlib.Path(scratch, proxy.name))


def tagged(sent, number):
    return sent.replace(b"@@@@", b"%04d" % number)


def stored(events):
    """Number of the case -> which of its events are in the log, such as `12`; each as often as it is there."""
    found = collections.defaultdict(str)
    for event in events:
        number, _, which = event["device"].partition("-")
        found[number] += which
    return found


def direct(tally, how, folder, piece=None):
    daemon = Daemon(folder)
    port, problems = daemon.http_port, {}
    for number, (_, _, sent, expected, _) in enumerate(CASES):
        problems[number] = compare(port, tagged(sent, number), expected, piece)
    wrong, events = daemon.stop()
    there = stored(events)
    for number, (name, section, sent, _, which) in enumerate(CASES):
        found = "".join(sorted(there.pop(f"{number:04d}", "")))
        if found != which:
            problems[number].append(f"events in the log: {found or 'none'}, not {which or 'none'}")
        tally.check(name, f"RFC {section}, {how}", sent, "; ".join(problems[number]))
    tally.check("the daemon lives on", how, b"", "; ".join(wrong + [f"{key}: {there[key]}" for key in there]))


def compare(port, sent, expected, piece):
    """What is not as expected in the answers."""
    closes, ends = expected.endswith("!"), expected.endswith("/")
    statuses = [int(status) for status in expected.rstrip("!/").split()]
    if not closes and not ends:
        sent, statuses = sent + FENCE, [*statuses, 404]
    came, has_ended = exchange(port, sent, half_close=ends, piece=piece)
    found = answers(came)
    problems = []
    if [answer.status for answer in found] != statuses:
        problems.append(f"{found}, not {' '.join(map(str, statuses))}")
    if not has_ended:
        problems.append("the connection stays open")
    for answer in found:
        if answer.status >= 200 and "date" not in answer.fields:
            problems.append(f"an answer without Date (RFC 9110-6.6.1): {answer}")
        if answer.status == 405 and "allow" not in answer.fields:
            problems.append(f"405 without Allow (RFC 9110-15.5.6): {answer}")
        if answer.status >= 400 and answer.body and not answer.body.startswith(b"{"):
            problems.append(f"no cause: {answer}")
    if closes and found and found[-1].fields.get("connection") != "close":
        problems.append(f"the last answer does not say that it is (RFC 9112-9.6): {found[-1]}")
    return problems


def behind(tally, proxy, folder):
    daemon = Daemon(folder)
    found, problems = {}, collections.defaultdict(list)
    with proxy(daemon.http_port, folder) as port:
        for number, (_, _, sent, expected, _) in enumerate(CASES):
            half = expected.endswith("/")
            came, _ = exchange(port, tagged(sent, number) + (b"" if half else FENCE), timeout=PROXY_SECONDS)
            found[number] = answers(came)
            problems[number] += probe(port, number)
    wrong, events = daemon.stop()
    there = stored(events)
    for number, (name, section, sent, _, _) in enumerate(CASES):
        which = "".join(sorted(there.pop(f"{number:04d}", "")))
        told = sum(answer.json.get("stored", 0) for answer in found[number] if answer.status == 200)
        if told != len(which):
            problems[number].append(f"{told} events were answered, in the log are {which or 'none'}: {found[number]}")
        if any(answer.status in (502, 504) for answer in found[number]):
            problems[number].append(f"proxy and daemon do not understand each other: {found[number]}")
        if there.pop(f"p{number:04d}", "") != "12":
            problems[number].append("the request behind it is not in the log")
        tally.check(name, f"RFC {section}, behind {proxy.name}", sent, "; ".join(problems[number]))
    tally.check("the daemon lives on", proxy.name, b"", "; ".join(wrong + [f"{key}: {there[key]}" for key in there]))


def probe(port, number):
    """An honest request, on the same connections of the proxy: its answer must be its own."""
    lines = b"".join(b'{"product":"p","device":"p%04d-%d","type":"feature.used","aspect":"a"}\n' % (number, which)
                     for which in (1, 2))
    came, _ = exchange(port, PROBE % (len(lines), lines))
    found = answers(came)
    is_own = len(found) == 1 and found[0].status == 200 and found[0].json.get("stored") == 2
    return [] if is_own else [f"an honest request behind it is answered {found}"]
