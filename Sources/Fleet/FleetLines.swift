// Sends lines of input: judged here as far as the daemon would refuse them, and each told by its number.

import Events
package import TidingsClient
import Wire

/// What a sender of lines knows of them.
struct LineState {
    /// Of a device, by its number in the vocabulary.
    struct Device {
        /// The number of its last native event in its connection's count; 0 = there is none.
        var last: UInt64 = 0
        /// Its lines go as they stand.
        var goesAsLines = false
    }

    /// Lines that never reach a connection.
    var local = SendTotals()
    /// The connection for lines that go as they stand, beside those that go as native events.
    var sender: StreamSender?
    /// Why there is no such connection.
    var senderFailure: String?
    /// Lines that wait to be written together, and their numbers.
    var bytes: [UInt8] = []
    var numbers: [UInt64] = []
    /// Forms of lines that were looked through for keys that nobody knows.
    var forms: Set<UInt32> = []
    /// Keeps what no schema knows: whether that is stored the daemon decides.
    var window = {
        var window = EventLineWindow()
        window.keepsUnknown = true
        return window
    }()
    /// A hash of the keys of the line at hand that nobody knows; 0 when it has none.
    var form: UInt32 = 0
    var devices: [Device] = []
    var scratch = EventBatch()
    var hasBegun = false

    subscript(device: DeviceID) -> Device {
        get { Int(device.rawValue) < devices.count ? devices[Int(device.rawValue)] : Device() }
        set {
            let index = Int(device.rawValue)
            if index >= devices.count {
                devices.append(contentsOf: repeatElement(Device(), count: index + 1 - devices.count))
            }
            devices[index] = newValue
        }
    }
}

extension FleetSender {
    /// Sends JSON lines in the format and over the path of the options, and waits until each has a verdict.
    ///
    /// What the daemon would refuse is refused here, in its words. A line that the native format cannot carry as it is,
    /// and what else its device has to say from then on, goes as it stands over a TCP connection of its own.
    ///
    /// - Parameter read: what there is to read, empty at the end; nil when there is nothing just now. May block, for no
    ///   longer than acks and broken connections may wait.
    /// - Throws: as `run`.
    package func runLines(_ read: () throws -> [UInt8]?) async throws -> SendTotals {
        var input = InputLines()
        return try await sending {
            var isEnd = false
            while !isEnd, !Task.isCancelled {
                guard let bytes = try read() else {
                    try await recover()
                    await rest(after: 0)
                    continue
                }
                isEnd = bytes.isEmpty
                if isEnd { input.finish() } else { input.append(bytes) }
                while try await takeLines(&input) {}
                // What was read must not wait for what has not been.
                try await flushAll()
                try await writeLines()
            }
        }
    }

    /// - Returns: whether there may be more lines.
    private func takeLines(_ input: inout InputLines) async throws -> Bool {
        let limit = chunkLimit
        var count = 0
        while count < limit, let line = input.next() {
            count += 1
            try await take(line)
        }
        _ = vocabulary.takeDefinitions()
        if options.rate != nil {
            try await flushAll()
            try await writeLines()
        }
        await rest(after: count)
        return count == limit
    }

    private func take(_ line: InputLine) async throws {
        let isFirst = !lines.hasBegun
        lines.hasBegun = true
        if line.isTooLong {
            refuse(line, .tooBig, isFirst: isFirst)
        } else if options.format == .json {
            // The daemon judges; but as its connection's first line it wants an object.
            let isObject = line.bytes.first == UInt8(ascii: "{")
            if isFirst || !isObject, let refusal = decode(line) {
                guard isObject else { return refuse(line, refusal, isFirst: isFirst) }
                hint(line, refusal, isFirst: isFirst)
            }
            try await sendAsLine(line)
        } else if let refusal = decode(line) {
            refuse(line, refusal, isFirst: isFirst)
        } else {
            try await sendNative(line)
        }
    }

    /// Makes an event of a line; returns why that cannot be.
    private func decode(_ line: InputLine) -> Refusal? {
        lines.scratch.removeAll()
        lines.window.removeAll()
        lines.window.add(line.bytes.span, 0..<line.bytes.count)
        do throws(Refusal) {
            lines.form = try lines.window.append(
                0, line.bytes.span, arrival: Timestamp(rawValue: 0), vocabulary: &vocabulary, into: &lines.scratch)
            return nil
        } catch {
            return error
        }
    }

    /// Tells of the keys of a line that nobody knows. Lines of one form are looked through once.
    private func noteUnknownKeys(_ line: InputLine) {
        let form = lines.form
        let mostForms = 64
        guard form != 0, lines.forms.count < mostForms, lines.forms.insert(form).inserted else { return }
        verdicts.add(unknownKeys(of: line.bytes.span).map { SendVerdict(unknown: $0, number: line.number) })
    }

    private func refuse(_ line: InputLine, _ refusal: Refusal, isFirst: Bool) {
        hint(line, refusal, isFirst: isFirst)
        lines.local.sent += 1
        lines.local.rejected += 1
        verdicts.add([SendVerdict(refusing: line.bytes.span, refusal, number: line.number)])
    }

