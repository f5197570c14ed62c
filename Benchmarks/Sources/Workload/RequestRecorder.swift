// The same events as requests over HTTP: lines, CloudEvents, or one event each.

/// Whole requests, head and body; devices are shared out over the connections by number, as in `LineRecorder`.
package struct RequestRecorder: Recorder {
    package enum Body: Sendable {
        /// NDJSON.
        case lines
        /// An array of CloudEvents.
        case cloudEvents
        /// One event of the short form.
        case event
    }

    package let fileName: String
    package var bytes: [UInt8]
    private let fleet: Fleet
    private let body: Body
    private let batch: Int
    private var waiting: [[UInt8]]
    private var counts: [Int]

    package init(fleet: Fleet, fileName: String, body: Body, connections: Int, batch: Int = 256) {
        self.fleet = fleet
        self.fileName = fileName
        self.body = body
        self.batch = batch
        waiting = Array(repeating: [], count: connections)
        counts = Array(repeating: 0, count: connections)
        bytes = LoadFile.head(.requests, connections: connections)
    }

    package mutating func add(_ slice: [Occurrence]) {
        for event in slice {
            let connection = Int(event.device) % waiting.count
            switch body {
            case .lines, .event: fleet.appendLine(event, to: &waiting[connection])
            case .cloudEvents:
                waiting[connection].append(UInt8(ascii: counts[connection] == 0 ? "[" : ","))
                fleet.appendCloudEvent(event, to: &waiting[connection])
            }
            counts[connection] += 1
            if counts[connection] == batch { flush(connection) }
        }
    }

    package mutating func finish() {
        for connection in counts.indices where counts[connection] > 0 { flush(connection) }
    }

    private mutating func flush(_ connection: Int) {
        if body == .cloudEvents { waiting[connection].append(UInt8(ascii: "]")) }
        var request = Array(
            "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:7480\r\nUser-Agent: tidings-benchmarks\r\n".utf8)
        request += "Accept: */*\r\nContent-Type: \(mediaType)\r\nContent-Length: ".utf8
        appendDecimal(Int64(waiting[connection].count), to: &request)
        request += "\r\n\r\n".utf8
        request += waiting[connection]
        LoadFile.append(request, connection: connection, events: counts[connection], to: &bytes)
        waiting[connection].removeAll(keepingCapacity: true)
        counts[connection] = 0
    }

    private var mediaType: String {
        switch body {
        case .lines: "application/x-ndjson"
        case .cloudEvents: "application/cloudevents-batch+json"
        case .event: "application/json"
        }
    }
}

extension Fleet {
    /// The event as a CloudEvent: the same as its line, in the words of that format.
    func appendCloudEvent(_ event: Occurrence, to line: inout [UInt8]) {
        line += #"{"specversion":"1.0","id":"0-"#.utf8
        appendDecimal(Int64(event.seq), to: &line)
        line += #"","source":""#.utf8
        line += products[Int(productOf[Int(event.device)])]
        line.append(UInt8(ascii: "/"))
        line += devices[Int(event.device)]
        line += #"","subject":""#.utf8
        line += customers[Int(event.customer)]
        line += #"","time":""#.utf8
        appendTime(event.time, to: &line)
        line += #"","type":"org.tidings."#.utf8
        line += event.kind.name.utf8
        line += #".v1","data":{"aspect":""#.utf8
        line += common[Int(aspectName(of: event))]
        line += event.kind == .rating ? #"","ratingValue":"#.utf8 : #"","value":"#.utf8
        if let text = text(of: event) {
            line.append(UInt8(ascii: "\""))
            line += text
            line.append(UInt8(ascii: "\""))
        } else {
            appendNumber(of: event, to: &line)
        }
        line += "}}".utf8
    }
}

/// RFC 3339, with milliseconds. The workload is of one week, from New Year's Day of 2026; a few events are older.
private func appendTime(_ time: Int64, to line: inout [UInt8]) {
    let ofDay = time % 86_400_000
    let day = (time - Occurrences.start - ofDay) / 86_400_000 + 1
    line += (day > 0 ? "2026-01-0\(day)" : "2025-12-31").utf8
    line.append(UInt8(ascii: "T"))
    for (unit, mark) in [(3_600_000, ":"), (60_000, ":"), (1_000, ".")] as [(Int64, StaticString)] {
        let number = ofDay / unit % (unit == 3_600_000 ? 24 : 60)
        line += decimal(Int(number), width: 2)
        line += mark.description.utf8
    }
    line += decimal(Int(ofDay % 1_000), width: 3)
    line.append(UInt8(ascii: "Z"))
}
