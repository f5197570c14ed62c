// What customers ask for on their devices: found in the log, and how it is shown.

package import Events
package import Log

/// A customer's request for a copy of the data, or to be forgotten.
package struct DataRequest: Sendable, Equatable {
    package var kind: EventKind
    package var offset: Offset
    package var time: Timestamp
    package var customer: String
    /// The device that it was asked on, as PRODUCT/NAME.
    package var source: String
    /// Whether the device was heard with this customer before.
    package var isKnownDevice: Bool
}

/// Looks through a log, block by block in its order.
package struct RequestSearch {
    private struct Found {
        var event: Event
        var offset: Offset
        var isKnownDevice: Bool
    }

    private var found: [Found] = []
    /// The customer that each device was heard with last, and the others.
    private var last: [CustomerID] = []
    private var others: Set<UInt64> = []

    package init() {}

    package mutating func add(_ block: Block) {
        let events = block.batch.events
        for index in events.indices {
            let event = events[index]
            guard event.quarantine == .none, event.customer != .none, event.kind.isUplink else { continue }
            if event.kind == .dataRequested || event.kind == .erasureRequested {
                found.append(
                    Found(event: event, offset: block.firstOffset + index, isKnownDevice: isKnown(event)))
            } else {
                note(event)
            }
        }
    }

    private static func pair(_ device: Int, _ customer: CustomerID) -> UInt64 {
        UInt64(device) << 32 | UInt64(customer.rawValue)
    }

    private func isKnown(_ event: Event) -> Bool {
        let device = Int(event.device.rawValue)
        guard device > 0, device < last.count else { return false }
        return last[device] == event.customer || others.contains(Self.pair(device, event.customer))
    }

    private mutating func note(_ event: Event) {
        let device = Int(event.device.rawValue)
        if device >= last.count {
            last.append(contentsOf: repeatElement(CustomerID.none, count: device + 1 - last.count))
        }
        if last[device] == event.customer { return }
        if last[device] != .none { others.insert(Self.pair(device, last[device])) }
        last[device] = event.customer
    }

    /// Those whose customers are not forgotten; the latest of each kind for each customer and device.
    package func requests(_ vocabulary: Vocabulary) -> [DataRequest] {
        var seen: Set<[UInt32]> = []
        var requests: [DataRequest] = []
        for one in found.reversed() {
            let name = vocabulary.name(of: one.event.customer)
            let key = [one.event.customer.rawValue, one.event.device.rawValue, UInt32(one.event.kind.rawValue)]
            guard !name.isEmpty, seen.insert(key).inserted else { continue }
            let product = String(decoding: vocabulary.text(.product, one.event.product), as: UTF8.self)
            let device = String(decoding: vocabulary.name(of: one.event.device), as: UTF8.self)
            requests.append(
                DataRequest(
                    kind: one.event.kind, offset: one.offset, time: one.event.time,
                    customer: String(decoding: name, as: UTF8.self), source: "\(product)/\(device)",
                    isKnownDevice: one.isKnownDevice))
        }
        return requests.reversed()
    }
}

package func renderRequests(_ requests: [DataRequest], as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table:
        guard !requests.isEmpty else { return "nobody has asked for anything\n" }
        var table = TextTable([
            .init("time", rank: 1), .init("asks for"), .init("customer", least: 12), .init("on", least: 12, rank: 2),
            .init("that device"),
        ])
        for one in requests {
            table.add([
                String(rfc3339(one.time).prefix(16)), one.kind == .dataRequested ? "data" : "erasure",
                visible(one.customer), visible(one.source),
                one.isKnownDevice ? "is theirs" : "is not known as theirs",
            ])
        }
        return table.lines(style, indent: 0).map { $0 + "\n" }.joined()
    case .json:
        return requests.map { one in
            JSONWriter.line { json in
                json.add("type", "\(one.kind.name)")
                json.add("offset", one.offset.rawValue)
                json.add("time", one.time)
                json.add("customer", one.customer)
                json.add("source", one.source)
                json.add("is_known_device", one.isKnownDevice)
            }
        }.joined()
    case .csv:
        return csvLine(["type", "offset", "time", "customer", "source", "is_known_device"])
            + requests.map { one in
                csvLine([
                    "\(one.kind.name)", String(one.offset.rawValue), rfc3339(one.time), one.customer, one.source,
                    one.isKnownDevice ? "true" : "false",
                ])
            }.joined()
    }
}
