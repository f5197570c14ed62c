// Dropping the oldest segments: whole files, only sealed ones.

package import Events
import GRDB
package import Log
import Synchronization

extension SQLiteEventLog: RetainingLog {
    package func droppable(_ retention: Retention) async throws(LogError) -> Offset {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            let segments = self.visible.withLock { $0.segments }
            guard let start = segments.first else { return .zero }
            var total = segments.reduce(0) { $0 + self.size(of: $1) }
            var end = start
            for (first, following) in zip(segments, segments.dropFirst()) {
                var isDue = retention.bytes.map { total > $0 } ?? false
                if !isDue { isDue = try self.isOld(first, retention) }
                guard isDue else { break }
                total -= self.size(of: first)
                end = following
            }
            return end
        }
    }

    private func isOld(_ first: Offset, _ retention: Retention) throws(LogError) -> Bool {
        guard let limit = retention.arrivedBefore else { return false }
        do {
            let reader = try SegmentReader(folder: folder, first: first)
            defer { reader.close() }
            let last = try reader.query { db in try Int64.fetchOne(db, sql: "SELECT max(arrival_max) FROM block") }
            return last.map { $0 < limit.rawValue } ?? false
        } catch .corrupt {
            // How old a damaged segment is cannot be told. It may be salvaged; it goes by size, or by hand.
            return false
        }
    }

    private func size(of first: Offset) -> Int {
        let path = folder + "/" + Segment.file(first)
        return Files.size(path) + Files.size(path + "-wal")
    }

    package func drop(before end: Offset) async throws(LogError) -> Dropped {
        try await run(on: writerQueue) { () throws(LogError) in
            let result = self.writer.withLock { writer -> Result<Dropped, LogError> in
                do throws(LogError) {
                    guard writer != nil else { throw self.notWritable }
                    let dropped =
                        try writer?.drop(before: end, releasing: self.releaseReaders) ?? Dropped(offsets: end..<end)
                    if let left = writer.map({ VisibleLog($0) }) { self.visible.withLock { $0 = left } }
                    return .success(dropped)
                } catch {
                    if let left = writer.map({ VisibleLog($0) }) { self.visible.withLock { $0 = left } }
                    return .failure(error)
                }
            }
            return try result.get()
        }
    }
}

extension SegmentWriter {
    /// See `RetainingLog.drop`.
    ///
    /// - Parameter release: called before a segment goes: its readers must close it.
    mutating func drop(before end: Offset, releasing release: (Offset) -> Void) throws(LogError) -> Dropped {
        let start = segments.first ?? head
        var dropped = Dropped(offsets: start..<start)
        // A segment ends where the next one begins.
        let going = zip(segments, segments.dropFirst()).prefix { $0.1 <= end }.map(\.0)
        guard !going.isEmpty else { return dropped }
        carried = symbolsOnly(in: going)
        guard carried.isEmpty else { return dropped }
        for first in going {
            let path = folder + "/" + Segment.file(first)
            dropped.bytes += Files.size(path) + Files.size(path + "-wal")
            release(first)
            // The file itself goes first: what SQLite may have left beside it means nothing without it.
            Files.remove(path)
            guard !Files.isThere(path) else { throw .io("\(path) cannot be removed: \(Files.reason())") }
            for suffix in ["-wal", "-shm", "-journal"] where Files.isThere(path + suffix) {
                Files.remove(path + suffix)
            }
            try Files.syncFolder(folder)
            segments.removeAll { $0 == first }
            dropped.segments += 1
            dropped.offsets = start..<(segments.first ?? head)
        }
        return dropped
    }

    /// Symbols of some segments that no other segment has.
    private func symbolsOnly(in going: [Offset]) -> [Symbol] {
        var kept = RecordedSymbols()
        for first in segments where !going.contains(first) {
            for symbol in Self.readableSymbols(folder, first).symbols { kept.insert(symbol.kind, symbol.id) }
        }
        var symbols: [Symbol] = []
        for first in going {
            for symbol in Self.readableSymbols(folder, first).symbols where kept.insert(symbol.kind, symbol.id) {
                symbols.append(symbol)
            }
        }
        return symbols
    }
}
