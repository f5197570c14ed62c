"""What every message has become at every device: a second fold of the exported log, without any code of the daemon's.

By docs/messages.md: who is addressed gets an entry; receipts and answers are a join, so their order is of no matter; of
two closings the first holds; of settings the narrower target wins, then the newer one; a customer's own later choice
wins by the device's own numbers. Of consent nothing is known here: messages need another basis.
"""

import base64
import collections

RANK = {"queued": 1, "sent": 2, "received": 3, "shown": 4, "dismissed": 5, "refused": 6, "answered": 7, "applied": 8}
OVER = {"failed", "expired", "cancelled", "superseded", "withheld"}
CLOSED = {1: "expired", 2: "cancelled", 3: "superseded"}
POLICIES = ("offer", "default", "require")
PENDING = 64
SENDS = {"notice", "question", "reply", "setting"}


class Message:
    def __init__(self, event):
        scale = event.get("scale", 0)
        self.id, self.number = event["cause"], number_of(event["cause"])
        self.product, self.kind = event["product"], event["type"]
        self.aspect, self.value = event.get("aspect"), event.get("value")
        self.device, self.collapse = event.get("device"), event.get("notice")
        self.is_setting = self.kind == "setting"
        self.policy, self.is_live, self.scope = POLICIES[scale & 3], bool(scale & 32), scale >> 6
        self.closing, self.addressed, self.partial = None, False, []
        self.states = {}            # device -> state
        self.applied = {}           # device -> the highest number with which it was
        self.chosen = {}

    def is_replaced_by(self, newer):
        if self.product != newer.product or self.number >= newer.number:
            return False
        if self.is_setting or newer.is_setting:
            return self.is_setting and newer.is_setting and self.aspect == newer.aspect
        return bool(self.collapse) and self.collapse == newer.collapse


def number_of(cause):
    return int(cause[1:].split("-")[0])


