// Events to files: each recorder turns slices of the workload into the bytes of one file.

/// Turns events into bytes; whoever drives it takes `bytes` away after each call.
package protocol Recorder {
    var bytes: [UInt8] { get set }
    /// The file's name within the data folder.
    var fileName: String { get }
    mutating func add(_ slice: [Occurrence])
    /// Writes what waited for more events.
    mutating func finish()
}

/// The head and the records of a load file, which `load/loadsend.c` plays.
///
/// Layout, all integers little-endian: `TIDLOAD1`, u32 kind, u32 connections, u32 size of the prelude (sent first on
/// every connection), u32 size of the epilogue (sent last); prelude; epilogue; then records: u32 connection, u32
/// events, u32 size, bytes.
package enum LoadFile {
    package enum Kind: UInt32, Sendable {
        /// Frames over TCP; each acknowledges a cumulative count of events of its connection.
        case frames = 1
        /// JSON lines over TCP.
        case lines = 2
        /// Native datagrams; record n carries counter n, and its connection is the number of its device.
        case datagrams = 3
        /// Requests over HTTP, each answered for itself. (4 and 5 are written by `peers`.)
        case requests = 6
    }

    package static func head(_ kind: Kind, connections: Int, prelude: [UInt8] = [], epilogue: [UInt8] = []) -> [UInt8] {
        var head = Array("TIDLOAD1".utf8)
        for number in [Int(kind.rawValue), connections, prelude.count, epilogue.count] {
            appendLittleEndian(UInt32(number), to: &head)
        }
        return head + prelude + epilogue
    }

    package static func append(_ payload: [UInt8], connection: Int, events: Int, to bytes: inout [UInt8]) {
        for number in [connection, events, payload.count] { appendLittleEndian(UInt32(number), to: &bytes) }
        bytes += payload
    }
}

/// Native frames of gateways, each of which sends a frame when it holds `batch` events. Gateway g forwards for every
/// device whose number is g modulo the number of gateways; or each forwards for devices of one product alone.
package struct FrameRecorder: Recorder {
    package let fileName: String
    package var bytes: [UInt8]
    /// The largest table of any gateway: entries and bytes of its strings.
    package var largestTable: (entries: Int, bytes: Int) {
        (gateways.map(\.table.count).max() ?? 0, gateways.map(\.table.byteCount).max() ?? 0)
    }

    private struct Gateway: Sendable {
        var table = DefineTable()
        var waiting: [Occurrence] = []
        var sent = 0
    }

    private let fleet: Fleet
    private let batch: Int
    private let onlyFirst: Int
    /// By device.
    private let gatewayOf: [Int32]
    private let checksum = Checksum()
    private var gateways: [Gateway]
    private var writer = EventWriter()

    /// - Parameter onlyFirst: when above 0, only the first gateway's first so many events are recorded.
    package init(fleet: Fleet, fileName: String, gateways count: Int, batch: Int, onlyFirst: Int = 0) {
        let gatewayOf = (0..<fleet.deviceCount).map { Int32($0 % count) }
        self.init(
            fleet: fleet, fileName: fileName, gateways: count, gatewayOf: gatewayOf, batch: batch, onlyFirst: onlyFirst)
    }

    /// Gateways that forward for devices of one product alone, as their keys allow.
    package init(fleet: Fleet, fileName: String, of gateways: ProductGateways, batch: Int) {
        self.init(
            fleet: fleet, fileName: fileName, gateways: gateways.products.count, gatewayOf: gateways.gatewayOf,
            batch: batch, onlyFirst: 0)
    }

    private init(
        fleet: Fleet, fileName: String, gateways count: Int, gatewayOf: [Int32], batch: Int, onlyFirst: Int
    ) {
        self.fleet = fleet
        self.fileName = fileName
        self.batch = batch
        self.onlyFirst = onlyFirst
        self.gatewayOf = gatewayOf
        gateways = Array(repeating: Gateway(), count: count)
        var prelude = Array("TDG1".utf8)
        // Hello: proto 1, no source (every event names its device), next 1, agent.
        var hello: [UInt8] = [1 << 3, 1, 5 << 3, 1, 9 << 3 | 2]
        let agent = Array("tidings-benchmarks".utf8)
        appendVarint(UInt64(agent.count), to: &hello)
        appendFrame(LoadFrame.hello, body: hello + agent, checksum: checksum, to: &prelude)
        var epilogue: [UInt8] = []
        appendFrame(LoadFrame.bye, body: [], checksum: checksum, to: &epilogue)
        bytes = LoadFile.head(
            .frames, connections: onlyFirst > 0 ? 1 : count, prelude: prelude, epilogue: epilogue)
    }

    package mutating func add(_ slice: [Occurrence]) {
        for event in slice {
            let gateway = Int(gatewayOf[Int(event.device)])
            if onlyFirst > 0 {
                let held = gateways[0].sent + gateways[0].waiting.count
                guard gateway == 0, held < onlyFirst else { continue }
            }
            gateways[gateway].waiting.append(event)
            if gateways[gateway].waiting.count == batch { flush(gateway) }
        }
    }

    package mutating func finish() {
        for gateway in gateways.indices where !gateways[gateway].waiting.isEmpty { flush(gateway) }
    }

    private mutating func flush(_ number: Int) {
        let waiting = gateways[number].waiting
        let base = waiting[0].time
        var defines: [UInt8] = []
        var events: [UInt8] = []
        for event in waiting {
            let device = gateways[number].table.reference(
                fleet.key(device: event.device), fleet.source(of: Int(event.device)), into: &defines)
            let customer = gateways[number].table.reference(
                fleet.key(customer: event.customer), fleet.customers[Int(event.customer)], into: &defines)
            let aspect = common(fleet.aspectName(of: event), number, &defines)
            let value = fleet.valueName(of: event).map { common($0, number, &defines) } ?? 0
            writer.append(
                event, fleet: fleet, since: base, aspect: aspect, value: value, device: device, customer: customer,
                to: &events)
        }
        var body: [UInt8] = [Field.batchSeq]
        appendVarint(UInt64(gateways[number].sent + 1), to: &body)
        body.append(Field.batchTime)
        appendVarint(UInt64(base), to: &body)
        body += defines
        body += events
        var frame: [UInt8] = []
        appendFrame(LoadFrame.batch, body: body, checksum: checksum, to: &frame)
        LoadFile.append(frame, connection: number, events: waiting.count, to: &bytes)
        gateways[number].sent += waiting.count
        gateways[number].waiting.removeAll(keepingCapacity: true)
    }

    private mutating func common(_ name: Int32, _ gateway: Int, _ defines: inout [UInt8]) -> UInt32 {
        gateways[gateway].table.reference(fleet.key(common: name), fleet.common[Int(name)], into: &defines)
    }
}

