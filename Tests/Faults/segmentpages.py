"""Which blocks of a segment stand on which of its pages, read from SQLite's file format without SQLite.

The layout: https://www.sqlite.org/fileformat2.html. Used to say what a damaged byte may cost at most.
"""

import pathlib

PAGE = 4096
BLOCK_COLUMNS = (11, 18)    # of the table `block`, in format 2 and from format 3 on
COMPRESSED = (10, 17)       # its columns `body` and `text`, of which a reader puts one changed byte right


def varint(data, at):
    value = 0
    for index in range(9):
        byte = data[at + index]
        if index == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7f
        if byte < 0x80:
            return value, at + index + 1


class Pages:
    """A segment's pages: those of the file, under the newer ones of its write-ahead log."""

    def __init__(self, path):
        self.file = pathlib.Path(path).read_bytes()
        wal = pathlib.Path(f"{path}-wal")
        data = wal.read_bytes() if wal.exists() else b""
        frames = [data[at:at + PAGE + 24] for at in range(32, len(data) - PAGE - 23, PAGE + 24)]
        frames = [frame for frame in frames if frame[8:16] == data[16:24]]
        committed = max((n for n, frame in enumerate(frames) if frame[4:8] != bytes(4)), default=-1)
        self.newer = {int.from_bytes(frame[:4], "big"): frame[24:] for frame in frames[:committed + 1]}
        self.count = max([len(self.file) // PAGE] + list(self.newer))
        self.touched = {}    # page: first offsets of the blocks that need it
        self.bodies = []     # (first byte, byte behind, first offset) of parts of bodies and texts, in the file
        for number in range(1, self.count + 1):
            self.look(number)

    def page(self, number):
        return self.newer.get(number) or self.file[(number - 1) * PAGE:number * PAGE]

    def look(self, number):
        page = self.page(number)
        header = 100 if number == 1 else 0
        if page[header] != 13:
            return
        for index in range(int.from_bytes(page[header + 3:header + 5], "big")):
            at = header + 8 + 2 * index
            self.cell(number, page, int.from_bytes(page[at:at + 2], "big"))

    def cell(self, number, page, at):
        size, at = varint(page, at)
        key, at = varint(page, at)
        local = size
        if size > PAGE - 35:
            least = (PAGE - 12) * 32 // 255 - 23
            local = least + (size - least) % (PAGE - 4)
            local = local if local <= PAGE - 35 else least
        parts = [(number, at, local)]
        done, follows = local, int.from_bytes(page[at + local:at + local + 4], "big") if local < size else 0
        while done < size:
            count = min(PAGE - 4, size - done)
            parts.append((follows, 4, count))
            follows, done = int.from_bytes(self.page(follows)[:4], "big"), done + count
        record = b"".join(self.page(n)[start:start + count] for n, start, count in parts)
        end, place = varint(record, 0)
        types = []
        while place < end:
            kind, place = varint(record, place)
            types.append(kind)
        sizes = [(kind - 12) // 2 if kind > 11 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] for kind in types]
        if len(types) in BLOCK_COLUMNS and types[0] == 0:
            for n, _, _ in parts:
                self.touched.setdefault(n, set()).add(key)
            for column in COMPRESSED:
                if column < len(types):
                    begin = end + sum(sizes[:column])
                    self.place_body(parts, begin, begin + sizes[column], key)
        elif len(types) == 4 and types[3] & 1:      # a word: the block that recorded it
            begin = end + sizes[0] + sizes[1]
            block = int.from_bytes(record[begin:begin + sizes[2]], "big") if types[2] != 9 else 1
            self.touched.setdefault(number, set()).add(block)

    def place_body(self, parts, begin, end, key):
        """Notes where the bytes of a record from `begin` to `end` stand in the file."""
        done = 0
        for number, start, count in parts:
            first, last = max(begin, done), min(end, done + count)
            if first < last and number not in self.newer:
                place = (number - 1) * PAGE + start - done
                self.bodies.append((place + first, place + last, key))
            done += count

    def blocks_on(self, number):
        """The blocks that a page of the file concerns; none when a newer one stands in the write-ahead log."""
        return set() if number in self.newer else self.touched.get(number, set())

    def is_in_body(self, byte):
        return any(begin <= byte < end for begin, end, _ in self.bodies)
