// One datagram at a time, without its socket: told apart by the first byte; each stands for itself.

import Admission
import Bytes
package import Events
import Wire

/// What a datagram is answered with once it is durable.
private struct DatagramReceipt {
    enum Answer: Sendable {
        case native(DatagramHeader, AckState?, AckVerdicts, waiting: UInt32?)
        /// The number of the last line that is not blank, and what became of lines that were not simply stored.
        case lines(UInt64, DatagramVerdicts)
    }

    var answer: Answer
    /// An answer is never longer than what it answers, so that nobody can use the daemon to amplify.
    var limit: Int

    /// Appends the ack to `output`; nothing when even the shortest is longer than the datagram was.
    func write(into output: inout [UInt8]) {
        let start = output.count
        switch answer {
        case .lines(let count, let verdicts):
            // The ack is first, for devices that read no further.
            writeLineAck(count, into: &output)
            verdicts.write(limit: limit - (output.count - start), into: &output)
        case .native(let request, let state, let verdicts, let waiting):
            writeNative(request, state, verdicts, waiting, into: &output)
        }
        if output.count - start > limit { output.removeLast(output.count - start) }
    }

    /// Leaves out what does not fit: first the words, then how many messages wait, then what has been received above a
    /// gap (a sender that does not hear of it repeats it, which does no harm), at last verdicts.
    private func writeNative(
        _ request: DatagramHeader, _ state: AckState?, _ verdicts: AckVerdicts, _ waiting: UInt32?,
        into output: inout [UInt8]
    ) {
        let start = output.count
        let header = DatagramHeader(
            type: .ack, keyID: request.keyID, epoch: request.epoch, counter: request.counter)
        var ack = Ack(durable: state?.durable ?? 0)
        ack.ranges = (state?.ranges ?? []).prefix(8).map { .init(missing: $0.missing, present: $0.received) }
        ack.pending = waiting
        verdicts.put(into: &ack)
        while true {
            header.write(ack, into: &output)
            guard output.count - start > limit else { return }
            if ack.rejects.contains(where: { !$0.text.isEmpty }) {
                for index in ack.rejects.indices { ack.rejects[index].text = "" }
            } else if ack.pending != nil {
                ack.pending = nil
            } else if ack.ranges.popLast() == nil, ack.rejects.popLast() == nil {
                return
            }
            output.removeLast(output.count - start)
        }
    }
}

