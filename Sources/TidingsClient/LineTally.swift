// What a daemon has said of the lines of one connection, and what becomes of them when it acknowledges them.

import Events
import Wire

/// Lines that were named, lines that were only counted, and lines that the daemon wants to have later.
struct LineTally {
    /// What becomes of a named line once it is acknowledged.
    enum Fate {
        case refused
        /// Refused for now.
        case later
        case quarantined
        case stale
    }

    /// So many lines above `after` share a fate, besides those that were named.
    struct More {
        var after: UInt64
        var count: UInt64
    }

    /// A line that is to be sent again.
    struct Later {
        var line: ArraySlice<UInt8>
        var origin: UInt64
    }

    /// How many lines of this connection are dealt with.
    var dealt: UInt64 = 0
    /// By origin.
    var told: [UInt64: Fate] = [:]
    /// The last line of this connection that was named with each fate.
    var lastNamed: [Fate: UInt64] = [:]
    var more: [Fate: [More]] = [:]
    var later: [Later] = []
}

extension StreamLink.State {
    /// A connection begins; its lines are numbered from 1. What was refused for good on the one before is not sent
    /// again.
    mutating func startLines() {
        lines.dealt = 0
        lines.lastNamed = [:]
        lines.more = [:]
        var over = 0
        let areSomeRefused = lines.told.values.contains(.refused)
        for index in parcels.indices where areSomeRefused || parcels[index].done > 0 {
            over += parcels[index].leaveOut { lines.told[$0] == .refused }
        }
        parcels.removeAll { $0.count == 0 }
        if over > 0 { standing.hasProgress = true }
        outstanding -= over
        totals.rejected += UInt64(over)
        // Stored lines that were kept apart are repeats now, and not told a second time.
        lines.told = lines.told.filter { $0.value == .quarantined || $0.value == .stale }
    }

    /// Takes an answer to the lines of this connection.
    mutating func take(_ answer: AnswerLine) {
        switch answer.kind {
        case .ack: acked(answer.count)
        case .error:
            let refusal = UInt16(exactly: answer.code).flatMap(Refusal.init(rawValue:))
            name(answer, refusal?.isRetryable == true ? .later : .refused, .refused)
        case .quarantined: name(answer, .quarantined, .quarantined)
        case .stale: name(answer, .stale, .stale)
        case .note:
            let number = place(of: answer.line).map { parcels[$0.parcel].origin($0.index).number } ?? 0
            said.append(SendVerdict(.note, number: number, code: 0, reason: answer.key, text: answer.text))
        }
    }

    private mutating func name(_ answer: AnswerLine, _ fate: LineTally.Fate, _ outcome: SendVerdict.Outcome) {
        if let count = answer.more {
            let after = max(lines.lastNamed[fate] ?? 0, lines.dealt)
            // More than wait for a verdict cannot share a fate, whatever the daemon says.
            lines.more[fate, default: []].append(LineTally.More(after: after, count: min(count, UInt64(outstanding))))
            return
        }
        // Of a line that is unknown, or dealt with, nothing more can be said.
        guard let place = place(of: answer.line) else { return }
        lines.lastNamed[fate] = answer.line
        let origin = parcels[place.parcel].origin(place.index).number
        let before = lines.told.updateValue(fate, forKey: origin)
        guard fate != .later, before != fate else { return }
        let reason = answer.reason.isEmpty ? (fate == .stale ? "stale" : "\(answer.code)") : answer.reason
        said.append(
            SendVerdict(outcome, number: origin, code: Int(answer.code), reason: reason, text: answer.text))
    }

    /// Where a line of this connection stands among the parcels; nil when it is dealt with, or was never sent.
    private func place(of line: UInt64) -> (parcel: Int, index: Int)? {
        guard line > lines.dealt else { return nil }
        var rest = line - lines.dealt - 1
        for (index, parcel) in parcels.enumerated() {
            if rest < UInt64(parcel.rest) { return (index, parcel.done + Int(rest)) }
            rest -= UInt64(parcel.rest)
        }
        return nil
    }

    /// All lines up to the `count`th of this connection have been dealt with.
    private mutating func acked(_ count: UInt64) {
        guard count > lines.dealt else { return }
        var left = min(count - lines.dealt, UInt64(parcels.reduce(0) { $0 + $1.rest }))
        guard left > 0 else { return }
        let covered = left
        var fates: [LineTally.Fate: UInt64] = [:]
        var whole = 0
        while left > 0 {
            let step = Int(min(left, UInt64(parcels[whole].rest)))
            if !lines.told.isEmpty { settle(whole, step, &fates) }
            parcels[whole].done += step
            left -= UInt64(step)
            if parcels[whole].rest == 0 { whole += 1 }
        }
        parcels.removeFirst(whole)
        lines.dealt += covered
        let later = fates[.later, default: 0]
        // Of those that were not named.
        var room = covered - fates.values.reduce(0, +)
        let refused = fates[.refused, default: 0] + counted(.refused, &room)
        let acked = covered - later - refused
        totals.rejected += refused
        totals.acked += acked
        totals.quarantined += fates[.quarantined, default: 0] + counted(.quarantined, &room)
        totals.stale += fates[.stale, default: 0] + counted(.stale, &room)
        outstanding -= Int(covered - later)
        standing.hasProgress = standing.hasProgress || covered > later
        standing.isAskedForPatience = standing.isAskedForPatience || later > 0
    }

    /// What was said of the next `step` lines of a parcel comes true.
    private mutating func settle(_ parcel: Int, _ step: Int, _ fates: inout [LineTally.Fate: UInt64]) {
        let start = parcels[parcel].done
        for index in start..<(start + step) {
            let origin = parcels[parcel].origin(index).number
            guard let fate = lines.told.removeValue(forKey: origin) else { continue }
            fates[fate, default: 0] += 1
            if fate == .later {
                lines.later.append(LineTally.Later(line: parcels[parcel].line(index), origin: origin))
            }
        }
    }

    /// How many of the lines that are dealt with now share a fate without having been named; takes them from `room`.
    private mutating func counted(_ fate: LineTally.Fate, _ room: inout UInt64) -> UInt64 {
        guard var list = lines.more[fate] else { return 0 }
        var count: UInt64 = 0
        for index in list.indices where list[index].after < lines.dealt {
            let step = min(list[index].count, lines.dealt - list[index].after, room)
            list[index].count -= step
            list[index].after += step
            room -= step
            count += step
        }
        list.removeAll { $0.count == 0 }
        lines.more[fate] = list.isEmpty ? nil : list
        return count
    }
}
