#!/usr/bin/env python3
"""The summary of one product, computed from NDJSON by other means than the daemon's, to check it against.

usage: reference_summary.py [--compare SUMMARY.json] [--product PRODUCT] EVENTS.ndjson ...

Reads events in the short form (what devices post) or in the canonical form (what `tidings log export` prints); files
ending in .gz are not read, `-` is standard input. Without --product it takes the product of --compare, or else the
one with most events. Prints the keys of `tidings summary PRODUCT --format json`. With --compare it prints every
difference instead and exits with 1 if there is one: counts, histograms, preferences and devices must be equal,
quantiles within 1 %, means within 1e-9, distinct customers within 3 %.

Python's standard library only; nothing here is taken from the daemon's code.
"""
import argparse
import datetime
import json
import pathlib
import re
import sys
from collections import Counter, defaultdict

KINDS = ["preference.set", "rating.given", "feature.used", "feedback.text", "fault.seen"]
OTHERS = [
    "state.reported", "consent.given", "consent.withdrawn", "receipt", "data.requested", "erasure.requested"]
# What the daemon writes of itself.
OWN = [
    "customer.erased", "audited", "setting", "reply", "notice", "question", "settings", "addressed", "closed",
]
ALIASES = {"feedback.given": "feedback.text"}
SEQUENCE = re.compile(r"^(0|[1-9][0-9]*)-(0|[1-9][0-9]*)$")
ONE_TO_TEN = 255
# The base, factor and offset of each unit that devices name.
UNITS = {
    unit["senml"]: (unit["base"], unit["factor"], unit["offset"])
    for unit in json.loads(
        (pathlib.Path(__file__).resolve().parent.parent / "schemas/units.json").read_text(encoding="utf-8"))["units"]
}
MOST_UNITS = 32
SCALES = {0: "1-5", 1: "0-1", 10: "0-10", ONE_TO_TEN: "1-10"}


def milliseconds(value):
    """An event's time as milliseconds since 1970, or None."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value)
    time = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (time - epoch) // datetime.timedelta(milliseconds=1)


def day_of(time):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=time // 86_400_000)).isoformat()


def kind_of(event):
    name = event.get("type", "")
    if name.startswith("org.tidings."):
        name = name[len("org.tidings."):].rsplit(".v", 1)[0]
    return ALIASES.get(name, name)


def identity(event):
    """(epoch, seq) of a numbered event, else None."""
    name = event.get("id")
    if isinstance(name, int) and not isinstance(name, bool):
        return (0, name)
    match = SEQUENCE.match(name) if isinstance(name, str) else None
    return (int(match[1]), int(match[2])) if match else None


def scale_of(event):
    if "scale" in event:
        return event["scale"]
    best, worst = event.get("bestRating"), event.get("worstRating")
    if best is None and worst is None:
        return 0
    if best == 10:
        return 10 if worst == 0 else ONE_TO_TEN
    if best == 1:
        return 1
    return 0 if best in (None, 5) else int(best)


class Aspect:
    def __init__(self):
        self.kinds = Counter()
        self.devices, self.customers = set(), set()
        self.now = {}          # device -> (order, value)
        self.sets = Counter()  # choice -> sets
        self.unit = None       # the aspect's own: that of the first number that has one
        self.numbers = []
        self.others = {}       # unit that cannot be converted to it -> numbers
        self.ratings = defaultdict(list)
        self.use_total = 0
        self.codes = defaultdict(lambda: [0, 0, 0])
        self.fault_total = self.max_severity = 0


class Product:
    def __init__(self):
        self.kinds, self.quarantined = Counter(), Counter()
        self.devices, self.customers = set(), set()
        self.aspects = defaultdict(Aspect)
        self.days = defaultdict(lambda: (Counter(), set(), set()))
        self.ratings = []
        self.texts = []
        self.missing = 0


def fold(product, event, order):
    kind = kind_of(event)
    if event.get("quarantined") or kind not in KINDS + OTHERS + ["gap"]:
        product.quarantined[event.get("quarantined") or "unknown_type"] += 1
        return
    if kind == "gap":
        product.missing += event.get("count", 1)
        return
    label = kind if kind in KINDS else "other"
    device, customer, time = event.get("device"), event.get("customer"), milliseconds(event.get("time"))
    product.kinds[label] += 1
    members = [(product.devices, product.customers)]
    if time is not None:
        counts, devices, customers = product.days[day_of(time)]
        counts[label] += 1
        members.append((devices, customers))
    aspect = product.aspects[event["aspect"]] if event.get("aspect") else None
    if aspect:
        aspect.kinds[label] += 1
        members.append((aspect.devices, aspect.customers))
    for devices, customers in members:
        if device:
            devices.add(device)
        if customer:
            customers.add(customer)
    value = event.get("value")
    if kind in ("preference.set", "state.reported") and aspect and is_number(value):
        aspect.unit = aspect.unit or event.get("unit")
    if kind == "preference.set":
        prefer(aspect, event, device, value, order)
    elif kind == "rating.given":
        scale = scale_of(event)
        aspect.ratings[scale].append(float(value))
        if scale == 0:
            product.ratings.append(float(value))
    elif kind == "feature.used":
        aspect.use_total += event.get("count", value if value is not None else 1)
    elif kind == "fault.seen":
        fault(aspect, event, value)
    if kind in ("feedback.text", "rating.given"):
        text = event.get("text") or (value if isinstance(value, str) else None)
        if text:
            product.texts.append({"aspect": event.get("aspect", ""), "text": text})


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def convert(number, unit, other):
    """A number of a unit in another one; None when that cannot be."""
    if unit == other:
        return number
    (base, factor, offset), (other_base, other_factor, other_offset) = (
        UNITS.get(name, (f"unknown {name}", 1, 0)) for name in (unit, other))
    return (number * factor + offset - other_offset) / other_factor if base == other_base else None


def in_unit(aspect, number, unit):
    """(unit, number) as it counts: in the aspect's own unit (None), or in one of those that are kept apart."""
    converted = convert(number, unit or aspect.unit, aspect.unit)
    if converted is not None:
        return None, converted
    for other in aspect.others:
        converted = convert(number, unit, other)
        if converted is not None:
            return other, converted
    if len(aspect.others) < MOST_UNITS:
        aspect.others[unit] = []
        return unit, number
    return "", number


