// Which sequence numbers of one device and epoch have been taken: the sliding window of IPsec (RFC 4303, 3.4.3).

package import Events

/// What a sequence number or an id turned out to be.
@usableFromInline package enum DedupeVerdict: UInt8, Sendable, BitwiseCopyable {
    /// Not seen before; it has now been taken.
    case new
    /// Taken before.
    case duplicate
    /// 64 or more below the highest, or of an epoch that went: whether it was taken can no longer be told. It is
    /// acknowledged, counted and not stored.
    case stale
    /// Taken before, and yet no repetition: the device counts from the beginning again (`ReusedNumbers`). It is stored
    /// and kept apart.
    case reused
}

/// A run of sequence numbers that the device itself has lost.
package struct SequenceGap: Hashable, Sendable, BitwiseCopyable {
    package var first: UInt64
    package var last: UInt64

    package init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }
}

/// The highest sequence number taken and a bit for each of the 64 up to it.
@usableFromInline package struct SequenceWindow: Hashable, Sendable, BitwiseCopyable {
    /// The width of the window, in sequence numbers.
    @inlinable package static var width: UInt64 { 64 }

    @usableFromInline package var highest: UInt64
    /// Bit `i` stands for `highest - i`. 0 only while nothing was taken.
    @usableFromInline package var bits: UInt64
    /// The last one, so that whoever has a window in a row has four bytes beside it.
    @usableFromInline package var epoch: UInt32

    @inlinable package init(epoch: UInt32 = 0, highest: UInt64 = 0, bits: UInt64 = 0) {
        self.epoch = epoch
        self.highest = highest
        self.bits = bits
    }

    /// Whether nothing was taken.
    package var isEmpty: Bool { bits == 0 }

    /// Takes a number, unless it was taken before.
    @inlinable package mutating func insert(_ seq: UInt64) -> DedupeVerdict {
        if bits == 0 || seq > highest {
            let shift = bits == 0 ? Self.width : seq - highest
            bits = shift >= Self.width ? 1 : (bits << shift) | 1
            highest = seq
            return .new
        }
        let back = highest - seq
        if back >= Self.width { return .stale }
        let bit: UInt64 = 1 << back
        if bits & bit != 0 { return .duplicate }
        bits |= bit
        return .new
    }

    /// The highest number up to which everything was taken or is out of the window's reach.
    package var contiguous: UInt64 {
        let missing = missingBits
        return missing == 0 ? highest : highest - UInt64(64 - missing.leadingZeroBitCount)
    }

    /// The runs taken above `contiguous`, as (numbers missing before it, length), lowest first.
    package var ranges: [(gap: UInt32, length: UInt32)] {
        var ranges: [(gap: UInt32, length: UInt32)] = []
        // Counted down from above: the highest number may be the highest that there is.
        var left = highest - contiguous
        while left > 0 {
            var gap: UInt32 = 0
            while left > 0, !isTaken(highest - (left - 1)) { (gap, left) = (gap + 1, left - 1) }
            var length: UInt32 = 0
            while left > 0, isTaken(highest - (left - 1)) { (length, left) = (length + 1, left - 1) }
            if length > 0 { ranges.append((gap, length)) }
        }
        return ranges
    }

    /// Declares everything below `oldest` closed: the device no longer has it.
    ///
    /// - Returns: the runs below `oldest` that never came and never will. None for a device that is heard for the
    ///   first time: what it lost before is not known here.
    package mutating func close(below oldest: UInt64) -> [SequenceGap] {
        guard oldest > 0, contiguous < .max else { return [] }
        if bits == 0 {
            if oldest > 1 { (highest, bits) = (oldest - 1, .max) }
            return []
        }
        var gaps: [SequenceGap] = []
        var next = contiguous + 1
        while next < oldest {
            if next > highest {
                gaps.append(SequenceGap(first: next, last: oldest - 1))
                break
            }
            if isTaken(next) {
                next += 1
                continue
            }
            var last = next
            while last + 1 < oldest, last + 1 <= highest, !isTaken(last + 1) { last += 1 }
            if last == highest { last = oldest - 1 }
            gaps.append(SequenceGap(first: next, last: last))
            next = last + 1
        }
        for gap in gaps { take(gap) }
        return gaps
    }

    private mutating func take(_ gap: SequenceGap) {
        var seq = gap.last - gap.first >= Self.width ? gap.last - Self.width + 1 : gap.first
        while seq <= gap.last {
            _ = insert(seq)
            seq += 1
        }
    }

    private func isTaken(_ seq: UInt64) -> Bool {
        let back = highest - seq
        return back >= Self.width || bits & (1 << back) != 0
    }

    private var missingBits: UInt64 {
        let reach = min(highest, Self.width)
        let valid: UInt64 = reach == Self.width ? .max : (1 << reach) - 1
        return ~bits & valid
    }
}

extension SequenceWindow {
    /// The numbers that an event of the log declares closed, as far as a window can hold them; nil for one that is no
    /// gap, or only called so by a device.
    package static func gap(of event: borrowing Event) -> ClosedRange<UInt64>? {
        guard case .gap = event.kind, case .sequence = event.identity, case .none = event.quarantine else { return nil }
        let width = min(UInt64(event.count), Self.width, event.seq)
        return event.seq - (width == 0 ? 0 : width - 1)...event.seq
    }

    /// Takes those of some numbers that are within reach, and were not taken.
    mutating func take(_ numbers: ClosedRange<UInt64>) {
        for seq in numbers { _ = insert(seq) }
    }
}