class Oracle:
    """names: device number -> (product, device)."""

    def __init__(self, names):
        self.names = names
        self.messages = {}
        self.devices = collections.OrderedDict()    # (product, device), in the order of their first events
        self.preferring = set()                     # (product, device, aspect) that a customer has chosen
        self.strays = 0

    def fold(self, event):
        if event.get("quarantine"):
            return
        kind = event["type"]
        if kind in SENDS:
            message = Message(event)
            self.messages.setdefault(message.number, message)
        elif kind == "addressed":
            self.address(event)
        elif kind == "closed":
            self.close(event)
        elif "device" in event:
            self.hear(event)

    # Who is addressed, and until when.

    def address(self, event):
        message = self.messages.get(number_of(event["cause"]))
        if message is None or message.closing or message.addressed:
            return
        form = event.get("scale")
        if form == 1:
            message.partial = [key for key in self.devices if key[0] == message.product]
        elif form == 2:
            message.partial += [self.names[number] for number in event.get("payload", [])]
        else:
            text = event["payload"]
            for index, byte in enumerate(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))):
                message.partial += [self.names[event.get("count", 0) + index * 8 + bit] for bit in range(8)
                                    if byte >> bit & 1]
        if not event.get("severity", 0) & 1:
            return
        message.addressed = True
        if not message.is_live:
            for key in message.partial:
                if key in self.devices and key[0] == message.product:
                    self.enter(message, key)

    def enter(self, message, key):
        if key in message.states:
            return
        if message.is_setting:
            if message.policy == "default" and (*key, message.aspect) in self.preferring:
                message.states[key] = "overridden"
                return
            if self.is_outranked(message, key):
                message.states[key] = "superseded"
                return
        for older in self.open():
            if older.is_replaced_by(message) and (not message.is_setting or older.scope <= message.scope):
                if older.states.get(key) in ("queued", "sent", "withheld"):
                    older.states[key] = "superseded"
        waiting = sum(other.states.get(key) in ("queued", "sent") for other in self.messages.values())
        message.states[key] = "queued" if waiting < PENDING else "withheld"

    def open(self):
        return [message for message in self.messages.values() if not message.closing]

    def is_outranked(self, message, key):
        return any(other.is_setting and other.product == message.product and other.aspect == message.aspect
                   and other.scope > message.scope
                   and other.states.get(key) in (*RANK, "withheld") for other in self.open())

    def close(self, event):
        message = self.messages.get(number_of(event["cause"]))
        if message is None or message.closing:
            return
        message.closing = CLOSED[event["scale"]]
        for key, state in message.states.items():
            if state in ("queued", "sent", "withheld"):
                message.states[key] = message.closing

    # What devices say.

    def hear(self, event):
        key = (event["product"], event["device"])
        is_own = event["type"] == "receipt" and event.get("evidence") == "transport"
        if not is_own:
            self.devices.setdefault(key)
        order = tuple(map(int, event["id"].split("-"))) if "-" in event.get("id", "") else None
        if "cause" in event:
            self.answer(event, key, order, is_own)
        is_chosen = event["type"] == "preference.set" and ("customer" in event or event.get("origin") == "user")
        if "value" in event and event["type"] in ("preference.set", "state.reported"):
            for message in self.open():
                if not (message.is_setting and message.addressed and message.product == key[0]
                        and message.aspect == event.get("aspect")):
                    continue
                if event["type"] == "state.reported":
                    if event["value"] == message.value and key in message.states:
                        self.apply(message, key, order)
                elif is_chosen:
                    self.choose(message, key, order)
        if event["type"] == "preference.set":
            self.preferring.add((*key, event.get("aspect")))

    def answer(self, event, key, order, is_own):
        message = self.messages.get(number_of(event["cause"]))
        if message is None or ("-" in event["cause"] and event["cause"] != message.id) or message.product != key[0]:
            self.strays += 1
            return
        if key not in message.states:
            if not (message.is_live and message.addressed and not message.closing):
                self.strays += 1
                return
            message.states[key] = "queued"
        state = message.states[key]
        if event["type"] != "receipt":
            message.states[key] = joined(state, "answered")
            return
        stage = event.get("stage")
        if stage == "failed":
            if not is_own:
                message.states[key] = joined(state, "refused")
            elif state in ("queued", "sent") or self.is_contested(message, key):
                message.states[key] = "failed"
        elif stage == "sent":
            if state == "queued":
                message.states[key] = "sent"
        elif stage == "applied" and message.is_setting:
            self.apply(message, key, order)
        elif stage:
            message.states[key] = joined(state, stage)

    def apply(self, message, key, order):
        message.applied[key] = max(message.applied.get(key, (0, 0)), order)
        self.settle(message, key, True)

    def choose(self, message, key, order):
        is_required = message.policy == "require"
        if key not in message.states:
            if not message.is_live or is_required:
                return
            message.states[key] = "queued"
        message.chosen[key] = max(message.chosen.get(key, (0, 0)), order)
        if not is_required:
            self.settle(message, key, False)

    def is_contested(self, message, key):
        """Whether the customer has undone a setting that has to stay, or the device has refused it for that."""
        chosen, applied = message.chosen.get(key), message.applied.get(key)
        if message.policy != "require" or message.closing or chosen is None or (applied and applied >= chosen):
            return False
        state = message.states[key]
        return state == "refused" or (applied is not None and state in RANK and state not in ("queued", "sent"))

    def settle(self, message, key, is_applied):
        state = message.states[key]
        is_undone = key in message.chosen and message.chosen[key] > message.applied.get(key, (-1, -1))
        if is_undone and message.policy != "require":
            if state in RANK:
                message.states[key] = "overridden"
        elif is_applied:
            message.states[key] = "applied" if state == "overridden" else joined(state, "applied")


def joined(state, evidence):
    if state in ("overridden", "left"):
        return state
    if state in OVER:
        return state if evidence == "sent" else evidence
    return evidence if RANK[evidence] > RANK[state] else state


def compare(events, names, deliveries):
    """Folds the log's events, and says what is not as in `deliveries`: (message number, device number, state)."""
    oracle = Oracle(names)
    for event in events:
        oracle.fold(event)
    wanted = {(message.number, key): state for message in oracle.messages.values()
              for key, state in message.states.items()}
    found = {(message, names[device]): state for message, device, state in deliveries}
    return [f"m{key[0]} at {'/'.join(key[1])} is {found.get(key)}, by the oracle {wanted.get(key)}"
            for key in sorted({*wanted, *found}) if wanted.get(key) != found.get(key)]