def prefer(aspect, event, device, value, order):
    if value in ("true", "false"):
        value = value == "true"
    if isinstance(value, str):
        aspect.sets[value] += 1
    elif is_number(value):
        value = in_unit(aspect, float(value), event.get("unit"))
        if value[0] is None:
            aspect.numbers.append(value[1])
        elif value[0]:
            aspect.others[value[0]].append(value[1])
    if not device:
        return
    number = identity(event)
    before = aspect.now.get(device)
    if number is None:
        aspect.now[device] = (before[0] if before else (-1, -1), value)
        return
    rank = (order(device, number[0]), number[1])
    if before is None or rank > before[0]:
        aspect.now[device] = (rank, value)


def fault(aspect, event, value):
    times, severity = event.get("count", 1), event.get("severity", 0)
    aspect.fault_total += times
    aspect.max_severity = max(aspect.max_severity, severity)
    if isinstance(value, str):
        code = aspect.codes[value]
        code[0] += 1
        code[1] += times
        code[2] = max(code[2], severity)


def read(paths):
    """Every product's events folded, each once."""
    products, seen, epochs = defaultdict(Product), set(), {}
    for path in paths:
        with (sys.stdin if path == "-" else open(path, encoding="utf-8")) as lines:
            for line in lines:
                if not line.strip():
                    continue
                event = json.loads(line)
                if kind_of(event) in OWN and not event.get("quarantined"):
                    continue
                name = event["product"]
                if event.get("id") is not None:
                    key = (name, event.get("device"), identity(event) or event["id"])
                    if key in seen and kind_of(event) != "gap":
                        continue
                    seen.add(key)

                # The order of a device's epochs is that of their first event.
                def order(device, epoch):
                    known = epochs.setdefault((name, device), {})
                    return known.setdefault(epoch, len(known))

                number = identity(event)
                if number and event.get("device"):
                    order(event["device"], number[0])
                fold(products[name], event, order)
    return products


def rating(scale, values):
    if scale == 10:
        low, high, top = 0, 10, 9
    elif scale == 1:
        low, high, top = 0, 1, 0.75
    else:
        low, high = 1, {0: 5, ONE_TO_TEN: 10}.get(scale, scale)
        top = low + 0.75 * (high - low)
    if high - low <= 10:
        places = Counter(int(value - low + 0.5) for value in values)
        histogram = [places[place] for place in range(high - low + 1)]
    else:
        places = Counter(int((value - low) / (high - low) * 10 + 0.5) for value in values)
        histogram = [places[place] for place in range(11)]
    best = sum(1 for value in values if value >= top)
    return {
        "scale": SCALES.get(scale, f"1-{scale}"), "count": len(values), "mean": sum(values) / len(values),
        "top_share": best / len(values), "histogram": histogram,
    }


def preference(aspect):
    now = [value for _, value in aspect.now.values()]
    words = Counter(value for value in now if isinstance(value, str))
    flags = Counter(value for value in now if isinstance(value, bool))
    numbers = held(now, None)
    choices = [
        {"value": word, "devices": words[word], "share": words[word] / max(1, len(now)), "sets": sets}
        for word, sets in aspect.sets.items()
    ]
    if flags:
        for flag in (True, False):
            share = flags[flag] / max(1, len(now))
            choices.append({"value": "true" if flag else "false", "devices": flags[flag], "share": share})
    choices.sort(key=lambda choice: (-choice["devices"], -choice.get("sets", 0), choice["value"]))
    result = {"sets": aspect.kinds["preference.set"], "devices": len(now), "choices": choices}
    if aspect.numbers:
        result["numbers"] = distribution(aspect.unit, numbers, aspect.numbers)
    others = [distribution(unit, held(now, unit), sets) for unit, sets in aspect.others.items()]
    if others:
        result["other_units"] = sorted(others, key=lambda other: (-other["devices"], other["unit"].encode()))
    return result


