// The messages that are not over, found by what is asked of them, so that those of one product cost no other one.

import Events

/// The indexes of the open messages. It says nothing that the messages do not say: made anew from them at a start,
/// never saved.
struct OpenMessages: Sendable {
    /// Those of one product, oldest first.
    struct Product: Sendable {
        var all: [Int] = []
        /// Those that need the customer's consent.
        var asking: [Int] = []
        /// Those that devices get which come later.
        var live: [Int] = []
        /// Those that only the program on the device ends.
        var awaitingApp: [Int] = []
    }

    /// All of them, oldest first.
    private(set) var all: [Int] = []
    /// Those whose devices are not found yet.
    private(set) var unaddressed: [Int] = []
    /// Those in whose place newer ones stand at all devices to which they go.
    private(set) var replaced: [Int] = []
    /// How many are written for people, or go to one customer.
    private(set) var personal = 0
    private var products: [UInt32: Product] = [:]
    /// Settings by product and aspect.
    private var settings: [UInt64: [Int]] = [:]
    /// When each is over by itself: a heap, in which those may be left that are over already.
    private var ends: [End] = []

    private struct End: Sendable {
        var time: Int64
        var index: Int
    }

    var isEmpty: Bool { all.isEmpty }
    var count: Int { all.count }
    var hasSettings: Bool { !settings.isEmpty }

    func of(product: UInt32) -> Product { products[product] ?? Product() }
    func settings(_ product: UInt32, _ aspect: UInt32) -> [Int] { settings[Self.key(product, aspect)] ?? [] }

    private static func key(_ product: UInt32, _ aspect: UInt32) -> UInt64 { UInt64(product) << 32 | UInt64(aspect) }

    // MARK: Changes

    /// A message is open; its index is above all others.
    mutating func add(_ index: Int, _ message: OutboxMessage) {
        all.append(index)
        products[message.product, default: Product()].add(index, message)
        if message.isSetting { settings[Self.key(message.product, message.aspect), default: []].append(index) }
        if message.isPersonal { personal += 1 }
        if !message.isAddressed { unaddressed.append(index) }
        if message.expires != 0 { push(End(time: message.expires, index: index)) }
    }

    /// It is known whom a message goes to.
    mutating func address(_ index: Int, _ messages: [OutboxMessage]) {
        unaddressed.remove(index)
        let new = messages[index]
        for older in of(product: new.product).all where older < index {
            guard messages[older].isReplaced(by: new), messages[older].hasTarget(of: new) else { continue }
            if !replaced.contains(older) { replaced.append(older) }
        }
    }

    /// A message is over, and says so itself.
    mutating func remove(_ index: Int, _ messages: [OutboxMessage]) {
        let message = messages[index]
        all.remove(index)
        unaddressed.remove(index)
        replaced.removeAll { $0 == index }
        if message.isPersonal { personal -= 1 }
        if message.isSetting {
            let key = Self.key(message.product, message.aspect)
            settings[key]?.remove(index)
            if settings[key]?.isEmpty == true { settings[key] = nil }
        }
        products[message.product]?.remove(index)
        if products[message.product]?.all.isEmpty == true { products[message.product] = nil }
        while let first = ends.first, !messages[first.index].isOpen { pop() }
        guard ends.count > 2 * all.count + 64 else { return }
        ends.removeAll { !messages[$0.index].isOpen }
        // What is sorted is a heap.
        ends.sort { $0.time < $1.time }
    }

    /// The open messages that are over by a time, in their order.
    func ended(by now: Int64, _ messages: [OutboxMessage]) -> [Int] {
        guard let first = ends.first, first.time <= now else { return [] }
        var (found, next) = ([Int](), [0])
        while let place = next.popLast() {
            guard place < ends.count, ends[place].time <= now else { continue }
            if messages[ends[place].index].isOpen { found.append(ends[place].index) }
            next += [2 * place + 1, 2 * place + 2]
        }
        return found.sorted()
    }

    // MARK: The heap

    private mutating func push(_ end: End) {
        ends.append(end)
        var place = ends.count - 1
        while place > 0, ends[place].time < ends[(place - 1) / 2].time {
            ends.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func pop() {
        ends.swapAt(0, ends.count - 1)
        ends.removeLast()
        var place = 0
        while true {
            let (left, right) = (2 * place + 1, 2 * place + 2)
            var least = place
            if left < ends.count, ends[left].time < ends[least].time { least = left }
            if right < ends.count, ends[right].time < ends[least].time { least = right }
            guard least != place else { return }
            ends.swapAt(place, least)
            place = least
        }
    }
}

extension OpenMessages.Product {
    fileprivate mutating func add(_ index: Int, _ message: OutboxMessage) {
        all.append(index)
        if message.needsConsent { asking.append(index) }
        if message.terms.isLive { live.append(index) }
        if message.terms.awaitsApp { awaitingApp.append(index) }
    }

    fileprivate mutating func remove(_ index: Int) {
        all.remove(index)
        asking.remove(index)
        live.remove(index)
        awaitingApp.remove(index)
    }
}

extension [Int] {
    /// Takes a number out of an ascending list, if it is in it.
    fileprivate mutating func remove(_ number: Int) {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < number { low = middle + 1 } else { high = middle }
        }
        if low < count, self[low] == number { self.remove(at: low) }
    }
}
