// One datagram at a time, without its socket: told apart by the first byte; each stands for itself.

import Admission
package import Events
import Wire

/// What a datagram is answered with once it is durable.
package struct DatagramReceipt: Sendable {
    enum Answer: Sendable {
        case native(DatagramHeader, Standing?)
        case lines(UInt64)
    }

    /// The block that it waits for.
    package var ticket: UInt64
    var answer: Answer
    /// An answer is never longer than what it answers, so that nobody can use the daemon to amplify.
    var limit: Int

    /// Appends the ack to `output`; nothing when even the shortest is longer than the datagram was.
    package func write(into output: inout [UInt8]) {
        let start = output.count
        switch answer {
        case .lines(let count): writeLineAck(count, into: &output)
        case .native(let request, let standing):
            let header = DatagramHeader(
                type: .ack, keyID: request.keyID, epoch: request.epoch, counter: request.counter)
            var ack = Ack(durable: standing?.durable ?? 0)
            ack.ranges = (standing?.ranges ?? []).prefix(8).map { .init(missing: $0.missing, present: $0.received) }
            while true {
                header.write(body: ack.encode().span, into: &output)
                guard output.count - start > limit, ack.ranges.popLast() != nil else { break }
                output.removeLast(output.count - start)
            }
        }
        if output.count - start > limit { output.removeLast(output.count - start) }
    }
}

