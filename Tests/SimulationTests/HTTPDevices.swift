// Devices over HTTP: requests in every form, one behind the other, cut off, repeated until one is answered.

import Admission
import Bytes
import Events
import Wire

/// An answer to a request, as far as a device reads it.
private struct HTTPAnswer {
    var status: Int
    var body: Substring
    /// Where it ends in what was received.
    var end: Int

    /// Nil as long as it is not whole.
    init?(_ bytes: [UInt8], from start: Int) {
        let rest = Array(bytes[start...])
        guard let head = endOfHead(rest) else { return nil }
        let lines = String(decoding: rest[..<head], as: UTF8.self).split(separator: "\r\n")
        let length = lines.first { $0.lowercased().hasPrefix("content-length:") }
        guard let count = length.flatMap({ Int($0.dropFirst(16)) }), rest.count >= head + count else { return nil }
        status = Int(lines[0].split(separator: " ")[1]) ?? 0
        body = String(decoding: rest[head..<(head + count)], as: UTF8.self)[...]
        end = start + head + count
    }

    /// The number behind `"key":`.
    func number(_ key: String) -> Int? {
        guard let key = body.firstRange(of: "\"\(key)\":") else { return nil }
        return Int(body[key.upperBound...].prefix { $0.isNumber })
    }

    var refusesNothing: Bool { body.contains("\"refused\":[]") }
}

/// Keeps its events until a request with them is answered: 200, or a request of lines that broke off and was counted.
final class HTTPDevice: StreamDevice {
    private enum Form: Int {
        case lines, array, one, cloudEvents, cloudEvent, binary, protobuf
    }

    private struct Request {
        var events: [Int]
        var form: Form
    }

    /// On this connection, without an answer.
    private var requests: [Request] = []
    /// The first event that has not been sent on this connection.
    private var next = 0
    /// A request was cut off: nothing more can be sent on this connection.
    private var isCut = false
    /// How many requests it has without an answer at most.
    private lazy var depth = world.chance(3) ? 16 : world.between(1, 3)
    /// Requests that were answered as cut off, and as not taken now.
    private(set) var cutOff = 0
    private(set) var putOff = 0

    override var transport: TransportKind { .http }
    /// Only a native batch names it, and there may be none on the connection.
    override var saysWhatItLost: Bool { false }

    override func began() {
        requests = []
        next = 0
        isCut = false
    }

    override func greet() { send() }

    override func send() {
        while link != nil, !isCut, requests.count < depth {
            let form = form()
            let count = [.one, .cloudEvent, .binary].contains(form) ? 1 : world.between(1, 5)
            // A native batch is of one epoch; the others take what there is.
            let events =
                form == .protobuf
                ? run(from: next, atMost: count) : Array(held.drop { $0 < next }.prefix(count))
            guard let last = events.last else { return }
            next = last + 1
            requests.append(Request(events: events, form: form))
            post(events, form)
            sent()
        }
    }

    private func form() -> Form {
        Form(rawValue: world.below(made.contains { $0.id != nil } ? 6 : 7)) ?? .lines
    }

    private func post(_ events: [Int], _ form: Form) {
        var body = content(events, form)
        var head = "POST /v1/events HTTP/1.1\r\nHost: collector\r\n"
        let type: String =
            switch form {
            case .lines: "application/x-ndjson"
            case .array, .one, .binary: "application/json"
            case .cloudEvents: "application/cloudevents-batch+json"
            case .cloudEvent: "application/cloudevents+json"
            case .protobuf: "application/x-protobuf"
            }
        head += "Content-Type: \(type)\r\n"
        if form == .binary {
            for (name, value) in attributes(events[0]) { head += "ce-\(name): \(value)\r\n" }
        }
        if world.chance(3), let packed = deflated(body.span) {
            body = packed
            head += "Content-Encoding: deflate\r\n"
        }
        head += "Content-Length: \(body.count)\r\n\r\n"
        guard world.chance(12) else {
            link?.send(Array(head.utf8) + body)
            return
        }
        // It closes its side in the middle and hears the answer, or falls silent until it is given up.
        isCut = true
        link?.send(Array(head.utf8) + body.prefix(world.below(body.count)))
        if world.chance(2) { link?.finish(isHearing: true) }
    }

