// JSON lines as a source of events, and lines cut out of a stream of bytes.

package import Events
import Wire

/// Events out of JSON lines, such as those of `tidings log export` or of the benchmark's generator.
///
/// A string id that is not `epoch-seq` cannot travel in the native format: such an event is numbered by its connection
/// instead. To keep such ids, send the lines as they are (`FleetSender.runLines`).
package struct LineSource: EventSource {
    private let read: () throws -> [UInt8]
    private var splitter = LineSplitter()
    private var isEnd = false
    private var lines: UInt64 = 0
    /// Lines that are not events, and are left out.
    package private(set) var refused: UInt64 = 0
    /// The first of them: its number and what is wrong with it.
    package private(set) var firstRefused: (line: UInt64, reason: Refusal)?

    /// - Parameter read: the next bytes, empty at the end; may block.
    package init(_ read: @escaping () throws -> [UInt8]) { self.read = read }

    package mutating func next(into batch: inout EventBatch, vocabulary: inout Vocabulary, limit: Int) throws -> Bool {
        while true {
            if let (run, _) = splitter.next(limit: limit) {
                take(run, into: &batch, vocabulary: &vocabulary)
                return true
            }
            if isEnd { return false }
            let bytes = try read()
            isEnd = bytes.isEmpty
            if isEnd { splitter.finish() } else { splitter.append(bytes) }
        }
    }

    private mutating func take(_ run: [UInt8], into batch: inout EventBatch, vocabulary: inout Vocabulary) {
        let bytes = run.span
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0a {
            defer { start = index + 1 }
            lines += 1
            guard index > start else { continue }
            do throws(Refusal) {
                try readEventLine(
                    bytes.extracting(start..<index), arrival: Timestamp(rawValue: 0), vocabulary: &vocabulary,
                    into: &batch)
            } catch {
                refused += 1
                if firstRefused == nil { firstRefused = (lines, error) }
            }
        }
    }
}

/// Cuts runs of whole lines out of bytes that come in any pieces.
struct LineSplitter {
    private var bytes: [UInt8] = []
    private var start = 0

    mutating func append(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    /// There is no more: a last line without a newline gets one.
    mutating func finish() {
        if start < bytes.count, bytes.last != 0x0a { bytes.append(0x0a) }
    }

    /// Up to `limit` whole lines with their newlines, and how many; nil when there is none.
    mutating func next(limit: Int) -> (lines: [UInt8], count: Int)? {
        var count = 0
        var end = start
        var index = start
        while index < bytes.count, count < limit {
            if bytes[index] == 0x0a {
                count += 1
                end = index + 1
            }
            index += 1
        }
        guard count > 0 else { return nil }
        let lines = Array(bytes[start..<end])
        start = end
        return (lines, count)
    }
}
