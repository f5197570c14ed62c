// What the embedded engine says of itself: figures, and the check of the whole log.

package import Events
package import Log
import Synchronization

extension SQLiteEventLog {
    package var chainHead: String {
        let visible = visible.withLock { $0 }
        return "\(visible.head.rawValue):\(visible.chain?.description ?? "")"
    }

    /// The size of all segments, with what is not in the files yet.
    package var bytes: Int {
        segments.reduce(0) { sum, first in
            let path = folder + "/" + Segment.file(first)
            return sum + Files.size(path) + Files.size(path + "-wal")
        }
    }

    package var lastArrival: Timestamp? {
        get async {
            let found = try? await run(on: readerQueue) { () throws(LogError) -> Timestamp? in
                try self.expectOpen()
                for first in self.segments.reversed() {
                    guard let reader = try? SegmentReader(folder: self.folder, first: first) else { continue }
                    defer { reader.close() }
                    if let row = reader.lastRow() { return row.block.arrivals.upperBound }
                }
                return nil
            }
            return found ?? nil
        }
    }

    package func statistics() async throws(LogError) -> LogStatistics {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            if self.isReadOnly { try self.refresh() }
            let visible = self.visible.withLock { $0 }
            var statistics = LogStatistics(segments: [])
            for (index, first) in visible.segments.enumerated() {
                let end = index + 1 < visible.segments.count ? visible.segments[index + 1] : visible.head
                statistics.segments.append(
                    try self.statistics(of: first, end: end, isLast: first == visible.segments.last))
            }
            return statistics
        }
    }

    private func statistics(of first: Offset, end: Offset, isLast: Bool) throws(LogError) -> SegmentStatistics {
        do {
            let reader = try SegmentReader(folder: folder, first: first)
            defer { reader.close() }
            return try reader.statistics(folder: folder, isSealed: !isLast)
        } catch .corrupt {
            let file = Segment.file(first)
            var empty = SegmentStatistics(
                file: file, offsets: first..<max(first, end), blocks: 0, bytes: Files.size(folder + "/" + file),
                times: nil, arrivals: nil, isSealed: !isLast, chainHead: "")
            empty.isReadable = false
            return empty
        }
    }

    package func verify(
        claim: ChainClaim?, progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> VerifyReport {
        try await run(on: readerQueue) { () throws(LogError) in
            try self.expectOpen()
            if self.isReadOnly { try self.refresh() }
            let visible = self.visible.withLock { $0 }
            var verification = Verification(
                folder: self.folder, head: visible.head, claim: claim, progress: progress)
            for (index, first) in visible.segments.enumerated() {
                // The oldest segments may have been dropped since the list was made.
                if index == 0 || verification.report.segments == 0,
                    !Files.isThere(self.folder + "/" + Segment.file(first))
                {
                    continue
                }
                let following = index + 1 < visible.segments.count ? visible.segments[index + 1] : nil
                verification.check(first, following: following)
            }
            return verification.report
        }
    }
}
