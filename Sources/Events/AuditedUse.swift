// What is watched: uses that leave an event `audited` in the log.

/// A use of the daemon or of a command that is noted. The raw values are words of the log: the values of the events.
package enum AuditedUse: String, CaseIterable, Codable, Sendable {
    /// Everything of one customer was written out.
    case export
    /// Events of all were written out.
    case logExport = "log.export"
    case forget
    case forgetDryRun = "forget.dry-run"
    /// Texts of others were looked through for somebody's name.
    case forgetTextMatch = "forget.text-match"
    case deviceAdd = "device.add"
    case deviceList = "device.list"
    case deviceShow = "device.show"
    case deviceRevoke = "device.revoke"
    case deviceRestore = "device.restore"
    case deviceRotate = "device.rotate"
    /// The change to another master key was begun, and ended.
    case masterRotate = "master.rotate"
    case masterFinish = "master.finish"
    case tokenAdd = "token.add"
    case tokenList = "token.list"
    case tokenRevoke = "token.revoke"

    /// The events that say so: one for each pseudonym that it was about, or one alone. They have no name, and nothing
    /// of what was shown.
    ///
    /// - Parameter word: the number of the raw value in the vocabulary.
    package static func events(_ word: SymbolID, of pseudonyms: [Pseudonym], at time: Timestamp) -> [Event] {
        var event = Event()
        event.kind = .audited
        event.value = .symbol(word)
        (event.time, event.arrival, event.clock) = (time, time, .arrival)
        if pseudonyms.isEmpty { return [event] }
        return pseudonyms.map { pseudonym in
            var one = event
            switch pseudonym {
            case .customer(let id): one.customer = id
            case .device(let id): one.device = id
            }
            return one
        }
    }
}

extension Vocabulary {
    /// The word of a use, if the log has it.
    package func find(_ use: AuditedUse) -> SymbolID? { find(.value, Array(use.rawValue.utf8).span) }

    /// The word of a use, given out if it is new, whatever senders may still name; nil when there are `Limits.symbols`.
    package mutating func word(of use: AuditedUse) -> SymbolID? {
        let (quota, newest) = (newNames, newestValue)
        defer { (newNames, newestValue) = (quota, newest) }
        newNames = .max
        return symbol(.value, Array(use.rawValue.utf8).span)
    }

    /// The names given out that no block has told the log yet.
    package var pendingDefinitions: Definitions { pending }
}
