// Where an event log without files keeps what it stores, so that it can be closed, damaged and opened again.

import Bytes
package import Events
import Log
import Synchronization

/// The "disk" of `InMemoryEventLog`: what is in it stays when the log is closed. Any thread.
package final class InMemoryStore: Sendable {
    /// A block as a file would hold it.
    struct Row: Sendable {
        var first: Offset
        var block: EncodedBlock
        /// The words recorded with it.
        var words: [Symbol]
        /// The chain behind it.
        var chain: Chain

        var end: Offset { first + block.count }
    }

    struct Segment: Sendable {
        var first: Offset
        /// What it continues.
        var previous: Chain
        var rows: [Row] = []

        var end: Offset { rows.last?.end ?? first }
        var chain: Chain { rows.last?.chain ?? previous }
        var bytes: Int { rows.reduce(0) { $0 + $1.block.storedBytes } }
        var name: String { "memory-\(first.rawValue)" }
    }

    struct Contents: Sendable {
        /// 32 hex digits.
        var identity: String
        /// Oldest first; once there is one there is always one.
        var segments: [Segment] = []
        /// Names of devices and customers, as they were committed.
        var names: [Definitions] = []

        var start: Offset { segments.first?.first ?? .zero }
        var head: Offset { segments.last?.end ?? .zero }
        var chain: Chain { segments.last?.chain ?? Chain() }
        var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
    }

    /// Nil while a log has it open.
    private let contents: Mutex<Contents?>

    package init() {
        let identity = (0..<16).map { _ in UInt8.random(in: 0...255) }
        contents = Mutex(Contents(identity: hexadecimal(identity)))
    }

    /// Hands the contents to a log that opens them; nil when another one has them.
    func take() -> Contents? {
        contents.withLock { contents in
            defer { contents = nil }
            return contents
        }
    }

    /// Takes the contents back from a log that is closed.
    func give(_ returned: Contents) { contents.withLock { $0 = returned } }

    /// Ruins the body of the block that holds `offset`, as a rotten disk would. The log must be closed.
    ///
    /// - Returns: the offsets of that block; nil when there is none, or when the log is open.
    @discardableResult
    package func damage(_ offset: Offset) -> Range<Offset>? {
        contents.withLock { contents in
            guard let segment = contents?.segments.firstIndex(where: { $0.first <= offset && offset < $0.end }),
                let row = contents?.segments[segment].rows.firstIndex(where: { offset < $0.end }),
                let found = contents?.segments[segment].rows[row]
            else { return nil }
            let ruined = [UInt8](repeating: 0, count: found.block.stored.body.count)
            contents?.segments[segment].rows[row].block.stored.body = ruined
            return found.first..<found.end
        }
    }
}
