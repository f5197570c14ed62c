// A cursor that passes over damage: it returns what can be trusted and says what was left out.

package import Events

/// A follower that steps over what cannot be read, instead of throwing.
///
/// Blocks whose products, customers and sequence numbers are doubtful (`Block.isIdentityCertain`) are left out as well,
/// up to the next keyframe. A plain value, used by one task at a time.
package struct PassingFollower: Sendable {
    private var follower: Follower
    private let report: @Sendable (Damage) -> Void
    /// Events that were left out so far.
    package private(set) var unreadable: UInt64 = 0

    /// - Parameter report: called for each place that is left out, in log order, on the caller's task.
    package init(_ follower: Follower, report: @escaping @Sendable (Damage) -> Void) {
        self.follower = follower
        self.report = report
    }

    /// The offset of the next event to be returned.
    package var position: Offset { follower.position }

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
        guard case .corrupt(let segment, let offsets, let cause) = error, offsets.upperBound > follower.position
        else { throw error }
        leaveOut(Damage(segment: segment, offsets: follower.position..<offsets.upperBound, cause: cause))
        follower.skip(to: offsets.upperBound)
    }

    private mutating func certain(_ blocks: [Block]) -> [Block] {
        var kept: [Block] = []
        var doubtful: Range<Offset>?
        for block in blocks {
            if block.isIdentityCertain {
                kept.append(block)
            } else {
                doubtful = (doubtful?.lowerBound ?? block.firstOffset)..<block.endOffset
            }
        }
        if let doubtful { leaveOut(Damage(segment: "", offsets: doubtful, cause: Damage.doubtful)) }
        return kept
    }

    private mutating func leaveOut(_ damage: Damage) {
        unreadable += damage.events
        report(damage)
    }
}

extension Damage {
    /// Why events that can be decoded are left out all the same.
    package static let doubtful =
        "behind a damaged block, products and customers are not certain before the next keyframe"

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