def held(now, unit):
    return sorted(value[1] for value in now if isinstance(value, tuple) and value[0] == unit)


def distribution(unit, numbers, sets):
    result = {"devices": len(numbers), "unit": unit}
    if numbers:
        for percent in (5, 25, 50, 75, 95):
            result[f"p{percent}"] = numbers[(len(numbers) - 1) * percent // 100]
        result["mean_now"] = sum(numbers) / len(numbers)
    result.update(sets=len(sets), mean=sum(sets) / len(sets), min=min(sets), max=max(sets))
    return result


def kinds(counts):
    return {name: counts[name] for name in KINDS + ["other"]}


def summarise(name, product):
    aspects = []
    for word, aspect in product.aspects.items():
        summary = {
            "aspect": word, "events": sum(aspect.kinds.values()), "kinds": kinds(aspect.kinds),
            "devices": len(aspect.devices), "customers": len(aspect.customers),
        }
        if aspect.kinds["preference.set"]:
            summary["preference"] = preference(aspect)
        summary["ratings"] = sorted(
            (rating(scale, values) for scale, values in aspect.ratings.items()), key=lambda r: -r["count"])
        summary["use"] = {"events": aspect.kinds["feature.used"], "total": aspect.use_total}
        codes = [
            {"code": code, "events": events, "total": total, "max_severity": severity}
            for code, (events, total, severity) in aspect.codes.items()
        ]
        codes.sort(key=lambda code: (-code["total"], code["code"]))
        summary["faults"] = {
            "events": aspect.kinds["fault.seen"], "total": aspect.fault_total, "max_severity": aspect.max_severity,
            "codes": codes,
        }
        aspects.append(summary)
    aspects.sort(key=lambda aspect: (-aspect["events"], aspect["aspect"]))
    result = {
        "product": name, "events": sum(product.kinds.values()), "kinds": kinds(product.kinds),
        "devices": len(product.devices), "customers": len(product.customers),
        "quarantined": dict(product.quarantined), "missing": product.missing,
    }
    if product.ratings:
        result["rating"] = rating(0, product.ratings)
    result["aspects"] = aspects
    result["texts"] = product.texts[:-11:-1]
    result["days"] = [
        {
            "day": day, "events": sum(counts.values()), "kinds": kinds(counts), "devices": len(devices),
            "customers": len(customers),
        }
        for day, (counts, devices, customers) in sorted(product.days.items())
    ]
    return result


def tolerance(path):
    """How far a number may be off, relatively."""
    last = path[-1]
    if last in ("p5", "p25", "p50", "p75", "p95"):
        return 0.01
    if last == "customers" or (last == "devices" and path[0] == "days"):
        return 0.03
    return 1e-9 if last in ("mean", "mean_now", "share", "top_share", "min", "max") else 0


def compare(wanted, found, path=()):
    """Yields every difference; keys that only the daemon prints are not compared."""
    where = ".".join(map(str, path))
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            yield f"{where}: missing"
            return
        for key, value in wanted.items():
            if key not in found:
                yield f"{where}.{key}: missing"
            else:
                yield from compare(value, found[key], path + (key,))
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(wanted) != len(found):
            yield f"{where}: {len(wanted)} entries expected, {len(found or [])} found"
            return
        for index, (left, right) in enumerate(zip(wanted, found)):
            yield from compare(left, right, path + (index,))
    elif isinstance(wanted, (int, float)) and isinstance(found, (int, float)):
        if abs(wanted - found) > tolerance(path) * abs(wanted) + (1e-12 if tolerance(path) else 0):
            yield f"{where}: {wanted} expected, {found} found"
    elif wanted != found:
        yield f"{where}: {wanted!r} expected, {found!r} found"


def main():
    parser = argparse.ArgumentParser(description="Compute a product's summary independently, or compare one.")
    parser.add_argument("events", nargs="+", help="NDJSON files, - for standard input")
    parser.add_argument("--product", help="the product; default: that of --compare, or the one with most events")
    parser.add_argument("--compare", metavar="FILE", help="output of `tidings summary PRODUCT --format json`")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="KEY", help="a key not to compare, such as texts or days")
    arguments = parser.parse_args()
    products = read(arguments.events)
    found = None
    if arguments.compare:
        with open(arguments.compare, encoding="utf-8") as file:
            found = json.load(file)
    name = arguments.product or (found and found["product"])
    name = name or max(products, key=lambda name: sum(products[name].kinds.values()))
    if name not in products:
        sys.exit(f"no events of {name!r}")
    wanted = summarise(name, products[name])
    if found is None:
        json.dump(wanted, sys.stdout, ensure_ascii=False)
        print()
        return 0
    for key in arguments.ignore:
        wanted.pop(key, None)
    differences = list(compare(wanted, found))
    for difference in differences[:50]:
        print(difference)
    print(f"{name}: {len(differences)} differences over {wanted['events']} events")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