/// Native datagrams, each of one device and complete in itself.
package struct DatagramRecorder: Recorder {
    package let fileName: String
    package var bytes: [UInt8]

    /// A datagram that may still grow; a class, so that the array of all devices is never copied.
    private final class Draft {
        var table = DefineTable()
        var defines: [UInt8] = []
        var events: [UInt8] = []
        var count = 0
        let device: Int32
        var firstSeq: Int32 = 0
        var base: Int64 = 0

        init(_ device: Int32) { self.device = device }

        var size: Int { DatagramRecorder.overhead + defines.count + events.count }

        /// A draft with the same contents, to try whether one more event fits.
        func copy() -> Draft {
            let copy = Draft(device)
            (copy.table, copy.defines, copy.events) = (table, defines, events)
            (copy.count, copy.firstSeq, copy.base) = (count, firstSeq, base)
            return copy
        }
    }

    /// Header (14), trailer (8), and the batch's own fields: seq (1 + 5), time (1 + 6), device (1 + 1).
    private static let overhead = 14 + 8 + 15
    private let fleet: Fleet
    private let limit: Int
    private let checksum = Checksum()
    private var writer = EventWriter()
    /// By device; nil when nothing waits.
    private var drafts: [Draft?]
    private var counter: UInt32 = 0

    /// - Parameter limit: the size up to which a device collects events; 0 sends each event at once.
    package init(fleet: Fleet, fileName: String, limit: Int) {
        self.fleet = fleet
        self.fileName = fileName
        self.limit = limit
        bytes = LoadFile.head(.datagrams, connections: fleet.deviceCount)
        drafts = Array(repeating: nil, count: limit == 0 ? 0 : fleet.deviceCount)
    }

    package mutating func add(_ slice: [Occurrence]) {
        for event in slice {
            guard limit > 0, let draft = drafts[Int(event.device)] else {
                let draft = Draft(event.device)
                append(event, to: draft)
                if limit == 0 { flush(draft) } else { drafts[Int(event.device)] = draft }
                continue
            }
            var longer = draft.copy()
            append(event, to: longer)
            if longer.size > limit {
                flush(draft)
                longer = Draft(event.device)
                append(event, to: longer)
            }
            drafts[Int(event.device)] = longer
        }
    }

    package mutating func finish() {
        for device in drafts.indices {
            if let draft = drafts[device] { flush(draft) }
            drafts[device] = nil
        }
    }

    private mutating func append(_ event: Occurrence, to draft: Draft) {
        if draft.count == 0 {
            (draft.firstSeq, draft.base) = (event.seq, event.time)
            let source = fleet.source(of: Int(event.device))
            _ = draft.table.reference(fleet.key(device: event.device), source, into: &draft.defines)
        }
        let name = fleet.customers[Int(event.customer)]
        let customer = draft.table.reference(fleet.key(customer: event.customer), name, into: &draft.defines)
        let aspect = common(fleet.aspectName(of: event), draft)
        let value = fleet.valueName(of: event).map { common($0, draft) } ?? 0
        writer.append(
            event, fleet: fleet, since: draft.base, aspect: aspect, value: value, device: 0, customer: customer,
            to: &draft.events)
        draft.count += 1
    }

    private func common(_ name: Int32, _ draft: Draft) -> UInt32 {
        draft.table.reference(fleet.key(common: name), fleet.common[Int(name)], into: &draft.defines)
    }

    private mutating func flush(_ draft: Draft) {
        var datagram: [UInt8] = [0xc1, LoadFrame.batch]
        appendBigEndian(0, to: &datagram)
        appendBigEndian(0, to: &datagram)
        appendBigEndian(counter, to: &datagram)
        datagram.append(Field.batchSeq)
        appendVarint(UInt64(draft.firstSeq), to: &datagram)
        datagram.append(Field.batchTime)
        appendVarint(UInt64(draft.base), to: &datagram)
        datagram += draft.defines
        datagram += [Field.batchDevice, 1]
        datagram += draft.events
        appendLittleEndian(checksum.value(of: datagram), to: &datagram)
        datagram += [0, 0, 0, 0]
        LoadFile.append(datagram, connection: Int(draft.device), events: draft.count, to: &bytes)
        counter += 1
    }
}