    // MARK: Answers

    override func read(_ bytes: [UInt8]) -> Int {
        var at = 0
        while let answer = HTTPAnswer(bytes, from: at) {
            at = answer.end
            guard !requests.isEmpty else {
                world.fail("\(name) hears an answer to nothing: \(answer.body)")
                return at
            }
            take(answer, requests.removeFirst())
        }
        if link != nil { send() }
        return at
    }

    private func take(_ answer: HTTPAnswer, _ request: Request) {
        let isCutOff = isCut && requests.isEmpty
        hears = "an answer of \(answer.status) to \(request.form)"
        switch answer.status {
        case 200:
            if answer.number("received") != request.events.count || !answer.refusesNothing || isCutOff {
                world.fail("\(name) is answered \(answer.body) for \(request.events.count) events")
            }
            for index in request.events { acked(index) }
        case 400, 408:
            if !isCutOff { world.fail("\(name) is refused: \(answer.body)") }
            cutOff += 1
            took(answer, request)
        case 503:
            putOff += 1
            took(answer, request)
        default: world.fail("\(name) is answered \(answer.status): \(answer.body)")
        }
    }

    /// An answer that counts before it refuses the rest: lines are taken in their order.
    private func took(_ answer: HTTPAnswer, _ request: Request) {
        guard request.form == .lines, let received = answer.number("received") else { return }
        for index in request.events.prefix(received - (answer.refusesNothing ? 0 : 1)) { acked(index) }
    }

    // MARK: Bodies

    private func content(_ events: [Int], _ form: Form) -> [UInt8] {
        switch form {
        case .lines: return events.flatMap { line($0) }
        case .one: return line(events[0])
        case .array: return array(events.map { line($0).dropLast() })
        case .cloudEvent: return cloudEvent(events[0])
        case .cloudEvents: return array(events.map { cloudEvent($0)[...] })
        case .binary: return Array(data(events[0]).utf8)
        case .protobuf:
            var writer = BatchWriter()
            return body(events, writer: &writer, namesDevice: true)
        }
    }

    private func array(_ elements: [ArraySlice<UInt8>]) -> [UInt8] {
        Array("[".utf8) + elements.joined(separator: ",".utf8) + "]".utf8
    }

    private func cloudEvent(_ index: Int) -> [UInt8] {
        let members = attributes(index).map { "\"\($0.name)\":\"\($0.value)\"" }
        return Array("{\(members.joined(separator: ",")),\"data\":\(data(index))}".utf8)
    }

    private func attributes(_ index: Int) -> [(name: String, value: String)] {
        let event = made[index]
        var time: [UInt8] = []
        appendRFC3339(event.time.rawValue, to: &time)
        var attributes = [
            ("specversion", "1.0"), ("id", event.id ?? "\(event.epoch)-\(event.seq)"), ("source", "\(product)/\(name)"),
            ("type", "org.tidings.\(event.kind.name).v1"), ("time", String(decoding: time, as: UTF8.self)),
        ]
        if !event.customer.isEmpty { attributes.append(("subject", event.customer)) }
        return attributes
    }

    private func data(_ index: Int) -> String {
        let event = made[index]
        var members = ["\"aspect\":\"\(event.aspect)\""]
        if event.count != 1 { members.append("\"count\":\(event.count)") }
        if let value = event.value { members.append("\"value\":\(value)") }
        if !event.text.isEmpty { members.append("\"text\":\"\(event.text)\"") }
        return "{\(members.joined(separator: ","))}"
    }
}