    private func hint(_ line: InputLine, _ refusal: Refusal, isFirst: Bool) {
        if isFirst, let hint = inputHint(line.bytes, refusal) { observer.hint(hint) }
    }

    // MARK: As a native event

    private func sendNative(_ line: InputLine) async throws {
        noteUnknownKeys(line)
        let event = lines.scratch.events[0]
        guard isCarried(event) else {
            try await finishNativeEvents(event.device)
            return try await sendAsLine(line)
        }
        let index = connectionIndex(of: event.device)
        lines[event.device].last = datagrams == nil ? streams[index].nextSeq + UInt64(pending[index].lines.count) : 1
        add(event, of: lines.scratch, to: index)
        pending[index].lines.append(EventOrigin(number: line.number, line: line.bytes))
        if pending[index].lines.count >= min(max(options.batch, 1), Limits.batchEvents) { try await flush(index) }
    }

    /// Whether a native event says all that the line says.
    ///
    /// What is wrong with an event the daemon can tell only from its line. A number 0 and a count of 0 are absent in
    /// the native format.
    private func isCarried(_ event: Event) -> Bool {
        guard !lines[event.device].goesAsLines, event.quarantine == .none, event.count > 0,
            event.identity != .sequence || event.seq > 0
        else { return false }
        if let datagrams, !datagrams.mayFit(event, in: lines.scratch, vocabulary) { return false }
        return true
    }

    /// Sees to it that all native events of a device are stored before its first line goes as it stands, and that no
    /// native one overtakes that: the daemon remembers only the last numbers below a device's highest.
    private func finishNativeEvents(_ device: DeviceID) async throws {
        guard !lines[device].goesAsLines else { return }
        lines[device].goesAsLines = true
        let last = lines[device].last
        guard last > 0 else { return }
        let index = connectionIndex(of: device)
        try await flush(index)
        if let datagrams {
            await datagrams.waitUntilStored(device)
        } else {
            try await streams[index].waitUntilHandled(through: last, vocabulary)
        }
    }

    // MARK: As it stands

    private func sendAsLine(_ line: InputLine) async throws {
        lines.bytes += line.bytes
        lines.bytes.append(UInt8(ascii: "\n"))
        lines.numbers.append(line.number)
        let isFull = lines.numbers.count >= min(max(options.batch, 1), Limits.batchEvents)
        if isFull || lines.bytes.count >= Limits.frameBytes { try await writeLines() }
    }

    /// Hands over the lines that wait.
    func writeLines() async throws {
        guard !lines.numbers.isEmpty else { return }
        let (bytes, numbers) = (lines.bytes, lines.numbers)
        lines.bytes.removeAll(keepingCapacity: true)
        lines.numbers.removeAll(keepingCapacity: true)
        let sent = totals.sent
        if lines.senderFailure == nil {
            try await onLineConnection {
                try await $0.sendLines(bytes, count: numbers.count, origins: numbers.map { EventOrigin(number: $0) })
            }
        }
        // Those that could not even be handed over are lost, too.
        let left = UInt64(numbers.count) - (totals.sent - sent)
        lines.local.sent += left
        lines.local.lost += left
    }

    /// Waits until every line that went as it stands has a verdict.
    func flushLines() async throws {
        try await writeLines()
        guard lines.sender != nil, lines.senderFailure == nil else { return }
        try await onLineConnection { try await $0.flush(vocabulary) }
    }

    /// Mends connections that broke while there was nothing to send.
    private func recover() async throws {
        for stream in streams { try await stream.recover(vocabulary) }
        guard lines.sender != nil, lines.senderFailure == nil else { return }
        try await onLineConnection { try await $0.recover(vocabulary) }
    }

    /// Does something on the connection for lines. Datagrams do without it when there is none; its lines are lost then.
    private func onLineConnection(_ body: (StreamSender) async throws -> Void) async throws {
        if options.format == .json { return try await body(streams[0]) }
        let sender = lines.sender ?? makeLineSender()
        lines.sender = sender
        do {
            try await body(sender)
        } catch let error as SendError where options.path == .udp {
            sender.abandon()
            lines.senderFailure = error.description
            observer.hint(
                "a line that is no good event, or too long for a datagram, goes over TCP, and \(error.description); "
                    + "name the daemon's TCP port with --tcp-port, or send with --transport tcp")
        }
    }

    private func makeLineSender() -> StreamSender {
        var stream = options.stream
        stream.isNative = false
        return StreamSender(
            host: options.host, port: options.linesPort ?? options.port, options: stream, verdicts: verdicts)
    }
}

extension SendVerdict {
    /// A line that is refused here, as the daemon would refuse it.
    init(refusing line: Span<UInt8>, _ refusal: Refusal, number: UInt64) {
        self.init(
            .refused, number: number, code: Int(refusal.rawValue), reason: refusal.name.description,
            text: explanation(of: refusal, line: line))
    }

    /// A key of a line that nobody knows.
    init(unknown key: String, number: UInt64) {
        self.init(.note, number: number, code: 0, reason: key, text: explanation(ofUnknownKey: key))
    }
}
