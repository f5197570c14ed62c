// A cursor that passes over damage: it returns what can be trusted and says what was left out.

package import Events

/// A follower that steps over what cannot be read, instead of throwing.
///
/// Blocks whose products, customers and sequence numbers are doubtful (`Block.isIdentityCertain`) are left out as well,
/// up to the next keyframe, unless they are asked for. A plain value, used by one task at a time.
package struct PassingFollower: Sendable {
    private var follower: Follower
    private let isDoubtfulPassedOver: Bool
    private let report: @Sendable (Damage) -> Void
    /// Events that were left out so far.
    package private(set) var unreadable: UInt64 = 0

    /// - Parameters:
    ///   - isDoubtfulPassedOver: whether doubtful blocks are left out. Otherwise they are returned for the symbols that
    ///     they define, and reported and counted as left out all the same: their events are not to be used.
    ///   - report: called for each place that is left out, in log order, on the caller's task.
    package init(
        _ follower: Follower, isDoubtfulPassedOver: Bool = true, report: @escaping @Sendable (Damage) -> Void
    ) {
        self.follower = follower
        self.isDoubtfulPassedOver = isDoubtfulPassedOver
        self.report = report
    }

    /// The offset of the next event to be returned.
    package var position: Offset { follower.position }

    /// As `Follower.skip`.
    package mutating func skip(to offset: Offset) { follower.skip(to: offset) }

    /// As `Follower.next`; never throws `LogError.corrupt`.
    package mutating func next(limit: Int) async throws(LogError) -> [Block] {
        while !Task.isCancelled {
            let position = follower.position
            do throws(LogError) {
                let blocks = certain(try await follower.next(limit: limit))
                if !blocks.isEmpty || follower.position == position { return blocks }
            } catch {
                try passOver(error)
            }
        }
        return []
    }

    /// As `Follower.nextAvailable`; never throws `LogError.corrupt`. Empty only at the head.
    package mutating func nextAvailable(limit: Int) async throws(LogError) -> [Block] {
        while true {
            let position = follower.position
            do throws(LogError) {
                let blocks = certain(try await follower.nextAvailable(limit: limit))
                if !blocks.isEmpty || follower.position == position { return blocks }
            } catch {
                try passOver(error)
            }
        }
    }

    private mutating func passOver(_ error: LogError) throws(LogError) {
        guard let damage = error.damage(from: follower.position) else { throw error }
        leaveOut(damage)
        follower.skip(to: damage.offsets.upperBound)
    }

    private mutating func certain(_ blocks: [Block]) -> [Block] {
        guard let doubtful = Damage(doubtfulIn: blocks) else { return blocks }
        leaveOut(doubtful)
        return isDoubtfulPassedOver ? blocks.filter(\.isIdentityCertain) : blocks
    }

    private mutating func leaveOut(_ damage: Damage) {
        unreadable += damage.events
        report(damage)
    }
}

extension EventLog {
    /// Reads all that there is, some blocks at a time, and passes over damage.
    ///
    /// - Parameters:
    ///   - first: where to begin; nil for the log's start.
    ///   - end: no block that begins here or later is read; nil for where the log ends at the call.
    ///   - report: called for each place that is left out, in log order.
    ///   - body: gets the blocks, and how many events have been passed of how many.
    package func scan(
        from first: Offset? = nil, until end: Offset? = nil, report: @escaping @Sendable (Damage) -> Void = { _ in },
        _ body: (_ blocks: [Block], _ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) {
        let blocksAtOnce = 8
        var (start, head) = (first ?? .zero, end ?? .zero)
        if first == nil { start = await self.start }
        if end == nil { head = await self.head }
        // What is there is read, and nothing is waited for.
        var follower = PassingFollower(
            Follower(self, from: start, wakeup: .poll(every: .seconds(1))), report: report)
        while follower.position < head {
            let blocks = try await follower.nextAvailable(limit: blocksAtOnce)
            if blocks.isEmpty { break }
            body(blocks, follower.position.rawValue - start.rawValue, head.rawValue - start.rawValue)
        }
    }
}

extension LogError {
    /// What has to be stepped over for reading to go on from `offset`; nil when stepping over does not help.
    fileprivate func damage(from offset: Offset) -> Damage? {
        guard case .corrupt(let segment, let offsets, let cause) = self, offsets.upperBound > offset else { return nil }
        return Damage(segment: segment, offsets: offset..<offsets.upperBound, cause: cause)
    }
}

extension Damage {
    /// From the first to the last of the blocks that can be decoded and are left out all the same, because their
    /// products and customers are not certain; nil when all are.
    fileprivate init?(doubtfulIn blocks: [Block]) {
        guard let first = blocks.first(where: { !$0.isIdentityCertain }),
            let last = blocks.last(where: { !$0.isIdentityCertain })
        else { return nil }
        self.init(
            segment: "", offsets: first.firstOffset..<last.endOffset,
            cause: "behind a damaged block, products and customers are not certain before the next keyframe")
    }

    /// One line without the remedy: the file, the block and the events, the cause.
    package var line: String {
        let place =
            offsets.isEmpty
            ? "at event \(offsets.lowerBound.rawValue)"
            : "block \(offsets.lowerBound.rawValue), events \(offsets.lowerBound.rawValue) to "
                + "\(offsets.upperBound.rawValue - 1)"
        return (segment.isEmpty ? "" : segment + ", ") + place + ": " + cause
    }
}
