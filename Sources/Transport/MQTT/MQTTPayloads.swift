// What is in the payload of a message: an event, many, or a native batch.

import Admission
import Bytes
import Events
import Wire

/// What the connections of one ingest event loop share while they read. Confined to that loop.
final class MQTTScratch {
    /// Where an event comes from.
    struct Origin: Sendable {
        /// The place of its message in `pending`.
        var message: Int
        /// Where it stands.
        var range: Range<Int>
        /// Which event of a message with many it is.
        var element: Int?
        /// Whether it stands in the bytes of the read.
        var isOfRead = true
    }

    /// Those of the entries of the ingest's window.
    var window: [Origin] = []
    /// Those of the events that have been decoded and not yet admitted.
    var origins: [Origin] = []
    /// The events of the payload at hand.
    fileprivate var ranges: [Range<Int>] = []
    /// The event at hand whose attributes are user properties.
    fileprivate var line: [UInt8] = []
    /// The names of a native batch, which brings its own.
    fileprivate var table: StringTable

    init(settings: TransportSettings) {
        table = StringTable(maxEntries: settings.tableEntries, maxBytes: settings.tableBytes)
    }
}

/// How a payload is read.
private enum PayloadForm {
    /// One JSON event, white space and all.
    case event
    case array
    case lines
    /// A CloudEvent whose attributes are user properties, and whose data is the payload.
    case binary
    case native

    /// - Returns: nil where the first byte tells.
    init?(contentType: Span<UInt8>) {
        switch MediaType(contentType) {
        case .lines: self = .lines
        case .cloudEventBatch: self = .array
        case .protobuf: self = .native
        case .none, .json, .cloudEvent, .other: return nil
        }
    }

    /// - Parameter first: the first byte that is not blank; nil when there is none.
    init(first: UInt8?, isBatch: Bool) {
        switch first {
        case UInt8(ascii: "{"): self = isBatch ? .lines : .event
        case UInt8(ascii: "["): self = .array
        // The fields that a native batch may begin with.
        case 0x08, 0x10, 0x18, 0x22, 0x28, 0x30, 0x3a, 0x40, 0x48: self = .native
        default: self = .event
        }
    }
}

extension MQTTSession {
    // MARK: Single events

    /// Whether the payload is one JSON event by itself, as far as its first byte tells; such messages are read many at
    /// a time.
    func isSingleEvent(_ message: MQTTPublish, _ bytes: Span<UInt8>, _ target: MQTTTarget) -> Bool {
        guard !target.isBatch, message.properties == nil, let first = message.payload.first else { return false }
        return bytes[first] == UInt8(ascii: "{")
    }

    /// Makes events of the payloads in the window, and empties it.
    mutating func decodeWindow(_ bytes: Span<UInt8>, _ run: inout MQTTRun, in ingest: IngestContext) {
        let (intake, arrival) = (ingest.intake, ingest.intake.now)
        ingest.window.search(bytes, &intake.vocabulary)
        for index in 0..<ingest.window.count where run.end == nil {
            let origin = ingest.messages.window[index]
            do throws(Refusal) {
                _ = try ingest.window.append(
                    index, bytes, arrival: arrival, vocabulary: &intake.vocabulary, into: &intake.filling)
                ingest.messages.origins.append(origin)
                run.events += 1
            } catch {
                let text = explanation(of: ingest.reason(error), line: bytes.extracting(origin.range))
                refuse(error, text, origin.message, &run, in: ingest)
            }
        }
        ingest.window.removeAll()
        ingest.messages.window.removeAll(keepingCapacity: true)
    }

    // MARK: Many events

    /// Takes the events of a payload that is read by itself.
    mutating func takeBatch(
        _ payload: Span<UInt8>, _ properties: MQTTProperties?, _ bytes: Span<UInt8>, _ target: MQTTTarget,
        _ index: Int, _ run: inout MQTTRun, in ingest: IngestContext
    ) {
        do throws(Refusal) {
            switch form(of: payload, properties, bytes, target) {
            case .event:
                takeEvents([lineContent(payload, in: 0..<payload.count)], of: payload, target, index, &run, in: ingest)
            case .array:
                ingest.messages.ranges.removeAll(keepingCapacity: true)
                try findEvents(inArray: payload, limit: Limits.batchEvents, &ingest.messages.ranges)
                takeEvents(ingest.messages.ranges, of: payload, target, index, &run, in: ingest)
            case .lines:
                try takeEvents(lines(of: payload), of: payload, target, index, &run, in: ingest)
            case .binary:
                try writeBinaryEvent(
                    attributes(properties, bytes), contentType: properties?.contentType.map { text(bytes, $0) },
                    data: payload, into: &ingest.messages.line)
                let line = ingest.messages.line
                takeEvents([0..<line.count], of: line.span, target, index, &run, in: ingest)
            case .native: try takeNative(payload, target, index, &run, in: ingest)
            }
        } catch {
            refuse(error, explanation(of: error, line: payload), index, &run, in: ingest)
        }
    }

    private func form(
        of payload: Span<UInt8>, _ properties: MQTTProperties?, _ bytes: Span<UInt8>, _ target: MQTTTarget
    ) -> PayloadForm {
        if let properties {
            if properties.user.contains(where: { text(bytes, $0.name) == "specversion" }) { return .binary }
            if let type = properties.contentType, let form = PayloadForm(contentType: bytes.extracting(type)) {
                return form
            }
        }
        var at = 0
        while at < payload.count, isBlank(payload[at]) { at += 1 }
        return PayloadForm(first: at < payload.count ? payload[at] : nil, isBatch: target.isBatch)
    }

