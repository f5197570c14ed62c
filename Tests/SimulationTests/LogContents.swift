// What is in the simulated log, read without the code that wrote it: by names, counted with plain dictionaries.

import Events
import Log

/// How an event is told from every other.
struct LogKey: Hashable, CustomStringConvertible {
    var device: String
    var epoch: UInt32
    var seq: UInt64
    var hash: UInt64

    init(device: String, epoch: UInt32, seq: UInt64, id: String? = nil) {
        self.device = device
        if let id {
            (self.epoch, self.seq, hash) = (0, 0, identityHash(Array(id.utf8).span))
        } else {
            (self.epoch, self.seq, hash) = (epoch, seq, 0)
        }
    }

    init(device: String, hash: UInt64) {
        self.device = device
        (epoch, seq, self.hash) = (0, 0, hash)
    }

    var description: String { hash == 0 ? "\(device) \(epoch)-\(seq)" : "\(device) #\(hash)" }
}

struct LogContents {
    /// Where each event stands.
    private(set) var places: [LogKey: Int] = [:]
    /// What each says, at its place.
    private(set) var texts: [String] = []
    /// The numbers that gap events say are lost.
    private(set) var gaps: Set<LogKey> = []
    private(set) var failures: [String] = []
    private var totals: [String: Totals] = [:]
    private var names: [UInt32: String] = [:]
    private var products: [UInt32: String] = [:]
    private var aspects: [UInt32: String] = [:]
    private var blocksRead = 0

    /// What the log says of one product.
    private struct Totals {
        var kinds = [0, 0, 0, 0, 0]
        var devices: Set<UInt32> = []
        var customers: Set<UInt32> = []
    }

    /// Reads what has come since the last time.
    mutating func read(_ disk: SimulatedDisk) {
        guard disk.blocks.count > blocksRead else { return }
        for device in disk.names.devices {
            names[device.id.rawValue] = String(decoding: disk.names.name(of: device), as: UTF8.self)
        }
        for symbol in disk.names.symbols {
            let text = String(decoding: symbol.text, as: UTF8.self)
            if symbol.kind == .product { products[symbol.id.rawValue] = text }
            if symbol.kind == .aspect { aspects[symbol.id.rawValue] = text }
        }
        for block in disk.blocks[blocksRead...] {
            if block.firstOffset.rawValue != UInt64(texts.count) {
                failures.append("a hole before event \(texts.count)")
            }
            for event in block.batch.events {
                let device = names[event.device.rawValue] ?? "a device without a name"
                take(event, device, products[event.product.rawValue] ?? "a product without a name", block.batch)
            }
        }
        blocksRead = disk.blocks.count
    }

    private mutating func take(_ event: Event, _ device: String, _ product: String, _ batch: EventBatch) {
        let place = texts.count
        guard event.kind != .gap else {
            texts.append("gap")
            for seq in (event.seq + 1 - UInt64(event.count))...event.seq {
                let key = LogKey(device: device, epoch: event.epoch, seq: seq)
                if !gaps.insert(key).inserted { failures.append("\(key) is said to be lost twice") }
            }
            return
        }
        let value = if case .whole(let number) = event.value { "\(number)" } else { "" }
        let text = String(decoding: batch.text(of: event), as: UTF8.self)
        texts.append(
            Self.text(
                event.kind, aspects[event.aspect.rawValue] ?? "", text.isEmpty ? value : text, event.count, event.time))
        let key =
            event.identity == .hash
            ? LogKey(device: device, hash: event.seq) : LogKey(device: device, epoch: event.epoch, seq: event.seq)
        if places.updateValue(place, forKey: key) != nil { failures.append("\(key) is in the log twice") }
        if event.quarantine == .none { count(event, product) }
    }

    private mutating func count(_ event: Event, _ product: String) {
        totals[product, default: Totals()].kinds[Int(event.kind.rawValue) - 1] += 1
        totals[product, default: Totals()].devices.insert(event.device.rawValue)
        if event.customer != .none { totals[product, default: Totals()].customers.insert(event.customer.rawValue) }
    }

    /// For each product: how its line in the summaries begins, and how it must go on.
    var productLines: [(start: String, line: String)] {
        totals.map { product, totals in
            let start = "product_summary|\"\(product)\"|"
            let numbers =
                [totals.kinds.reduce(0, +)] + totals.kinds + [0, totals.devices.count, totals.customers.count]
            return (start, start + numbers.map(String.init).joined(separator: "|") + "|")
        }
    }

    /// What an event says, to be compared.
    static func text(_ event: MadeEvent) -> String {
        text(event.kind, event.aspect, event.value.map { "\($0)" } ?? event.text, event.count, event.time)
    }

    private static func text(
        _ kind: EventKind, _ aspect: String, _ value: String, _ count: UInt32, _ time: Timestamp
    ) -> String {
        "\(kind.name) \(aspect) \(value) x\(count) at \(time.rawValue)"
    }
}
