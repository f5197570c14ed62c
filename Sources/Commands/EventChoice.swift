// Which events a command is about: of a product, a device, an aspect, a kind; and from when on.

import ArgumentParser
import Bytes
import Events
import Log
import Presentation

/// The options by which events are chosen; `log tail` and `log export` have the same ones.
struct EventOptions: ParsableArguments {
    @Option(help: "Only events of this product.")
    var product: String?

    @Option(help: "Only events of this device, as PRODUCT/DEVICE.")
    var device: String?

    @Option(help: "Only events of this aspect.")
    var aspect: String?

    @Option(help: "Only events of this kind, as feature.used; may be given several times.")
    var kind: [String] = []

    func validate() throws {
        guard let device else { return }
        guard device.contains("/") else {
            throw ValidationError("--device needs the product too: --device PRODUCT/DEVICE")
        }
        guard product.map({ device.hasPrefix($0 + "/") }) ?? true else {
            throw ValidationError("--device is of another product than --product")
        }
    }

    /// Whether all events are wanted.
    var isEmpty: Bool { product == nil && device == nil && aspect == nil && kind.isEmpty }
}

/// Events that were chosen, by the numbers that the log has for the names: to be made anew when it has more of them.
struct EventChoice {
    private var product: SymbolID?
    private var device: DeviceID?
    private var aspect: SymbolID?
    private var kinds: Set<EventKind> = []
    /// Vendors' own kinds.
    private var types: Set<SymbolID> = []
    private var hasKinds = false
    /// What was asked for and the log does not know, a line each: there is no event of it yet.
    private(set) var unknown: [String] = []

    /// All events.
    init() {}

    init(_ options: EventOptions, _ vocabulary: Vocabulary) {
        hasKinds = !options.kind.isEmpty
        for name in options.kind {
            if let kind = EventKind.allCases.first(where: { "\($0.name)" == name }) {
                kinds.insert(kind)
            } else if let type = Self.find(.type, name, vocabulary) {
                types.insert(type)
            } else {
                let all = EventKind.allCases.map { "\($0.name)" } + Self.names(.type, vocabulary)
                unknown.append(Self.remark("kind", name, all))
            }
        }
        if let name = options.product {
            product = Self.find(.product, name, vocabulary)
            if product == nil { unknown.append(Self.remark("product", name, Self.names(.product, vocabulary))) }
        }
        if let name = options.aspect {
            aspect = Self.find(.aspect, name, vocabulary)
            if aspect == nil { unknown.append(Self.remark("aspect", name, Self.names(.aspect, vocabulary))) }
        }
        if let name = options.device {
            device = Self.find(device: name, vocabulary)
            if device == nil { unknown.append(Self.remark("device", name, [])) }
        }
    }

    private static func names(_ kind: SymbolKind, _ vocabulary: Vocabulary) -> [String] {
        vocabulary.texts(kind).dropFirst().map { String(decoding: $0, as: UTF8.self) }
    }

    private static func remark(_ what: String, _ name: String, _ known: [String]) -> String {
        let nearest = nearestWord(to: name, among: known).map { "; the nearest is \(visible($0))" } ?? ""
        return "the log knows no \(what) \(visible(name))\(nearest)"
    }

    func contains(_ event: Event) -> Bool {
        if let product, event.product != product { return false }
        if let device, event.device != device { return false }
        if let aspect, event.aspect != aspect { return false }
        if hasKinds,
            !(event.kind == .custom
                ? types.contains(event.type) || kinds.contains(.custom)
                : kinds.contains(event.kind))
        {
            return false
        }
        return unknown.isEmpty
    }

    /// Some characters cannot be typed: the name as it is shown will do.
    private static func find(_ kind: SymbolKind, _ name: String, _ vocabulary: Vocabulary) -> SymbolID? {
        if let id = vocabulary.find(kind, Array(name.utf8).span) { return id }
        guard name.contains("\\") else { return nil }
        let index = names(kind, vocabulary).firstIndex { visible($0) == name }
        return index.map { SymbolID(rawValue: UInt32($0) + 1) }
    }

    /// Products may have a / in their names: the first one that is known counts.
    private static func find(device target: String, _ vocabulary: Vocabulary) -> DeviceID? {
        for slash in target.indices where target[slash] == "/" {
            guard let product = find(.product, String(target[..<slash]), vocabulary) else { continue }
            let name = String(target[target.index(after: slash)...])
            if let device = vocabulary.find(device: Array(name.utf8).span, of: product) { return device }
        }
        return nil
    }
}

/// A point of time as people write it: RFC 3339, a day, or how long ago.
struct Moment: ExpressibleByArgument {
    let text: String
    /// Nil when it is `ago` before now.
    private let fixed: Timestamp?
    private let agoMilliseconds: Int64

    init?(argument: String) {
        text = argument
        let units: [Character: Int64] = ["s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        if let unit = argument.last.flatMap({ units[$0] }), let count = Int64(argument.dropLast()), count >= 0 {
            let (milliseconds, isTooMuch) = count.multipliedReportingOverflow(by: unit)
            guard !isTooMuch else { return nil }
            (fixed, agoMilliseconds) = (nil, milliseconds)
            return
        }
        let full = argument.count == 10 ? argument + "T00:00:00Z" : argument
        guard let milliseconds = readRFC3339(Array(full.utf8).span) else { return nil }
        (fixed, agoMilliseconds) = (Timestamp(rawValue: milliseconds), 0)
    }

    func time(now: Timestamp) -> Timestamp { fixed ?? Timestamp(rawValue: now.rawValue - agoMilliseconds) }
}

extension EventLog {
    /// Where the first block begins that has an event which arrived at a time or later; the head when there is none.
    ///
    /// Events stand in the log as they arrived, so that a few blocks need to be looked at.
    func offset(of time: Timestamp) async throws(LogError) -> Offset {
        var (low, high) = (await start.rawValue, await head.rawValue)
        while low < high {
            let middle = low + (high - low) / 2
            var follower = PassingFollower(
                Follower(self, from: Offset(rawValue: middle), wakeup: .poll(every: .seconds(1))), report: { _ in })
            guard let block = try await follower.nextAvailable(limit: 1).first, let last = block.batch.events.last
            else {
                high = middle
                continue
            }
            if last.arrival < time { low = max(middle + 1, block.endOffset.rawValue) } else { high = middle }
        }
        return Offset(rawValue: min(low, await head.rawValue))
    }
}
