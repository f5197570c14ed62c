// Checks the messages of the summaries against the log: who was addressed, and what became of it there.

package import Events
import Foundation
import GRDB
package import Log

/// What was found by a check of messages against the log.
package struct OutboxVerification: Sendable, Equatable {
    /// Something that does not fit.
    package struct Fault: Sendable, Equatable {
        package var message: MessageID
        package var text: String
    }

    /// Messages, and entries of them, that were compared.
    package var messages = 0
    package var entries = 0
    /// Messages whose addressees were found anew, as of the event at which they were found first.
    package var addressed = 0
    /// The event up to which log and summaries were compared.
    package var offset = Offset.zero
    /// Events that could not be read; then differences may be no fault of the summaries.
    package var skipped: UInt64 = 0
    package var faults: [Fault] = []

    package init() {}

    /// So many are kept; the others are like them.
    static let mostFaults = 100

    fileprivate mutating func add(_ message: MessageID, _ text: String) {
        if faults.count < Self.mostFaults { faults.append(Fault(message: message, text: text)) }
    }
}

/// One message as the summaries have it.
private struct WrittenMessage: Equatable {
    var id: MessageID
    var counts: [Int]
    var addressed: Int
    var closing: UInt8
    var late: Int
    var attempts: Int
    var entries = EntryDigest()
}

/// Entries in any order, in one number: two sets of entries with the same number are the same but for chance.
private struct EntryDigest: Equatable {
    var count = 0
    private var sum: UInt64 = 0

    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014) spreads each entry over all bits.
    mutating func add(device: UInt32, byte: UInt8) {
        var mixed = (UInt64(device) << 8 | UInt64(byte)) &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        sum &+= mixed ^ mixed >> 31
        count += 1
    }
}

extension SummaryReader {
    /// Folds the log anew, in memory, up to where the summaries stand, and compares: every message and every entry;
    /// that the states of each message add up to those addressed; and, where the daemon has chosen the devices, that
    /// the fold of the log as of then chooses the same ones.
    ///
    /// - Parameter progress: called with the events that were folded and those there are.
    package func verifyOutbox(
        against log: some EventLog,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) async throws -> OutboxVerification {
        let (position, written) = try writtenMessages()
        var found = OutboxVerification()
        found.offset = position.offset
        var choices = try await Self.choices(log, until: position.offset)
        var state = SummaryState()
        let total = position.offset.rawValue
        try await log.scan(until: position.offset) { blocks, done, _ in
            for block in blocks {
                Self.check(&choices, against: state, &found)
                state.apply(block)
            }
            progress(min(done, total), total)
        }
        Self.check(&choices, against: state, &found)
        found.skipped = state.skipped
        Self.compare(written, with: state, &found)
        return found
    }

    // MARK: Who was addressed

    /// Devices that the daemon has chosen for a message.
    private struct Choice {
        var message: MessageID
        var customer: CustomerID
        var product: SymbolID
        var asOf: UInt64
        var devices: [UInt32]
    }

    /// What the log says of messages to customers: those are the ones whose devices are looked for.
    private static func choices(_ log: some EventLog, until end: Offset) async throws(LogError) -> [Choice] {
        var customers: [UInt32: (CustomerID, SymbolID)] = [:]
        var found: [Choice] = []
        try await log.scan(until: end) { blocks, _, _ in
            for block in blocks where block.isIdentityCertain {
                for event in block.batch.events where event.kind.isOfOutbox {
                    guard case .none = event.quarantine else { continue }
                    let details = block.batch.details(of: event)
                    if event.kind.isMessage, MessageTerms(event).scope == .customer {
                        customers[details.cause] = (event.customer, event.product)
                    }
                    guard event.kind == .addressed,
                        let (customer, product) = customers.removeValue(forKey: details.cause),
                        AddressedForm(rawValue: event.scale) == .list, case .whole(let asOf) = event.value
                    else { continue }
                    found.append(
                        Choice(
                            message: MessageID(number: details.cause, tag: details.causeTag), customer: customer,
                            product: product, asOf: UInt64(clamping: asOf),
                            devices: readNumbers(block.batch.bytes(of: details.payload))))
                }
            }
        }
        return found.sorted { $0.asOf > $1.asOf }
    }