    private func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: Array(copying: bytes.extracting(range)), as: UTF8.self)
    }

    /// The attributes of a CloudEvent in binary mode (MQTT binding for CloudEvents 1.0.2, section 3.1).
    private func attributes(
        _ properties: MQTTProperties?, _ bytes: Span<UInt8>
    ) -> [(name: Substring, value: String)] {
        (properties?.user ?? []).map { (Substring(text(bytes, $0.name)), text(bytes, $0.value)) }
    }

    /// The lines that are not blank.
    private func lines(of payload: Span<UInt8>) throws(Refusal) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var at = 0
        while at < payload.count {
            let end = payload.first(UInt8(ascii: "\n"), from: at)
            let content = lineContent(payload, in: at..<end)
            if !content.isEmpty {
                guard lines.count < Limits.batchEvents else { throw .tooManyEvents }
                lines.append(content)
            }
            at = end + 1
        }
        return lines
    }

    /// Takes JSON events.
    ///
    /// - Parameter ranges: where they stand in the payload.
    private mutating func takeEvents(
        _ ranges: [Range<Int>], of payload: Span<UInt8>, _ target: MQTTTarget, _ index: Int, _ run: inout MQTTRun,
        in ingest: IngestContext
    ) {
        let (intake, arrival) = (ingest.intake, ingest.intake.now)
        var refused: (count: Int, first: (reason: Refusal, text: String)?) = (0, nil)
        for start in stride(from: 0, to: ranges.count, by: EventLineWindow.capacity) {
            let group = start..<min(start + EventLineWindow.capacity, ranges.count)
            for element in group { ingest.window.add(payload, ranges[element], of: target.device) }
            ingest.window.search(payload, &intake.vocabulary)
            for element in group {
                do throws(Refusal) {
                    _ = try ingest.window.append(
                        element - start, payload, arrival: arrival, vocabulary: &intake.vocabulary,
                        into: &intake.filling)
                    ingest.messages.origins.append(
                        .init(
                            message: index, range: ranges[element], element: ranges.count > 1 ? element : nil,
                            isOfRead: false))
                    run.events += 1
                } catch {
                    let reason = ingest.reason(error)
                    intake.refuse(reason, events: 1, transport: .mqtt)
                    refused.count += 1
                    if refused.first == nil {
                        let line = payload.extracting(ranges[element])
                        let text = told(reason.name, reason.rawValue, explanation(of: reason, line: line))
                        refused.first = (reason, ranges.count > 1 ? "event \(element): \(text)" : text)
                    }
                }
            }
            ingest.window.removeAll()
        }
        if ranges.isEmpty { refuse(.malformedJSON, "the payload is empty; send an event", index, &run, in: ingest) }
        guard let (reason, text) = refused.first else { return }
        let whole = "\(ranges.count - refused.count) of \(ranges.count) events are taken; \(text)"
        if refused.count == ranges.count || writer?.version != .v5 {
            tell(reason, ranges.count > 1 ? whole : text, index, &run)
        } else if index != Self.unawaited {
            pending[index].add(whole)
        }
    }

    private mutating func takeNative(
        _ payload: Span<UInt8>, _ target: MQTTTarget, _ index: Int, _ run: inout MQTTRun, in ingest: IngestContext
    ) throws(Refusal) {
        let intake = ingest.intake
        ingest.messages.table.reset()
        // What is no batch leaves no name behind.
        let device = hasEvents(payload) ? try target.device.number(in: &intake.vocabulary) : .none
        let header = try readBatch(
            payload, context: ingest.batchContext(source: device), table: &ingest.messages.table,
            vocabulary: &intake.vocabulary, into: &intake.filling)
        run.events += header.count
        if header.oldest > 0, header.device != .none {
            intake.closeGap(header.device, epoch: header.epoch, below: header.oldest, transport: .mqtt)
        }
        for element in 0..<header.count {
            ingest.messages.origins.append(
                .init(message: index, range: 0..<0, element: header.count > 1 ? element : nil, isOfRead: false))
        }
    }
}

extension MQTTSession.Pending {
    /// Something more is told of the message, as far as there is room.
    mutating func add(_ more: String) {
        guard text.utf8.count < WireLimits.mqttReasonBytes else { return }
        text = text.isEmpty ? more : "\(text); \(more)"
    }
}

extension IngestContext {
    /// Publishes the wills that are due. About once a second, between two reads.
    ///
    /// - Returns: whether there were any.
    package func publishWills() -> Bool {
        mqtt.sweep(at: uptime())
        var hasPublished = false
        while intake.hasRoom(), let will = mqtt.takeWill() {
            hasPublished = true
            principal = will.principal
            var session = MQTTSession()
            session.ownName = will.ownName
            session.publish(will, in: self)
            principal = .anybody
        }
        return hasPublished
    }
}

extension MQTTSession {
    /// Publishes a message in the name of a client that is gone. Nobody waits for it.
    fileprivate mutating func publish(_ will: MQTTWillMessage, in ingest: IngestContext) {
        do throws(Refusal) {
            let target = try target(of: will.topic.span, in: ingest)
            guard !target.isForeign else { return ingest.mqtt.noteForeign() }
            var run = MQTTRun()
            run.messages = 1
            takeBatch(will.payload.span, nil, Span(), target, Self.unawaited, &run, in: ingest)
            _ = ingest.charge(events: run.events, units: 1)
            if run.events > 0 { _ = ingest.intake.admit(.mqtt) }
            ingest.messages.origins.removeAll(keepingCapacity: true)
        } catch {
            ingest.intake.refuse(error, events: 1, transport: .mqtt)
        }
    }
}
