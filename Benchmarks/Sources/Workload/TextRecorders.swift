// The same events as text: NDJSON and CSV for people, scripts and peers, and JSON lines as a load.

/// One JSON object a line, keys as in the short form of the wire.
package struct LineRecorder: Recorder {
    package let fileName: String
    package var bytes: [UInt8]
    private let fleet: Fleet
    private let connections: Int
    private let batch: Int
    private var waiting: [[UInt8]]
    private var counts: [Int]

    /// - Parameter connections: 0 writes a plain NDJSON file; else a load of so many connections, devices shared out
    ///   by number, `batch` lines a write.
    package init(fleet: Fleet, fileName: String, connections: Int = 0, batch: Int = 256) {
        self.fleet = fleet
        self.fileName = fileName
        self.connections = connections
        self.batch = batch
        waiting = Array(repeating: [], count: connections)
        counts = Array(repeating: 0, count: connections)
        bytes = connections == 0 ? [] : LoadFile.head(.lines, connections: connections)
    }

    package mutating func add(_ slice: [Occurrence]) {
        for event in slice {
            guard connections > 0 else {
                fleet.appendLine(event, to: &bytes)
                continue
            }
            let connection = Int(event.device) % connections
            fleet.appendLine(event, to: &waiting[connection])
            counts[connection] += 1
            if counts[connection] == batch { flush(connection) }
        }
    }

    package mutating func finish() {
        for connection in counts.indices where counts[connection] > 0 { flush(connection) }
    }

    private mutating func flush(_ connection: Int) {
        LoadFile.append(waiting[connection], connection: connection, events: counts[connection], to: &bytes)
        waiting[connection].removeAll(keepingCapacity: true)
        counts[connection] = 0
    }
}

/// `product,device,customer,id,time,type,aspect,number,text`, without a head line.
package struct CSVRecorder: Recorder {
    package let fileName: String
    package var bytes: [UInt8] = []
    private let fleet: Fleet

    package init(fleet: Fleet, fileName: String) {
        self.fleet = fleet
        self.fileName = fileName
    }

    package mutating func add(_ slice: [Occurrence]) {
        let comma = UInt8(ascii: ",")
        for event in slice {
            bytes += fleet.products[Int(fleet.productOf[Int(event.device)])]
            bytes.append(comma)
            bytes += fleet.devices[Int(event.device)]
            bytes.append(comma)
            bytes += fleet.customers[Int(event.customer)]
            bytes.append(comma)
            appendDecimal(Int64(event.seq), to: &bytes)
            bytes.append(comma)
            appendDecimal(event.time, to: &bytes)
            bytes.append(comma)
            bytes += event.kind.name.utf8
            bytes.append(comma)
            bytes += fleet.common[Int(fleet.aspectName(of: event))]
            bytes.append(comma)
            if let text = fleet.text(of: event) {
                bytes.append(comma)
                bytes += text
            } else {
                fleet.appendNumber(of: event, to: &bytes)
                bytes.append(comma)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    package mutating func finish() {}
}

func appendDecimal(_ number: Int64, to bytes: inout [UInt8]) {
    let start = bytes.count
    var rest = number
    repeat {
        bytes.append(UInt8(truncatingIfNeeded: rest % 10) + UInt8(ascii: "0"))
        rest /= 10
    } while rest > 0
    bytes[start...].reverse()
}

extension Fleet {
    /// The event as one JSON object and a newline. Not a method of a recorder: it would copy the recorder's bytes.
    func appendLine(_ event: Occurrence, to line: inout [UInt8]) {
        line += #"{"product":""#.utf8
        line += products[Int(productOf[Int(event.device)])]
        line += #"","device":""#.utf8
        line += devices[Int(event.device)]
        line += #"","customer":""#.utf8
        line += customers[Int(event.customer)]
        line += #"","id":"#.utf8
        appendDecimal(Int64(event.seq), to: &line)
        line += #","time":"#.utf8
        appendDecimal(event.time, to: &line)
        line += #","type":""#.utf8
        line += event.kind.name.utf8
        line += #"","aspect":""#.utf8
        line += common[Int(aspectName(of: event))]
        line += #"","value":"#.utf8
        if let text = text(of: event) {
            line.append(UInt8(ascii: "\""))
            line += text
            line.append(UInt8(ascii: "\""))
        } else {
            appendNumber(of: event, to: &line)
        }
        line += "}\n".utf8
    }

    /// The value as a string, when it is one.
    func text(of event: Occurrence) -> [UInt8]? {
        if let name = valueName(of: event) { return common[Int(name)] }
        return event.kind == .text ? texts[Int(event.value)] : nil
    }

    /// A preference with one decimal, everything else whole.
    func appendNumber(of event: Occurrence, to bytes: inout [UInt8]) {
        guard event.kind == .preference else { return appendDecimal(Int64(event.value), to: &bytes) }
        appendDecimal(Int64(event.value / 2), to: &bytes)
        bytes.append(UInt8(ascii: "."))
        bytes.append(UInt8(ascii: event.value & 1 == 0 ? "0" : "5"))
    }
}
