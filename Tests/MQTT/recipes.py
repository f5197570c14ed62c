"""What docs/devices.md says of MQTT, run as it stands there."""

import json
import re
import shutil
import subprocess

import mqtt_clients
import rig

LINE = {"product": "kettle", "device": "k-1", "id": 1, "type": "feature.used", "aspect": "boil"}


def run(site, options, folder):
    """Without TLS and keys, as there."""
    if site.is_secure:
        return []
    text = (rig.ROOT / "docs/devices.md").read_text()
    section = re.search(r"^## MQTT\n(.*?)(?=^## )", text, re.S | re.M).group(1)
    found = re.findall(r"^```(\w+)\n(.*?)^```", section, re.S | re.M)
    site.start(folder, [])
    (folder / "events.ndjson").write_text(json.dumps(LINE) + "\n")
    problems = []
    for language, code in found:
        program = {"sh": ["sh", "-euc"], "python": [mqtt_clients.python(), "-c"]}[language]
        if language == "sh" and not shutil.which("mosquitto_pub"):
            print("check-mqtt: left out: a recipe with mosquitto_pub, which is not installed")
            continue
        done = subprocess.run([*program, code.replace("1883", str(site.port))], cwd=folder, capture_output=True,
                              text=True, timeout=60)
        if done.returncode != 0 or done.stderr or language == "python" and '"stored": true' not in done.stdout:
            problems.append(f"docs/devices.md: {code}{done.stdout}{done.stderr}")
    problems += site.stop()
    stored = sorted(event["id"] for event in rig.read_log(folder))
    if stored != ["0-1", "0-10", "0-11"] and shutil.which("mosquitto_pub"):
        problems.append(f"docs/devices.md: in the log are {stored}")
    print(f"check-mqtt: {len(found)} recipes of docs/devices.md: {len(stored)} events stored", flush=True)
    return problems
