// What a daemon has said of the lines of one connection, and what becomes of them when it acknowledges them.

import Events
import Wire

/// Lines that were named, lines that were only counted, and lines that the daemon wants to have later.
struct LineTally {
    /// What becomes of a named line once it is acknowledged.
    enum Disposition {
        case refused
        /// Refused for now.
        case deferred
        case quarantined
        case stale
    }

    /// So many lines above `after` were only counted, besides those that were named.
    struct More {
        var after: UInt64
        var count: UInt64
    }

    /// A line that is to be sent again.
    struct DeferredLine {
        var line: ArraySlice<UInt8>
        var origin: UInt64
    }

    /// How many lines of this connection are dealt with.
    var acknowledged: UInt64 = 0
    /// By origin.
    var named: [UInt64: Disposition] = [:]
    /// The last line of this connection that was named with each disposition.
    var lastNamed: [Disposition: UInt64] = [:]
    var more: [Disposition: [More]] = [:]
    var deferred: [DeferredLine] = []
}

extension StreamSendWindow.State {
    /// A connection begins; its lines are numbered from 1. What was refused for good on the one before is not sent
    /// again.
    mutating func startLines() {
        lines.acknowledged = 0
        lines.lastNamed = [:]
        lines.more = [:]
        var over = 0
        let areSomeRefused = lines.named.values.contains(.refused)
        for index in batches.indices where areSomeRefused || batches[index].done > 0 {
            over += batches[index].leaveOut { lines.named[$0] == .refused }
        }
        batches.removeAll { $0.count == 0 }
        if over > 0 { outcome.hasProgress = true }
        outstanding -= over
        totals.rejected += UInt64(over)
        // Stored lines that were kept apart are repeats now, and not told a second time.
        lines.named = lines.named.filter { $0.value == .quarantined || $0.value == .stale }
    }

    /// Takes an answer to the lines of this connection.
    mutating func take(_ answer: AnswerLine) {
        switch answer.kind {
        case .ack: acked(answer.count)
        case .error:
            let refusal = UInt16(exactly: answer.code).flatMap(Refusal.init(rawValue:))
            name(answer, refusal?.isRetryable == true ? .deferred : .refused, .refused)
        case .quarantined: name(answer, .quarantined, .quarantined)
        case .stale: name(answer, .stale, .stale)
        case .note:
            let number = position(of: answer.line).map { batches[$0.batch].origin($0.index).number } ?? 0
            unreported.append(SendVerdict(.note, number: number, code: 0, reason: answer.key, text: answer.text))
        }
    }

    private mutating func name(
        _ answer: AnswerLine, _ disposition: LineTally.Disposition, _ outcome: SendVerdict.Outcome
    ) {
        if let count = answer.more {
            let after = max(lines.lastNamed[disposition] ?? 0, lines.acknowledged)
            // More than wait for a verdict cannot have one, whatever the daemon says.
            let more = LineTally.More(after: after, count: min(count, UInt64(outstanding)))
            lines.more[disposition, default: []].append(more)
            return
        }
        // Of a line that is unknown, or dealt with, nothing more can be said.
        guard let position = position(of: answer.line) else { return }
        lines.lastNamed[disposition] = answer.line
        let origin = batches[position.batch].origin(position.index).number
        let before = lines.named.updateValue(disposition, forKey: origin)
        guard disposition != .deferred, before != disposition else { return }
        let reason = answer.reason.isEmpty ? (disposition == .stale ? "stale" : "\(answer.code)") : answer.reason
        unreported.append(
            SendVerdict(outcome, number: origin, code: Int(answer.code), reason: reason, text: answer.text))
    }

    /// Where a line of this connection stands among the batches; nil when it is dealt with, or was never sent.
    private func position(of line: UInt64) -> (batch: Int, index: Int)? {
        guard line > lines.acknowledged else { return nil }
        var rest = line - lines.acknowledged - 1
        for (index, batch) in batches.enumerated() {
            if rest < UInt64(batch.rest) { return (index, batch.done + Int(rest)) }
            rest -= UInt64(batch.rest)
        }
        return nil
    }

    /// All lines up to the `count`th of this connection have been dealt with.
    private mutating func acked(_ count: UInt64) {
        guard count > lines.acknowledged else { return }
        var left = min(count - lines.acknowledged, UInt64(batches.reduce(0) { $0 + $1.rest }))
        guard left > 0 else { return }
        let covered = left
        var dispositions: [LineTally.Disposition: UInt64] = [:]
        var whole = 0
        while left > 0 {
            let step = Int(min(left, UInt64(batches[whole].rest)))
            if !lines.named.isEmpty { applyVerdicts(to: whole, step, &dispositions) }
            batches[whole].done += step
            left -= UInt64(step)
            if batches[whole].rest == 0 { whole += 1 }
        }
        batches.removeFirst(whole)
        lines.acknowledged += covered
        let later = dispositions[.deferred, default: 0]
        // Of those that were not named.
        var room = covered - dispositions.values.reduce(0, +)
        let refused = dispositions[.refused, default: 0] + counted(.refused, &room)
        let acked = covered - later - refused
        totals.rejected += refused
        totals.acked += acked
        totals.quarantined += dispositions[.quarantined, default: 0] + counted(.quarantined, &room)
        totals.stale += dispositions[.stale, default: 0] + counted(.stale, &room)
        outstanding -= Int(covered - later)
        outcome.hasProgress = outcome.hasProgress || covered > later
        outcome.isAskedToWait = outcome.isAskedToWait || later > 0
    }

    /// What was said of the next `step` lines of a batch comes true.
    private mutating func applyVerdicts(
        to batch: Int, _ step: Int, _ dispositions: inout [LineTally.Disposition: UInt64]
    ) {
        let start = batches[batch].done
        for index in start..<(start + step) {
            let origin = batches[batch].origin(index).number
            guard let disposition = lines.named.removeValue(forKey: origin) else { continue }
            dispositions[disposition, default: 0] += 1
            if disposition == .deferred {
                lines.deferred.append(LineTally.DeferredLine(line: batches[batch].line(index), origin: origin))
            }
        }
    }

    /// How many of the lines that are dealt with now have a disposition without having been named; taken from `room`.
    private mutating func counted(_ disposition: LineTally.Disposition, _ room: inout UInt64) -> UInt64 {
        guard var list = lines.more[disposition] else { return 0 }
        var count: UInt64 = 0
        for index in list.indices where list[index].after < lines.acknowledged {
            let step = min(list[index].count, lines.acknowledged - list[index].after, room)
            list[index].count -= step
            list[index].after += step
            room -= step
            count += step
        }
        list.removeAll { $0.count == 0 }
        lines.more[disposition] = list.isEmpty ? nil : list
        return count
    }
}
