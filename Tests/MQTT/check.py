"""What MQTT promises, asked with clients as they are and with packets that no client would send.

clients   mosquitto_pub, the Paho C programs, paho-mqtt and gmqtt say events twice, in every form and QoS: stored once,
          summaries equal to those of the same events over TCP
kills     kill -9 in a loop, for each QoS, under the clients' own retries: acknowledged = stored once
takeover  two clients with one id: no storm, both addresses logged once; a thousand clients with one id
input     bad packets, and much of what is good
recipes   what docs/devices.md says of MQTT, run as it stands there

Each without and with TLS and keys that are required.

Usage: scripts/check-mqtt [PART ...] [--scale PART] [--cycles N] [--seconds N] [--seed N] [--plain | --secure]
Example: scripts/check-mqtt clients --scale 0.1 --only paho-mqtt     a CI run: scripts/check-mqtt --short
"""

import argparse
import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "Tests/Faults"), str(ROOT / "Tests/Clients")]

import rig  # noqa: E402

import bad_packets  # noqa: E402
import every_client  # noqa: E402
import kills  # noqa: E402
import recipes  # noqa: E402
import takeover  # noqa: E402
from mqtt_site import Site  # noqa: E402

PARTS = {"clients": every_client, "kills": kills, "takeover": takeover, "input": bad_packets,
         "recipes": recipes}
SHORT = {"scale": 0.04, "cycles": 4, "seconds": 8}


def main():
    parser = rig.Parser(prog="scripts/check-mqtt", description=__doc__,
                        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--binary", default=rig.BINARY)
    parser.add_argument("--scale", type=float, default=1, help="what part of the events is sent (default: 1)")
    parser.add_argument("--cycles", type=int, default=50, help="kills for each QoS (default: 50)")
    parser.add_argument("--seconds", type=float, default=60, help="how long two clients fight (default: 60)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="clients, separated by commas; a part of the name is enough")
    parser.add_argument("--short", action="store_true", help="little of everything")
    parser.add_argument("--plain", action="store_true", help="without TLS and keys only")
    parser.add_argument("--secure", action="store_true", help="with TLS and keys only")
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it; it is emptied first")
    options = parser.parse_args()
    for name in options.parts:
        if name not in PARTS:
            parser.error(f"no part {name}; there are {', '.join(PARTS)}")
    for name, value in SHORT.items() if options.short else ():
        setattr(options, name, value)
    rig.BINARY = options.binary
    sites = [Site(is_secure) for is_secure in (False, True) if not (options.plain if is_secure else options.secure)]
    print(f"check-mqtt: seed {options.seed}", flush=True)
    folder, problems = pathlib.Path(rig.scratch_folder(options.keep)), []
    for name in options.parts or PARTS:
        for site in sites:
            began = time.monotonic()
            try:
                problems += PARTS[name].run(site, options, folder / f"{name}-{'secure' if site.is_secure else 'plain'}")
            finally:
                site.kill()
            print(f"check-mqtt: {name}{site.title}: {time.monotonic() - began:.0f} s", flush=True)
    for one in problems[:30]:
        print(f"check-mqtt: FAILED: {one}", file=sys.stderr)
    if problems:
        sys.exit(f"check-mqtt: {len(problems)} problems, seed {options.seed}; the folder {folder} is kept")
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print("check-mqtt: every promise kept")


if __name__ == "__main__":
    main()
