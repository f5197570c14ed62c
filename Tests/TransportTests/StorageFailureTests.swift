// A log that cannot be written: whoever waits for it is told so within seconds, and nobody is told that he is stored.

import Admission
import Events
import Testing
import Transport
import Wire

private func request(_ body: String) -> [UInt8] {
    let fields = "Host: a\r\nContent-Type: application/x-ndjson\r\nContent-Length: \(body.utf8.count)\r\n"
    return Array("POST /v1/events HTTP/1.1\r\n\(fields)\r\n\(body)".utf8)
}

private func line(_ seq: Int) -> String {
    #"{"product":"kettle","device":"k-1","seq":\#(seq),"type":"feature.used","aspect":"lid"}"# + "\n"
}

@Suite(.timeLimit(.minutes(1))) struct StorageFailureTests {
    /// Sends bytes; when their events have been read, the log begins to fail.
    private func answer(
        _ bytes: [UInt8], _ listeners: [ListenerSpecification] = .onLoopback, events: Int = 1
    ) async throws -> [UInt8] {
        try await Station.with(commitsAtOnce: false, listeners) { station in
            async let answer = station.exchange(bytes, halfClose: false)
            #expect(try await station.until { $0.filling.count == events })
            try await station.inside { $0.isStorageFailing = true }
            let told = try await answer
            // Once the log is written again, nobody is left to be told.
            try await station.inside {
                $0.isStorageFailing = false
                $0.commit()
            }
            #expect(try await station.inside { $0.committed.count } == events)
            return told
        }
    }

    @Test func aRequestIsAnsweredWith503() async throws {
        let began = ContinuousClock.now
        let answers = HTTPTestAnswer.all(
            try await answer(request(httpEvent(1)) + request(httpEvent(2)), .http(), events: 2))
        #expect(began.duration(to: .now) < .seconds(10))
        #expect(answers.map(\.status) == [503, 503])
        #expect(answers.allSatisfy { $0.fields["retry-after"] == "1" && $0.body.contains("the log cannot be written") })
        #expect(answers.last?.fields["connection"] == "close")
    }

    /// What of a body has come waits for the log, and the rest of it is not there.
    @Test func aBodyHalfReadIsAnsweredToo() async throws {
        let whole = (1...300).map { httpEvent($0) }.joined(separator: "\n")
        let bytes = request(whole + "\n" + httpEvent(301)).dropLast(20)
        let answers = HTTPTestAnswer.all(try await answer(Array(bytes), .http(), events: 300))
        #expect(answers.map(\.status) == [503])
    }

    @Test func nothingNewIsTakenMeanwhile() async throws {
        let answers = try await Station.with(.http()) { station in
            try await station.inside { $0.isStorageFailing = true }
            let first = try await station.exchange(request(httpEvent(1)))
            try await station.inside { $0.isStorageFailing = false }
            return (first, try await station.exchange(request(httpEvent(1))), try await station.inside { $0.refusals })
        }
        let refused = try #require(HTTPTestAnswer.all(answers.0).first)
        #expect(refused.status == 503 && refused.fields["retry-after"] == "1" && refused.body.contains("5031"))
        #expect(HTTPTestAnswer.all(answers.1).map(\.status) == [200])
        #expect(answers.2 == [.storageUnavailable])
    }

    @Test func aConnectionOfLinesIsToldAndClosed() async throws {
        let text = String(decoding: try await answer(Array(line(1).utf8)), as: UTF8.self)
        #expect(text.contains("\"code\":5031") && !text.contains("ack"), "\(text)")
    }

    @Test func aConnectionOfFramesIsToldAndClosed() async throws {
        var bytes = streamMagic
        var writer = BatchWriter()
        writer.begin(firstSeq: 1, time: nil, device: writer.reference("kettle/k-1"))
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("lid")
        writer.put(event)
        var body: [UInt8] = []
        writer.finish(into: &body)
        writeFrame(.batch, body: body.span, into: &bytes)
        let told = try await answer(bytes)
        let frame = try #require(try readFrame(told.span, at: 0))
        #expect(frame.type == .error && frame.end == told.count)
        #expect(try Reject(decoding: told.span.extracting(frame.body)).refusal == .storageUnavailable)
    }

    /// Who waits for nothing is left alone, and a failure that is over soon is nobody's matter.
    @Test func whoIsNotConcernedIsNotTold() async throws {
        try await Station.with(commitsAtOnce: false) { station in
            async let answer = station.exchange(Array(line(1).utf8), halfClose: false, enough: 1)
            #expect(try await station.until { $0.filling.count == 1 })
            try await station.inside { $0.isStorageFailing = true }
            try await Task.sleep(for: .milliseconds(800))
            try await station.inside {
                $0.isStorageFailing = false
                $0.commit()
            }
            let told = String(decoding: try await answer, as: UTF8.self)
            #expect(told == "{\"ack\":1}\n")
            try await station.inside { $0.commitsAtOnce = true }
            try await station.speaking(2) {
                try await station.inside { $0.isStorageFailing = true }
                try await Task.sleep(for: .seconds(4))
                #expect(await station.listeners.connectionCounts().open == 1)
                try await station.inside { $0.isStorageFailing = false }
            }
        }
    }
}