    /// Chooses again where the fold stands now.
    private static func check(
        _ choices: inout [Choice], against state: borrowing SummaryState, _ found: inout OutboxVerification
    ) {
        while let choice = choices.last, choice.asOf <= state.offset.rawValue {
            choices.removeLast()
            guard choice.asOf == state.offset.rawValue else {
                found.add(choice.message, "was addressed as of event \(choice.asOf), where no block of the log ends")
                continue
            }
            found.addressed += 1
            let again = state.devices(of: choice.customer, product: choice.product).map(\.rawValue)
            guard again != choice.devices else { continue }
            found.add(
                choice.message,
                "went to \(choice.devices.count) devices; as of event \(choice.asOf) the customer had \(again.count)")
        }
    }

    // MARK: What became of it

    private func writtenMessages() throws(ProjectionError) -> (SummaryPosition, [WrittenMessage]) {
        try read { db in
            let position = try Self.position(db)
            var digests: [UInt32: EntryDigest] = [:]
            let few = try Row.fetchCursor(db, sql: "SELECT message, device, entry FROM \(DeliveryFewColumn.table)")
            while let row = try few.next() {
                let message: UInt32 = row["message"]
                digests[message, default: EntryDigest()].add(device: row["device"], byte: row["entry"])
            }
            let pages = try Row.fetchCursor(db, sql: "SELECT message, page, states FROM \(DeliveryPageColumn.table)")
            while let row = try pages.next() {
                let (message, page): (UInt32, UInt32) = (row["message"], row["page"])
                let states: [UInt8] = Array(row["states"] as Data)
                for (index, byte) in states.enumerated() where byte != 0 {
                    let device = page * UInt32(DeliveryEntries.pageDevices) + UInt32(index)
                    digests[message, default: EntryDigest()].add(device: device, byte: byte)
                }
            }
            var messages: [WrittenMessage] = []
            let sql = "SELECT * FROM \(MessageColumn.table) ORDER BY number"
            let rows = try Row.fetchCursor(db, sql: sql)
            while let row = try rows.next() {
                let number: UInt32 = row["number"]
                let states: String = row["states"]
                messages.append(
                    WrittenMessage(
                        id: MessageID(number: number, tag: row["tag"]),
                        counts: states.split { !$0.isNumber }.compactMap { Int($0) }, addressed: row["addressed"],
                        closing: row["closed"], late: row["late"], attempts: row["attempts"],
                        entries: digests[number] ?? EntryDigest()))
            }
            return (position, messages)
        }
    }

    private static func compare(
        _ written: [WrittenMessage], with state: borrowing SummaryState, _ found: inout OutboxVerification
    ) {
        var folded: [UInt32: WrittenMessage] = [:]
        for id in state.messageIDs { folded[id.number] = state.written(id) }
        for message in written {
            found.messages += 1
            found.entries += message.entries.count
            guard let again = folded.removeValue(forKey: message.id.number) else {
                found.add(message.id, "is in the summaries, and not in the log")
                continue
            }
            if message.counts.reduce(0, +) != message.addressed || message.entries.count != message.addressed {
                found.add(
                    message.id,
                    "went to \(message.addressed) devices, has \(message.counts.reduce(0, +)) in its states and "
                        + "\(message.entries.count) entries")
            } else if message.counts != again.counts {
                found.add(message.id, "has the states \(message.counts); by the log \(again.counts)")
            } else if message != again {
                found.add(message.id, "has other entries, or another end, than by the log")
            }
        }
        for message in folded.values.sorted(by: { $0.id.number < $1.id.number }) {
            found.add(message.id, "is in the log, and not in the summaries")
        }
    }
}

extension SummaryState {
    fileprivate func written(_ id: MessageID) -> WrittenMessage? {
        guard let index = outbox.index(of: id.number) else { return nil }
        let message = outbox.messages[index]
        var digest = EntryDigest()
        outbox.entries[index].visit { device, entry in digest.add(device: device, byte: entry.byte) }
        return WrittenMessage(
            id: id, counts: message.states.indices.map { Int(message.states[$0]) }, addressed: Int(message.addressed),
            closing: message.closing, late: Int(message.late), attempts: Int(clamping: message.attempts),
            entries: digest)
    }
}
