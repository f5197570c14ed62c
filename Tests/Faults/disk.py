"""A disk that follows a record of changes and says what a power cut may leave of it; the models are in powercut.py."""

import os

MODELS = ("strict", "ext4", "kill")
# What --forget-syncs may forget: which paths.
SYNCS = {
    "all": lambda path: True, "folders": lambda path: "." not in os.path.basename(path),
    "log": lambda path: path.startswith("data/log/"), "commits": lambda path: path.endswith(".tidings-wal"),
    "names": lambda path: "identity" in path, "summaries": lambda path: "summaries" in path,
}


class Inode:
    __slots__ = ("base", "later", "entries", "changes", "is_new", "plain")

    def __init__(self, is_folder=False):
        self.base = bytearray()     # what is certain
        self.later = []             # ("W", offset, data, order) or ("T", size, None, order): not synced
        self.entries = {} if is_folder else None    # the same for a folder's names
        self.changes = []           # (name, inode or None, former name or None, order)
        self.plain = None           # `base` as bytes
        self.is_new = True          # has changes of names or sizes that no fsync made certain


def apply(content, op, at, piece):
    if op == "T":
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at:at + len(piece)] = piece


class Disk:
    """Follows a record, and makes disks after a cut."""

    def __init__(self, folder_is_new, forget_syncs=None):
        self.root = Inode(is_folder=True)
        self.now = {".": self.root}     # path -> inode, as a running process sees it
        self.numbers = {}               # the file system's number -> inode
        self.order = self.certain = 0   # changes of names and sizes, and up to which ext4 has made them certain
        self.forget_syncs = forget_syncs
        if not folder_is_new:
            self.enter("data", Inode(is_folder=True))
            self.sync(self.root)

    def folder_of(self, path):
        return self.now[os.path.dirname(path) or "."]

    def change(self, folder, name, inode, former=None):
        self.order += 1
        folder.changes.append((name, inode, former, self.order))

    def enter(self, path, inode):
        self.now[path] = inode
        self.change(self.folder_of(path), os.path.basename(path), inode)

    def follow(self, op, number, value, path, piece):
        if op in "CM":
            self.numbers[number] = Inode(is_folder=op == "M")
            self.enter(path, self.numbers[number])
        elif op in "WT":
            inode = self.numbers[number]
            grows = op == "T" or value + len(piece) > self.length(inode)
            if grows:
                self.order += 1
                inode.is_new = True
            inode.later.append((op, value, piece, self.order))
        elif op == "S":
            # Folders by name: the data folder may have been there before the record began.
            inode = self.now[path] if value else self.numbers.get(number)
            if not value:
                path = next((path for path, other in self.now.items() if other is inode), "")
            if inode and not (self.forget_syncs and SYNCS[self.forget_syncs](path)):
                self.sync(inode)
        elif op == "R":
            former = piece.decode()
            inode = self.now.pop(former)
            self.now[path] = inode
            inode.is_new = True
            self.change(self.folder_of(path), os.path.basename(path), inode, os.path.basename(former))
        elif op == "L":
            inode = self.now[path] = self.now[piece.decode()]
            inode.is_new = True
            self.change(self.folder_of(path), os.path.basename(path), inode)
        elif op == "U" and path in self.now:
            del self.now[path]
            self.change(self.folder_of(path), os.path.basename(path), None)

    def length(self, inode):
        size = len(inode.base)
        for op, at, piece, _ in inode.later:
            size = at if op == "T" else max(size, at + len(piece))
        return size

    def sync(self, inode):
        if inode.entries is None:
            for op, at, piece, _ in inode.later:
                apply(inode.base, op, at, piece)
            inode.later, inode.plain = [], None
        else:
            for change in inode.changes:
                self.rename(inode.entries, change)
            inode.changes = []
        if inode.is_new or inode.entries is not None:
            self.certain = self.order
        inode.is_new = False

    @staticmethod
    def rename(entries, change):
        name, inode, former, _ = change
        if former:
            entries.pop(former, None)
        if inode:
            entries[name] = inode
        else:
            entries.pop(name, None)

    def after_cut(self, rng, model):
        """path -> bytes of one possible disk, and how it was made."""
        style = rng.choice(["nothing", "all", "prefix", "some", "some", "torn", "torn"])
        share = rng.choice([0.1, 0.5, 0.9])
        journal = rng.randint(self.certain, self.order)
        names = rng.choice([0.0, 0.5, 0.5, 1.0])
        if model == "kill":
            style, names = "all", 1.0
        files = {}

        def walk(folder, prefix):
            entries = dict(folder.entries)
            for change in folder.changes:
                if change[3] <= journal if model == "ext4" else rng.random() < names:
                    self.rename(entries, change)
            for name, inode in entries.items():
                if inode.entries is None:
                    files[prefix + name] = self.content(inode, rng, model, style, share, journal)
                else:
                    files[prefix + name + "/"] = None
                    walk(inode, prefix + name + "/")

        walk(self.root, "")
        return files, style

    def content(self, inode, rng, model, style, share, journal):
        if inode.plain is None:
            inode.plain = bytes(inode.base)
        if not inode.later or style == "nothing" and model == "strict":
            return inode.plain
        content = bytearray(inode.base)
        stop = rng.randint(0, len(inode.later)) if style == "prefix" else len(inode.later)
        longest = len(content)
        for index, (op, at, piece, order) in enumerate(inode.later):
            longest = max(longest, at + len(piece or b""))
            if op == "T":
                kept = order <= journal if model == "ext4" else \
                    style == "all" or style == "prefix" and index < stop or style in ("some", "torn") and \
                    rng.random() < share
                if kept:
                    apply(content, op, at, piece)
                    longest = len(content)
            elif style == "all" or style == "prefix" and index < stop:
                apply(content, op, at, piece)
            elif style == "prefix" and index == stop:
                apply(content, op, at, piece[:rng.randrange(len(piece) + 1) // 512 * 512])
            elif style == "some":
                if rng.random() < share:
                    apply(content, op, at, piece)
            elif style == "torn":
                grain = rng.choice([512, 4096])
                begin = at
                while begin < at + len(piece):
                    end = min((begin // grain + 1) * grain, at + len(piece))
                    if rng.random() < share:
                        apply(content, op, begin, piece[begin - at:end - at])
                    begin = end
        # The size may be there before what was written.
        if style != "nothing" and len(content) < longest and rng.random() < 0.3:
            content.extend(bytes(longest - len(content)))
        return bytes(content)
