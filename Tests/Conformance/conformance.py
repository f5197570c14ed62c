"""Holds the daemon against suites of others and of our own, over sockets; prints `N passed, N failed, N skipped`.

json         JSONTestSuite through every way in that takes JSON (a corpus)
cloudevents  the feature file of CloudEvents' HTTP binding (a corpus)
strictness   RFC 9112 and RFC 9110 as cases of our own, directly and behind nginx and haproxy
bad-input    bodies that are too large, half good, packed into each other, or cut
mqtt         the packet sequences of mosquitto's own tests (a corpus)

Usage: scripts/conformance [--corpora DIR] [SUITE ...]
Example: scripts/conformance --corpora ../shared/corpora json cloudevents
"""

import argparse
import pathlib
import shutil
import sys
import time

import bad_input
import cloud_events
import json_corpus
import mqtt_sequences
import strictness
from harness import Tally, rig

SUITES = {"json": json_corpus, "cloudevents": cloud_events, "strictness": strictness, "bad-input": bad_input,
          "mqtt": mqtt_sequences}


def main():
    parser = rig.Parser(prog="scripts/conformance", description=__doc__, add_help=True,
                        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"one of {', '.join(SUITES)} (default: all)")
    parser.add_argument("--corpora", metavar="DIR", help="the folder that holds json/, cloudevents/ and mqtt/; "
                        "without it these suites are skipped")
    parser.add_argument("--port", type=int, help="mqtt only: a server that runs already, on this machine, and relays")
    parser.add_argument("--keep", metavar="DIR", help="a folder for the data of the daemons, which is kept")
    options = parser.parse_args()
    for name in options.suites:
        if name not in SUITES:
            parser.error(f"no suite {name}; there are {', '.join(SUITES)}")
    if options.port and options.suites != ["mqtt"]:
        parser.error("--port goes with the suite mqtt alone")
    corpora = pathlib.Path(options.corpora) if options.corpora else None
    if corpora and not corpora.is_dir():
        parser.error(f"no folder {corpora}")
    total = Tally()
    scratch = rig.scratch_folder(options.keep)
    try:
        for name in options.suites or SUITES:
            tally, started = Tally(), time.monotonic()
            more = {"port": options.port} if options.port else {}
            SUITES[name].run(tally, pathlib.Path(scratch, name), corpora, **more)
            print(f"{name}: {tally}, {time.monotonic() - started:.1f} s", flush=True)
            total.passed += tally.passed
            total.failed += tally.failed
            total.skipped += tally.skipped
    finally:
        if not options.keep:
            shutil.rmtree(scratch, ignore_errors=True)
    print(total)
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
