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
    /// When exports were made that had something of each, as the log says.
    private(set) var exports: [[Timestamp]]
    private let export: SymbolID?
    private let logExport: SymbolID?
    /// Whose name is looked for in the texts of others; nil for none.
    var sought: [NameWords?] = []
    /// In how many texts of others it is; nil where it was not looked for.
    private(set) var mentions: [Int?]

    /// - Parameters:
    ///   - pseudonyms: those of each name.
    ///   - export: the word for an export of one customer.
    ///   - logExport: the word for an export of all.
    init(_ pseudonyms: [[Pseudonym]], export: SymbolID?, logExport: SymbolID?) {
        (self.export, self.logExport) = (export, logExport)
        exports = Array(repeating: [], count: pseudonyms.count)
        mentions = Array(repeating: nil, count: pseudonyms.count)
        remains = Array(repeating: ErasureRemains(), count: pseudonyms.count)
        seenDevices = Array(repeating: [], count: pseudonyms.count)
        seenAspects = seenDevices
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
            if event.kind == .audited {
                note(use: event)
                continue
            }
            var owner: Int?
            if event.customer != .none, !customers.isEmpty { owner = customers[event.customer.rawValue] }
            if owner == nil, !devices.isEmpty { owner = devices[event.device.rawValue] }
            if !sought.isEmpty, event.textLength > 0 { countMentions(block.batch.text(of: event), except: owner) }
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

    private mutating func note(use event: Event) {
        guard event.quarantine == .none, case .symbol(let word) = event.value else { return }
        if word == logExport {
            for index in exports.indices { exports[index].append(event.time) }
        } else if word == export, let owner = customers[event.customer.rawValue] {
            exports[owner].append(event.time)
        }
    }

    private mutating func countMentions(_ text: some Collection<UInt8>, except owner: Int?) {
        let words = NameWords(String(decoding: text, as: UTF8.self))
        for (index, name) in sought.enumerated() where index != owner {
            if let name, words.contain(name) { mentions[index] = (mentions[index] ?? 0) + 1 }
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
            if sought.indices.contains(index), sought[index] != nil { mentions[index] = mentions[index] ?? 0 }
        }
    }
}
