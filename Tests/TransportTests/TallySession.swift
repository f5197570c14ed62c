// A whole protocol, to show how little one is: `I am PRODUCT/DEVICE` says who speaks and for whom, every other line is
// the name of a feature that was used; each is answered `ok` when it is stored.

import Admission
import Bytes
import Events
import Transport
import Wire

struct TallySession: StreamSession {
    private var device = DeviceID.none
    private var pending: [(ticket: UInt64, answers: Int)] = []

    let transport = TransportKind.tcpLines
    var isAcknowledged: Bool { pending.isEmpty }

    mutating func receive(
        _ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Progress {
        var at = 0
        while true {
            guard ingest.intake.hasRoom() else { return Progress(consumed: at, next: .needsRoom) }
            let end = bytes.first(0x0a, from: at)
            if end == bytes.count { return Progress(consumed: at, next: isEnd ? .ends : .needsMore) }
            do throws(Refusal) {
                try take(bytes.extracting(at..<end), ingest, peer)
            } catch {
                ingest.intake.refuse(error, events: 1, transport: transport)
                writeCloseReason(error, into: &output)
            }
            at = end + 1
        }
    }

    private mutating func take(
        _ line: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) throws(Refusal) {
        let intake = ingest.intake
        if line.count > 5, line[0] == UInt8(ascii: "I"), line[1] == UInt8(ascii: " ") {
            device = try readDevice(line.extracting(5..<line.count), vocabulary: &intake.vocabulary)
            ingest.device = device
            let scope = Scope.device(
                product: Array(intake.vocabulary.text(.product, intake.vocabulary.product(of: device))),
                name: Array(intake.vocabulary.name(of: device)))
            ingest.principal = .holder(Credential(.certificate(issuer: [], serial: []), scope, .send))
        } else {
            guard let aspect = intake.vocabulary.symbol(.aspect, line) else { throw .vocabularyFull }
            var event = Event()
            (event.kind, event.device, event.aspect) = (.featureUsed, device, aspect)
            (event.product, event.time, event.arrival) = (intake.vocabulary.product(of: device), intake.now, intake.now)
            intake.filling.events.append(event)
            _ = intake.admit(transport)
        }
        pending.append((intake.notifyOnCommit(peer), 1))
    }

    mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        while let first = pending.first, first.ticket <= ticket {
            output += Array("ok\n".utf8)
            pending.removeFirst()
        }
    }

    func writeCloseReason(_ reason: Refusal, into output: inout [UInt8]) {
        output += Array("no: \(reason.name)\n".utf8)
    }

    mutating func push(_ message: DownEnvelope, in ingest: IngestContext, output: inout [UInt8]) -> Bool {
        output.append(contentsOf: "for you: ".utf8)
        output += message.json
        return true
    }
}
