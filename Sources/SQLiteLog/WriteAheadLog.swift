// SQLite's write-ahead log, as far as it must be understood to find that it has rotted.
//
// SQLite takes the first frame whose checksum does not fit for the end of the log: it is right after a crash, where the
// last commit may be cut off, and wrong after a flipped bit, where every commit behind it would vanish in silence.

import FoundationEssentials
import Log
import SQLite

/// A `-wal` file, read whole. The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
struct WriteAheadLog {
    private var bytes: [UInt8]
    /// What the first frame that does not fit hides.
    private(set) var fault: Fault?

    struct Fault {
        /// The number of the frame, from 0.
        var frame: Int
        /// Commits at or behind it that were written in the same generation of the file.
        var commits: Int
    }

    private static let headerBytes = 32
    private static let frameBytes = 24 + Connection.Settings().pageSize

    /// Nil when there is no such file, or nothing in it.
    init?(_ path: String) {
        guard let data = try? Data(contentsOf: URL(filePath: path)),
            data.count >= Self.headerBytes + Self.frameBytes
        else { return nil }
        bytes = Array(data)
        fault = find()
    }

    /// A commit is flushed before the next one is written. So two of them behind a frame that does not fit mean that
    /// it did fit once; one alone may have been cut off by a crash, and was then never acknowledged.
    var isDamaged: Bool { (fault?.commits ?? 0) >= 2 }

    /// For each page that it holds, where its newest committed state begins in the file.
    var committedPages: [Int: Int] {
        let sound = fault?.frame ?? frames
        guard let last = (0..<sound).last(where: { number(start($0) + 4) != 0 }) else { return [:] }
        var pages: [Int: Int] = [:]
        for frame in 0...last { pages[Int(number(start(frame)))] = start(frame) + 24 }
        return pages
    }

    private var frames: Int { (bytes.count - Self.headerBytes) / Self.frameBytes }

    private func start(_ frame: Int) -> Int { Self.headerBytes + frame * Self.frameBytes }

    private func find() -> Fault? {
        let salts = self.salts
        var sum = checksum(0..<24, (0, 0), isBigEndian: isBigEndian)
        var isWhole = sum == stored(24) && number(8) == UInt32(Connection.Settings().pageSize)
        var fault: Fault?
        for frame in 0..<frames {
            let at = start(frame)
            if isWhole {
                sum = checksum(at..<at + 8, sum, isBigEndian: isBigEndian)
                sum = checksum(at + 24..<at + Self.frameBytes, sum, isBigEndian: isBigEndian)
                isWhole = stored(at + 8) == salts && sum == stored(at + 16)
            }
            guard !isWhole else { continue }
            if fault == nil { fault = Fault(frame: frame, commits: 0) }
            if stored(at + 8) == salts, number(at + 4) != 0 { fault?.commits += 1 }
        }
        return fault
    }

    /// The same frames with checksums that fit, so that SQLite reads all of them; what a page lost, the checks of the
    /// blocks find. Frames of an older generation, behind the last commit, are cut off.
    func repaired() -> [UInt8] {
        var repaired = self
        let salts = self.salts
        repaired.put(0x377f_0682, at: 0)
        repaired.put(3_007_000, at: 4)
        repaired.put(UInt32(Connection.Settings().pageSize), at: 8)
        repaired.put(salts.0, at: 16)
        repaired.put(salts.1, at: 20)
        var sum = repaired.checksum(0..<24, (0, 0), isBigEndian: false)
        repaired.put(sum.0, at: 24)
        repaired.put(sum.1, at: 28)
        let last = (0..<frames).last { stored(start($0) + 8) == salts && number(start($0) + 4) != 0 }
        for frame in 0...(last ?? 0) {
            let at = start(frame)
            repaired.put(salts.0, at: at + 8)
            repaired.put(salts.1, at: at + 12)
            sum = repaired.checksum(at..<at + 8, sum, isBigEndian: false)
            sum = repaired.checksum(at + 24..<at + Self.frameBytes, sum, isBigEndian: false)
            repaired.put(sum.0, at: at + 16)
            repaired.put(sum.1, at: at + 20)
        }
        return Array(repaired.bytes[..<start((last ?? 0) + 1)])
    }

    /// Mends the file, keeping the damaged one beside it under `.damaged`. Nobody may have it open.
    func repair(_ path: String) throws(LogError) {
        let draft = path + ".partial"
        do {
            try Data(repaired()).write(to: URL(filePath: draft))
        } catch {
            throw .io("\(draft): \(error)")
        }
        try Files.copy(path, to: path + ".damaged")
        try Files.copy(draft, to: draft + ".whole")
        try Files.rename(draft + ".whole", to: path)
        Files.remove(draft)
    }

    /// The salts of this generation: those of the header, or, when no frame has these, those of the first frame.
    private var salts: (UInt32, UInt32) {
        let header = stored(16)
        let isInUse = (0..<frames).contains { stored(start($0) + 8) == header }
        return isInUse ? header : stored(start(0) + 8)
    }

    private var isBigEndian: Bool { number(0) & 1 == 1 }

    private func number(_ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
    }

    private func stored(_ at: Int) -> (UInt32, UInt32) { (number(at), number(at + 4)) }

    private mutating func put(_ value: UInt32, at: Int) {
        for index in 0..<4 { bytes[at + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index)) }
    }

    private func checksum(
        _ range: Range<Int>, _ start: (UInt32, UInt32), isBigEndian: Bool
    ) -> (UInt32, UInt32) {
        var (first, second) = start
        for at in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
            let (a, b) = stored(at)
            first = first &+ (isBigEndian ? a : a.byteSwapped) &+ second
            second = second &+ (isBigEndian ? b : b.byteSwapped) &+ first
        }
        return (first, second)
    }
}