/// The reader of datagrams. Keeps nothing from one to the next but memory.
package struct DatagramSession: Sendable {
    private var table: StringTable
    /// Of the datagrams that are going to be received, in their order.
    private var names: [BatchNames] = []

    package init(settings: TransportSettings) {
        table = StringTable(maxEntries: settings.tableEntries, maxBytes: settings.tableBytes)
    }

    /// What is to be done about a datagram.
    package enum Outcome: Sendable {
        /// Nothing: what cannot be trusted is not answered.
        case silence
        /// Send what has been put into `output`.
        case answer
        /// Send what `DatagramReceipt.write` gives when its ticket is committed; the events are in the filling block.
        case receipt(DatagramReceipt)
    }

    // MARK: Names of many datagrams

    /// Takes note of a datagram that is going to be received, and begins to look for its names. Until then it is not
    /// trusted, and changes nothing.
    package mutating func expect(_ bytes: Span<UInt8>, at reception: Reception) {
        names.append(BatchNames())
        guard bytes.count > DatagramHeader.headerBytes + DatagramHeader.trailerBytes,
            bytes.count <= Limits.datagramBytes, bytes[0] == DatagramHeader.magic,
            bytes[1] == FrameType.batch.rawValue
        else { return }
        names[names.count - 1] = BatchNames(
            bytes.extracting(DatagramHeader.body(count: bytes.count)), &reception.intake.vocabulary)
    }

    /// Goes on with the names of all that are expected: once, before the first of them is received.
    package mutating func findNames(at reception: Reception) {
        let intake = reception.intake
        for index in names.indices { names[index].meet(&intake.vocabulary) }
        for index in names.indices { intake.expect(names[index].approach(&intake.vocabulary)) }
    }

    /// Forgets what is expected.
    package mutating func expectNothing() { names.removeAll(keepingCapacity: true) }

    // MARK: One datagram

    /// Deals with one datagram. The intake must have room.
    ///
    /// - Parameter number: which of the expected datagrams this is; nil when it was not expected.
    package mutating func receive(
        _ bytes: Span<UInt8>, expected number: Int? = nil, at reception: Reception, as peer: any Acknowledged,
        output: inout [UInt8]
    ) -> Outcome {
        guard bytes.count > 0 else { return .silence }
        if bytes.count > Limits.datagramBytes {
            reception.intake.refuse(.tooBig, events: 1, transport: bytes[0] == DatagramHeader.magic ? .udp : .udpLines)
            return .silence
        }
        if reception.pause(0) != nil { return refuse(.overQuota, bytes, at: reception, output: &output) }
        reception.grantNames()
        defer { reception.settleNames() }
        if bytes[0] == DatagramHeader.magic {
            let names = number.map { self.names[$0] } ?? BatchNames()
            return receiveNative(bytes, names, at: reception, as: peer, output: &output)
        }
        guard bytes[0] == UInt8(ascii: "{") else {
            reception.intake.refuse(.badMagic, events: 1, transport: .udp)
            return .silence
        }
        return receiveLines(bytes, at: reception, as: peer, output: &output)
    }

    /// Turns a datagram away unread, and tells the sender if that can be told in no more bytes than it sent.
    package func refuse(
        _ reason: Refusal, _ bytes: Span<UInt8>, at reception: Reception, output: inout [UInt8]
    ) -> Outcome {
        guard bytes.count > 0 else { return .silence }
        let isNative = bytes[0] == DatagramHeader.magic
        reception.intake.refuse(reason, events: 1, transport: isNative ? .udp : .udpLines)
        guard isNative, let header = try? DatagramHeader.read(bytes) else { return .silence }
        return answerError(reason, header, limit: bytes.count, output: &output)
    }

    private mutating func receiveNative(
        _ bytes: Span<UInt8>, _ names: BatchNames, at reception: Reception, as peer: any Acknowledged,
        output: inout [UInt8]
    ) -> Outcome {
        let intake = reception.intake
        let request: DatagramHeader
        do throws(Refusal) {
            request = try DatagramHeader.read(bytes)
            guard request.type == .batch else { throw .malformedFrame }
        } catch {
            intake.refuse(error, events: 1, transport: .udp)
            return .silence
        }
        let (eventsBefore, textBefore) = (intake.filling.events.count, intake.filling.text.count)
        var refusedEvents = 1
        do throws(Refusal) {
            let body = bytes.extracting(DatagramHeader.body(count: bytes.count))
            let header: BatchHeader
            if request.flags.contains(.deflated) {
                reception.inflated.removeAll(keepingCapacity: true)
                try inflate(body, limit: Limits.frameBytes, into: &reception.inflated)
                let inflated = reception.inflated
                header = try read(inflated.span, request, BatchNames(), intake)
            } else {
                header = try read(body, request, names, intake)
            }
            guard !reception.isOverQuota(events: header.count) else {
                intake.filling.truncate(events: eventsBefore, text: textBefore)
                refusedEvents = max(header.count, 1)
                throw .overQuota
            }
            _ = reception.charge(events: header.count, units: max(header.count, 1))
            if header.oldest > 0, header.device != .none {
                intake.closeGap(header.device, epoch: header.epoch, below: header.oldest, transport: .udp)
            }
            _ = intake.admit(.udp)
            var standing = header.device == .none ? nil : intake.standing(of: header.device)
            if standing?.epoch != header.epoch { standing = nil }
            return .receipt(
                DatagramReceipt(
                    ticket: intake.enlist(peer), answer: .native(request, standing), limit: bytes.count))
        } catch {
            let reason = reception.reason(error)
            intake.refuse(reason, events: refusedEvents, transport: .udp)
            return answerError(reason, request, limit: bytes.count, output: &output)
        }
    }

    private mutating func read(
        _ body: Span<UInt8>, _ request: DatagramHeader, _ names: BatchNames, _ intake: any Intake
    ) throws(Refusal) -> BatchHeader {
        table.reset()
        table.names = names
        return try readBatch(
            body, context: BatchContext(source: .none, arrival: intake.now, epoch: request.epoch), table: &table,
            vocabulary: &intake.vocabulary, into: &intake.filling)
    }

    /// An ERROR datagram, its text cut away when there is no room for it.
    private func answerError(
        _ reason: Refusal, _ request: DatagramHeader, limit: Int, output: inout [UInt8]
    ) -> Outcome {
        let header = DatagramHeader(
            type: .error, keyID: request.keyID, epoch: request.epoch, counter: request.counter)
        let start = output.count
        for text in [reason.explanation.description, reason.name.description, ""] {
            output.removeLast(output.count - start)
            header.write(body: Reject(code: UInt32(reason.rawValue), text: text).encode().span, into: &output)
            if output.count - start <= limit { return .answer }
        }
        output.removeLast(output.count - start)
        return .silence
    }

    private func receiveLines(
        _ bytes: Span<UInt8>, at reception: Reception, as peer: any Acknowledged, output: inout [UInt8]
    ) -> Outcome {
        let intake = reception.intake
        let arrival = intake.now
        let answerStart = output.count
        let (eventsBefore, textBefore) = (intake.filling.events.count, intake.filling.text.count)
        var lines: UInt64 = 0
        var taken = 0
        var at = 0
        while at < bytes.count {
            var end = at
            while end < bytes.count, bytes[end] != 0x0a { end += 1 }
            var last = end
            while last > at, bytes[last - 1] == 0x0d || bytes[last - 1] == 0x20 { last -= 1 }
            lines += 1
            if last > at {
                do throws(Refusal) {
                    try readEventLine(
                        bytes.extracting(at..<last), arrival: arrival, vocabulary: &intake.vocabulary,
                        into: &intake.filling)
                    taken += 1
                } catch {
                    let reason = reception.reason(error)
                    intake.refuse(reason, events: 1, transport: .udpLines)
                    writeLineError(reason, line: lines, into: &output)
                }
            }
            at = end + 1
        }
        if reception.isOverQuota(events: taken) {
            intake.filling.truncate(events: eventsBefore, text: textBefore)
            intake.refuse(.overQuota, events: taken, transport: .udpLines)
            writeLineError(.overQuota, line: 0, into: &output)
            taken = 0
        } else {
            _ = reception.charge(events: taken, units: Int(lines))
        }
        let isAnswerTooLong = output.count - answerStart > bytes.count
        if isAnswerTooLong { output.removeLast(output.count - answerStart) }
        guard taken > 0 else { return output.count > answerStart ? .answer : .silence }
        _ = intake.admit(.udpLines)
        let ticket = intake.enlist(peer)
        // A datagram of which a line was refused is not acknowledged as a whole.
        guard UInt64(taken) == lines else { return output.count > answerStart ? .answer : .silence }
        return .receipt(DatagramReceipt(ticket: ticket, answer: .lines(lines), limit: bytes.count))
    }
}
