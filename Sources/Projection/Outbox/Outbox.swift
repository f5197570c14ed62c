// The outbox: what every message has become at every device. A fold over the log, and nothing but that.

import Events

/// What the outbox must know of devices and customers; the rest of the fold knows it.
protocol OutboxAudience {
    /// One more than the highest device number.
    var deviceCount: Int { get }
    /// The product that a device belongs to; 0 for none.
    func product(of device: UInt32) -> UInt32
    /// The customer that the newest event of a device with one has named; 0 for none.
    func customer(of device: UInt32) -> UInt32
    /// Whether a customer has agreed to be written to about a product, as of a time.
    func agrees(_ customer: UInt32, _ product: UInt32, at time: Timestamp) -> Bool
    /// Whether a device was told by its customer how an aspect of its product should stand.
    func hasChosen(_ device: UInt32, _ aspect: UInt32) -> Bool
}

/// Messages, whom they were addressed to, and what became of them there.
///
/// Every change of an entry is an event of the log, and who was addressed is recorded, never decided anew: so a rebuild
/// gives the same, byte for byte, whatever names were forgotten since. Time is known only as the arrival of events. The
/// fold never sees a name. Receipts may come in any order and as often as they like (`DeliveryState.joined`).
struct Outbox: Sendable {
    /// In the order of their ordinals, which is that of the log.
    var messages: [OutboxMessage] = []
    /// As many as `messages`.
    var entries: [DeliveryEntries] = []
    /// The JSON that each carries; nothing for one that cannot be read any more.
    var payloads: [[UInt8]] = []
    /// The messages that are not over.
    var open = OpenMessages()
    /// How many messages are to be brought to each device.
    var pending: [UInt8] = []
    /// What decides between settings and customers, by (ordinal, device).
    var evidence: [UInt64: SettingEvidence] = [:]
    /// The last answer of each device, by (ordinal, device).
    var answers: [UInt64: OutboxAnswer] = [:]
    /// Of each device, the settings that its customer has undone and may not; it follows from `evidence`, and may name
    /// some that are so no more (`isContested`).
    var contested: [UInt32: [Int]] = [:]
    /// Addressees of which not all parts have come: only a whole set counts.
    var partial: [UInt32: PartialAddressing] = [:]
    /// Messages by their author's own id.
    var keys: [UInt64: UInt32] = [:]
    /// Customers who were forgotten; their numbers are never given out again.
    var erased: Set<UInt32> = []
    /// Receipts and answers that belong to no message, or to none that went to their device.
    var strays: UInt64 = 0

    /// Devices that have said something of a message since `takeHeard`, while more waits for them: not kept, and at
    /// most so many, for they are served each second anyway.
    private(set) var heard: [UInt32] = []
    static let mostHeard = 4_096

    /// Indexes of the messages that a checkpoint must write.
    var dirty: [Int] = []

    init() {}

    /// Whether there was ever a message: otherwise events of devices say nothing here.
    var isActive: Bool { !messages.isEmpty }
    var isDirty: Bool { !dirty.isEmpty }
    var lastNumber: UInt32 { messages.last?.number ?? 0 }
    /// What it takes in memory, about.
    var bytes: Int {
        entries.reduce(0) { $0 + $1.bytes } + payloads.reduce(0) { $0 + $1.count } + pending.count
            + messages.count * MemoryLayout<OutboxMessage>.stride + (evidence.count + answers.count) * 64
    }

    static func key(_ number: UInt32, _ device: UInt32) -> UInt64 { UInt64(number) << 32 | UInt64(device) }

    /// The index of a message by its ordinal.
    func index(of number: UInt32) -> Int? {
        guard number > 0, let first = messages.first?.number, number >= first else { return nil }
        // None is missing, unless the log is damaged.
        let guess = Int(number - first)
        if guess < messages.count, messages[guess].number == number { return guess }
        var (low, high) = (0, min(guess, messages.count))
        while low < high {
            let middle = (low + high) / 2
            if messages[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < messages.count && messages[low].number == number ? low : nil
    }

    func pendingCount(_ device: UInt32) -> Int { Int(device) < pending.count ? Int(pending[Int(device)]) : 0 }

    // MARK: Changing entries

    mutating func touch(_ index: Int) {
        guard !messages[index].isDirty else { return }
        messages[index].isDirty = true
        dirty.append(index)
    }

    /// Puts another entry in the place of one; the counts follow.
    mutating func put(_ entry: Delivery, _ index: Int, _ device: UInt32) {
        let old = entries[index][device]
        guard old != entry else { return }
        entries[index].set(device, entry)
        touch(index)
        guard old.state != entry.state else { return }
        if old.state != .none { messages[index].states[Int(old.state.rawValue)] -= 1 }
        messages[index].states[Int(entry.state.rawValue)] += 1
        let change = (entry.state.isPending ? 1 : 0) - (old.state.isPending ? 1 : 0)
        guard change != 0 else { return }
        if Int(device) >= pending.count {
            pending += repeatElement(0, count: Int(device) + 1 - pending.count)
        }
        pending[Int(device)] = UInt8(clamping: Int(pending[Int(device)]) + change)
    }

    /// Puts another state in the place of one; the attempts stay.
    mutating func move(_ index: Int, _ device: UInt32, to state: DeliveryState) {
        var entry = entries[index][device]
        guard entry.state != state else { return }
        if entry.isOverQuota { entry.attempts = 0 }
        entry.state = state
        if state == .withheld { entry.attempts = min(entry.attempts, Delivery.mostAttempts) }
        put(entry, index, device)
    }

    // MARK: Messages

    /// A message is in the log.
    mutating func add(
        _ event: borrowing Event, _ details: EventDetails, _ payload: ArraySlice<UInt8>, at offset: UInt64
    ) {
        let message = OutboxMessage(event, details, at: offset)
        // One that comes again, as from a log that was put together of two, is none.
        guard message.number > lastNumber, message.product != 0 else { return }
        messages.append(message)
        entries.append(DeliveryEntries())
        payloads.append(Array(payload))
        open.add(messages.count - 1, message)
        if message.key != 0 { keys[message.key] = message.number }
        touch(messages.count - 1)
    }

    /// A message is over. The first event that says so counts.
    mutating func close(_ number: UInt32, _ reason: ClosingReason, at offset: UInt64) {
        guard let index = index(of: number), messages[index].isOpen else { return }
        (messages[index].closing, messages[index].closedAt) = (reason.rawValue, offset)
        open.remove(index, messages)
        partial[number] = nil
        touch(index)
        var moved: [(UInt32, DeliveryState)] = []
        entries[index].visit { device, entry in
            let state = entry.state.closed(reason)
            if state != entry.state { moved.append((device, state)) }
        }
        for (device, state) in moved { move(index, device, to: state) }
    }

    // MARK: Who may be sent more

    /// A device has said something of a message, so that the next one may go to it.
    mutating func hear(_ device: UInt32) {
        guard heard.count < Self.mostHeard, heard.last != device,
            pendingCount(device) > 0 || contested[device] != nil
        else { return }
        heard.append(device)
    }

    mutating func takeHeard() -> [UInt32] {
        guard !heard.isEmpty else { return [] }
        defer { heard = [] }
        return heard
    }

    // MARK: What checkpoints write

    mutating func clearDirty() {
        for index in dirty {
            messages[index].isDirty = false
            messages[index].hasNewAnswers = false
            entries[index].clearDirty()
        }
        dirty = []
    }
}