/// The reader of datagrams. Keeps nothing from one to the next but memory.
package struct UDPSession: DatagramSession, Sendable {
    private var table: StringTable
    /// Of the datagrams that are going to be received, in their order.
    private var names: [BatchNames] = []
    /// Where the events of a JSON datagram come from: the number of the line, and where it stands.
    private var origins: [(line: UInt64, range: Range<Int>)] = []

    package init(settings: TransportSettings) {
        table = StringTable(maxEntries: settings.tableEntries, maxBytes: settings.tableBytes)
    }

    // MARK: Names of many datagrams

    /// Begins to look for its names.
    package mutating func announce(_ bytes: Span<UInt8>, in ingest: IngestContext) {
        names.append(BatchNames())
        guard bytes.count > DatagramHeader.headerBytes + DatagramHeader.trailerBytes,
            bytes.count <= Limits.datagramBytes, bytes[0] == DatagramHeader.magic,
            bytes[1] == FrameType.batch.rawValue
        else { return }
        names[names.count - 1] = BatchNames(
            bytes.extracting(DatagramHeader.body(count: bytes.count)), &ingest.intake.vocabulary)
    }

    /// Goes on with the names of all.
    package mutating func prefetchAnnounced(in ingest: IngestContext) {
        let intake = ingest.intake
        for index in names.indices { names[index].probe(&intake.vocabulary) }
        for index in names.indices { intake.prefetch(names[index].prefetchBytes(&intake.vocabulary)) }
    }

    package mutating func clearAnnounced() { names.removeAll(keepingCapacity: true) }

    // MARK: One datagram

    package mutating func receive(
        _ bytes: Span<UInt8>, announced number: Int? = nil, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> DatagramOutcome {
        guard bytes.count > 0 else { return .silence }
        if bytes.count > Limits.datagramBytes {
            ingest.intake.refuse(.tooBig, events: 1, transport: bytes[0] == DatagramHeader.magic ? .udp : .udpLines)
            return .silence
        }
        guard let start = contentStart(bytes) else { return .silence }
        if ingest.pause(0) != nil { return refuse(.overQuota, bytes, in: ingest, output: &output) }
        ingest.grantNames()
        defer { ingest.chargeNames() }
        if bytes[0] == DatagramHeader.magic {
            let names = number.map { self.names[$0] } ?? BatchNames()
            return receiveNative(bytes, names, in: ingest, as: peer, output: &output)
        }
        guard bytes[start] == UInt8(ascii: "{") else {
            ingest.intake.refuse(.badMagic, events: 1, transport: .udp)
            return .silence
        }
        return receiveLines(bytes, from: start, in: ingest, as: peer, output: &output)
    }

    /// Where a datagram's content begins: behind a byte order mark and blank lines, of which a native one has none; nil
    /// when there is nothing else in it.
    private func contentStart(_ bytes: Span<UInt8>) -> Int? {
        if bytes[0] == DatagramHeader.magic { return 0 }
        var start = 0
        if bytes.count >= byteOrderMark.count, beginsAsMark(bytes) { start = byteOrderMark.count }
        while start < bytes.count, isBlank(bytes[start]) { start += 1 }
        return start < bytes.count ? start : nil
    }

    package func refuse(
        _ reason: Refusal, _ bytes: Span<UInt8>, in ingest: IngestContext, output: inout [UInt8]
    ) -> DatagramOutcome {
        guard bytes.count > 0 else { return .silence }
        let isNative = bytes[0] == DatagramHeader.magic
        ingest.intake.refuse(reason, events: 1, transport: isNative ? .udp : .udpLines)
        guard isNative, let header = try? DatagramHeader.read(bytes) else { return .silence }
        do throws(Refusal) {
            let signer = try ingest.authenticate(bytes, header)
            ingest.principal = .anybody
            return answerError(reason, header, signer, limit: bytes.count, output: &output)
        } catch {
            return .silence
        }
    }

    private mutating func receiveNative(
        _ bytes: Span<UInt8>, _ names: BatchNames, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> DatagramOutcome {
        let intake = ingest.intake
        let request: DatagramHeader
        let signer: DatagramSigner?
        do throws(Refusal) {
            request = try DatagramHeader.read(bytes)
            let isKnown = request.type == .batch || request.type == .ack && request.isSigned
            guard isKnown else { throw .malformedFrame }
            signer = try ingest.authenticate(bytes, request)
        } catch {
            intake.refuse(error, events: 1, transport: .udp)
            return .silence
        }
        defer { if signer != nil { ingest.principal = .anybody } }
        if request.type == .ack { return receiveAck(bytes, request, in: ingest) }
        let mark = intake.filling.mark
        var refusedEvents = 1
        var replay: Replay?
        do throws(Refusal) {
            let body = bytes.extracting(DatagramHeader.body(count: bytes.count))
            let header: BatchHeader
            if request.flags.contains(.deflated) {
                ingest.inflated.removeAll(keepingCapacity: true)
                try inflateBody(body, limit: Limits.frameBytes, into: &ingest.inflated)
                let inflated = ingest.inflated
                header = try read(inflated.span, request, BatchNames(), ingest)
            } else {
                header = try read(body, request, names, ingest)
            }
            refusedEvents = max(header.count, 1)
            if signer != nil { replay = ingest.replay(since: mark, header) }
            guard replay == nil, !ingest.isOverQuota(events: header.count) else {
                intake.filling.truncate(to: mark)
                throw replay == nil ? Refusal.overQuota : Refusal.badIdentity
            }
            _ = ingest.charge(events: header.count, units: max(header.count, 1))
            if header.oldest > 0, header.device != .none {
                intake.closeGap(header.device, epoch: header.epoch, below: header.oldest, transport: .udp)
            }
            let result = intake.admit(.udp)
            var state = header.device == .none ? nil : intake.ackState(of: header.device, epoch: header.epoch)
            if header.hasIDs { state = AckState(state, covering: header) }
            let start = output.count
            let waiting = ingest.waiting[header.device]
            let answer = DatagramReceipt.Answer.native(request, state, AckVerdicts(result, header), waiting: waiting)
            DatagramReceipt(answer: answer, limit: bytes.count).write(into: &output)
            if output.count > start { signer?.sign(&output, from: start) }
            if let signer, header.hasReceived || waiting ?? 0 > 0 {
                openWayBack(bytes, header, request, signer, spent: output.count - start, in: ingest)
            }
            return .answerWhenDurable(intake.notifyOnCommit(peer))
        } catch {
            let reason = ingest.reason(error)
            intake.refuse(reason, events: refusedEvents, transport: .udp)
            return answerError(reason, request, signer, replay, limit: bytes.count, output: &output)
        }
    }

    /// Messages may go to a device for its signed datagram: some times as much as came, but no more than what every
    /// network carries in one. For what is not signed nothing goes: the sender may be somebody else.
    private func openWayBack(
        _ bytes: Span<UInt8>, _ header: BatchHeader, _ request: DatagramHeader, _ signer: DatagramSigner, spent: Int,
        in ingest: IngestContext
    ) {
        guard header.device != .none,
            ingest.intake.highestEpoch(refusing: header.epoch, of: header.device) == nil
        else { return }
        let most = min(TransportLimits.datagramFactor * bytes.count, TransportLimits.datagramAnswerBytes)
        var contact = DatagramContact(
            device: header.device, request: request, signer: signer, allowance: most - spent)
        if header.hasReceived { contact.received = received(bytes, request, .ofBatch, ingest) }
        ingest.contact = contact
    }

    /// A device has messages.
    private func receiveAck(
        _ bytes: Span<UInt8>, _ request: DatagramHeader, in ingest: IngestContext
    ) -> DatagramOutcome {
        let ids = request.flags.isEmpty ? received(bytes, request, .ofAck, ingest) : []
        guard !ids.isEmpty else {
            ingest.intake.refuse(.malformedBody, events: 1, transport: .udp)
            return .silence
        }
        ingest.acknowledged = (request, ids)
        return .silence
    }

    private func received(
        _ bytes: Span<UInt8>, _ request: DatagramHeader, _ field: ReceivedField, _ ingest: IngestContext
    ) -> [MessageID] {
        if request.flags.contains(.deflated) {
            let inflated = ingest.inflated
            return (try? readReceived(inflated.span, field)) ?? []
        }
        return (try? readReceived(bytes.extracting(DatagramHeader.body(count: bytes.count)), field)) ?? []
    }

    private mutating func read(
        _ body: Span<UInt8>, _ request: DatagramHeader, _ names: BatchNames, _ ingest: IngestContext
    ) throws(Refusal) -> BatchHeader {
        let intake = ingest.intake
        table.reset()
        table.names = names
        let context = ingest.batchContext(epoch: request.epoch)
        return try readBatch(
            body, context: context, table: &table, vocabulary: &intake.vocabulary, into: &intake.filling)
    }

    /// An ERROR datagram, its text cut away when there is no room for it.
    private func answerError(
        _ reason: Refusal, _ request: DatagramHeader, _ signer: DatagramSigner?, _ replay: Replay? = nil, limit: Int,
        output: inout [UInt8]
    ) -> DatagramOutcome {
        let header = DatagramHeader(
            type: .error, keyID: request.keyID, epoch: request.epoch, counter: request.counter)
        let start = output.count
        let number = UInt64(replay?.highest ?? 0)
        for text in [replay?.explanation ?? reason.explanation.description, reason.name.description, ""] {
            output.removeLast(output.count - start)
            let reject = Reject(code: UInt32(reason.rawValue), text: text, number: number)
            header.write(body: reject.encode().span, into: &output)
            guard output.count - start <= limit else { continue }
            signer?.sign(&output, from: start)
            return .answer
        }
        output.removeLast(output.count - start)
        return .silence
    }

    private mutating func receiveLines(
        _ bytes: Span<UInt8>, from start: Int, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> DatagramOutcome {
        let intake = ingest.intake
        do throws(Refusal) {
            try ingest.requireCredential()
        } catch {
            intake.refuse(error, events: 1, transport: .udpLines)
            return .silence
        }
        let mark = intake.filling.mark
        var verdicts = DatagramVerdicts()
        var lines = DatagramLines(bytes, from: start)
        origins.removeAll(keepingCapacity: true)
        let arrival = intake.now
        while let range = lines.next(bytes) {
            do throws(Refusal) {
                try readEventLine(
                    bytes.extracting(range), arrival: arrival, keepsUnknown: ingest.settings.keepsUnknown,
                    vocabulary: &intake.vocabulary, into: &intake.filling)
                origins.append((lines.number, range))
            } catch {
                let reason = ingest.reason(error)
                intake.refuse(reason, events: 1, transport: .udpLines)
                verdicts.add(.refused(reason), line: lines.number) {
                    explanation(of: reason, line: bytes.extracting(range))
                }
            }
        }
        if ingest.isOverQuota(events: origins.count) {
            intake.filling.truncate(to: mark)
            intake.refuse(.overQuota, events: origins.count, transport: .udpLines)
            verdicts.add(.refused(.overQuota), line: 0) { Refusal.overQuota.explanation.description }
            origins.removeAll(keepingCapacity: true)
        } else {
            _ = ingest.charge(events: origins.count, units: lines.count)
        }
        guard !origins.isEmpty else {
            verdicts.write(limit: bytes.count, into: &output)
            return output.isEmpty ? .silence : .answer
        }
        for one in intake.admit(.udpLines).named where one.index < origins.count {
            let origin = origins[one.index]
            verdicts.add(.told(one.verdict), line: origin.line) {
                explanation(of: one.verdict, one.event, line: bytes.extracting(origin.range))
            }
        }
        // What was stored is acknowledged, whatever else was in the datagram; the verdicts say which lines were not.
        DatagramReceipt(answer: .lines(lines.number, verdicts), limit: bytes.count).write(into: &output)
        return .answerWhenDurable(intake.notifyOnCommit(peer))
    }
}

/// The lines of a datagram, without those that are blank.
private struct DatagramLines {
    private var at: Int
    /// Lines begun so far, blank ones too.
    private var begun: UInt64 = 1
    /// The number of the line at hand, from 1, as an editor would count.
    private(set) var number: UInt64 = 0
    /// How many lines there were that are not blank.
    private(set) var count = 0

    init(_ bytes: Span<UInt8>, from start: Int) {
        at = start
        for index in 0..<start where bytes[index] == UInt8(ascii: "\n") { begun += 1 }
    }

    /// Where the next line stands; nil at the end.
    mutating func next(_ bytes: Span<UInt8>) -> Range<Int>? {
        while at < bytes.count {
            let start = at
            let end = bytes.first(UInt8(ascii: "\n"), from: at)
            let content = lineContent(bytes, in: start..<end)
            let line = begun
            at = end + 1
            begun += 1
            guard !content.isEmpty else { continue }
            number = line
            count += 1
            return content
        }
        return nil
    }
}
