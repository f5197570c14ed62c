// What the log still has of those who are forgotten: counted by reading it once for all of them.

import Events
import Log
import Presentation

/// Counts events, devices and aspects of some pseudonyms.
struct RemainsCount {
    /// Which of the names asked for a pseudonym belongs to.
    private var customers: [UInt32: Int] = [:]
    private var devices: [UInt32: Int] = [:]
    private var seenDevices: [Set<UInt32>]
    private var seenAspects: [Set<UInt32>]
    private(set) var remains: [ErasureRemains]
    /// When exports were made, as the log says.
    private(set) var exports: [Timestamp] = []
    private var exportWord = SymbolID.none

    /// - Parameter pseudonyms: those of each name.
    init(_ pseudonyms: [[Pseudonym]], exportWord: SymbolID?) {
        remains = Array(repeating: ErasureRemains(), count: pseudonyms.count)
        seenDevices = Array(repeating: [], count: pseudonyms.count)
        seenAspects = seenDevices
        self.exportWord = exportWord ?? .none
        for (index, pseudonyms) in pseudonyms.enumerated() {
            for pseudonym in pseudonyms {
                switch pseudonym {
                case .customer(let id): customers[id.rawValue] = index
                case .device(let id): devices[id.rawValue] = index
                }
            }
        }
    }

    mutating func add(_ block: Block, segment: (Offset) -> String) {
        let events = block.batch.events
        for index in events.indices {
            let event = events[index]
            if event.kind == .audited, event.quarantine == .none, event.aspect == exportWord, exportWord != .none {
                exports.append(event.time)
            }
            var owner: Int?
            if event.customer != .none, !customers.isEmpty { owner = customers[event.customer.rawValue] }
            if owner == nil, !devices.isEmpty { owner = devices[event.device.rawValue] }
            guard let owner, event.kind != .customerErased else { continue }
            remains[owner].events += 1
            if event.device != .none { seenDevices[owner].insert(event.device.rawValue) }
            if event.aspect != .none { seenAspects[owner].insert(event.aspect.rawValue) }
            let isReadable = event.textLength > 0 || hasReadablePart(block.batch.details(of: event))
            guard isReadable else { continue }
            remains[owner].readableTexts += 1
            let name = segment(block.firstOffset + index)
            if remains[owner].segments.last != name { remains[owner].segments.append(name) }
        }
    }

    private func hasReadablePart(_ details: EventDetails) -> Bool {
        EventDetails.parts.contains { part in
            !details[keyPath: part].isEmpty && details[keyPath: part].codec == .plain
        }
    }

    mutating func finish(isIncomplete: Bool) {
        for index in remains.indices {
            remains[index].devices = seenDevices[index].count
            remains[index].aspects = seenAspects[index].count
            remains[index].isIncomplete = isIncomplete
        }
    }
}
