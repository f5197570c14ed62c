// What any protocol gets from the handlers: acks after the commit, the way back to a device, who may speak for whom.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport
import Wire

private func line(_ seq: Int, device: String = "k-1", text: String = "") -> String {
    #"{"product":"kettle","device":"\#(device)","id":"1-\#(seq)","type":"feedback.text","text":"so\#(text)"}"# + "\n"
}

private func hello(_ source: String) -> [UInt8] {
    var hello = Hello()
    hello.source = Array(source.utf8)
    var bytes = streamMagic
    writeFrame(.hello, body: hello.encode().span, into: &bytes)
    return bytes
}

/// A batch of one event of `source`.
private func batch(_ source: String, seq: UInt64 = 1) -> [UInt8] {
    var writer = BatchWriter()
    let device = writer.reference(source)
    writer.begin(epoch: 3, firstSeq: seq, time: nil, device: device)
    var event = OutgoingEvent(kind: .feedbackText)
    event.text = Array("so".utf8)[...]
    writer.put(event)
    var body: [UInt8] = []
    writer.finish(into: &body)
    return body
}

@Suite struct ProtocolTests {
    private static let tally = [
        ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: .stream { _ in TallySession() })
    ]

    @Test(.timeLimit(.minutes(1))) func aNewProtocolIsASessionAndARow() async throws {
        let (answer, events, balanced) = try await Station.with(Self.tally) { station in
            let answer = try await station.exchange(Array("I am kettle/k-1\nlid\nlid\nlight\n".utf8))
            let (events, balanced) = try await station.inside {
                ($0.committed, $0.admission.counts.allSatisfy(\.isBalanced))
            }
            return (answer, events, balanced)
        }
        #expect(String(decoding: answer, as: UTF8.self) == "ok\nok\nok\nok\n")
        #expect(events.map(\.aspect.rawValue) == [1, 1, 2])
        #expect(balanced)
    }

    @Test(.timeLimit(.minutes(1))) func noProtocolAcknowledgesBeforeTheCommit() async throws {
        let answers = try await Station.with(commitsAtOnce: false, Self.tally) { station in
            try await station.connect().executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: "I am kettle/k-1\nlid\n"))
                let arrived = try await station.until { $0.filling.count == 1 }
                #expect(arrived)
                let pushed = await station.listeners.push(envelope(Array("first\n".utf8)), to: DeviceID(rawValue: 1))
                #expect(pushed)
                try await station.inside { $0.commit() }
                var text = ""
                for try await buffer in inbound {
                    text += String(buffer: buffer)
                    if text.hasSuffix("ok\n") { break }
                }
                return text
            }
        }
        #expect(answers == "for you: first\nok\nok\n")
    }

    /// When the newest connection of a device has gone, it is reached on one that is open still.
    @Test(.timeLimit(.minutes(1))) func anOlderConnectionTakesThePlaceOfANewerOne() async throws {
        let device = DeviceID(rawValue: 1)
        let isReached = try await Station.with { station in
            try await station.connect().executeThenClose { inbound, older in
                try await older.write(ByteBuffer(bytes: hello("kettle/k-1")))
                while await !station.listeners.push(envelope([2]), to: device) {}
                try await station.connect().executeThenClose { answers, newer in
                    try await newer.write(ByteBuffer(bytes: hello("kettle/k-1")))
                    for try await _ in answers { break }
                }
                let pushing = Task {
                    for _ in 0..<500 where !Task.isCancelled {
                        _ = await station.listeners.push(envelope([77]), to: device)
                        try await Task.sleep(for: .milliseconds(10))
                    }
                }
                defer { pushing.cancel() }
                for try await buffer in inbound where buffer.readableBytesView.contains(77) { return true }
                return false
            }
        }
        #expect(isReached)
    }

    /// The newest connection of a device is the one on which it is reached; when it has gone, nobody is.
    @Test(.timeLimit(.minutes(1))) func aNativeDeviceIsReachedWhereItLastSpoke() async throws {
        let device = DeviceID(rawValue: 1)
        let frames = try await Station.with { station in
            let nobody = await station.listeners.push(envelope([1]), to: device)
            #expect(!nobody)
            let frames = try await station.connect().executeThenClose { _, older in
                try await older.write(ByteBuffer(bytes: hello("kettle/k-1")))
                while await !station.listeners.push(envelope([2]), to: device) {}
                return try await station.connect().executeThenClose { inbound, newer in
                    try await newer.write(ByteBuffer(bytes: hello("kettle/k-1")))
                    var bytes: [UInt8] = []
                    for try await buffer in inbound {
                        bytes += Array(buffer.readableBytesView)
                        if bytes.count > 200 || bytes.suffix(8).contains(77) { break }
                        let pushed = await station.listeners.push(envelope([77]), to: device)
                        #expect(pushed)
                    }
                    return bytes
                }
            }
            for _ in 0..<500 {
                guard await station.listeners.push(envelope([3]), to: device) else { return frames }
                try await Task.sleep(for: .milliseconds(10))
            }
            Issue.record("a device that has gone is still reached")
            return frames
        }
        let welcome = try #require(try readFrame(frames.span, at: 0))
        #expect(welcome.type == .welcome)
        let push = try #require(try readFrame(frames.span, at: welcome.end))
        #expect(push.type == .push && Array(frames[push.body]) == [77])
    }

    private func envelope(_ json: [UInt8]) -> DownEnvelope {
        DownEnvelope(MessageID(number: 1, tag: 7), .setting, json: json)
    }

    private func line(of device: String) -> [UInt8] {
        Array((#"{"product":"kettle","device":"\#(device)","type":"feature.used","aspect":"boil"}"# + "\n").utf8)
    }

    /// What a session puts out when a message is to be sent; nil when it does not carry it.
    private func pushed(_ bench: Bench) -> String? {
        var output: [UInt8] = []
        let isSent = bench.session.push(envelope(Array("{}".utf8)), in: bench.ingest, output: &output)
        return isSent ? String(decoding: output, as: UTF8.self) : nil
    }

    @Test func linesOfOneDeviceAreAWayBack() {
        let bench = Bench()
        bench.feed(line(of: "k-1") + line(of: "k-1"))
        #expect(bench.ingest.device == DeviceID(rawValue: 1))
        #expect(pushed(bench) == "{\"down\":{}}\n")
    }

    @Test func whoSpeaksForSeveralIsSentNothingUnlessItAsks() {
        let bench = Bench()
        bench.feed(line(of: "k-1") + line(of: "k-2"))
        #expect(pushed(bench) == nil)
        let named = Bench()
        named.feed(Array("{\"hello\":\"hall/gateway\"}\n".utf8) + line(of: "k-1"))
        #expect(pushed(named) == nil)
        let asking = Bench()
        asking.feed(Array("{\"hello\":\"hall/gateway\",\"down\":true}\n".utf8) + line(of: "k-1") + line(of: "k-2"))
        #expect(pushed(asking) == "{\"down\":{}}\n")
    }
}

@Suite struct PrincipalTests {
    private func bench(_ scope: Scope) -> Bench {
        let bench = Bench()
        bench.ingest.principal = .holder(Credential(.key(1, generation: 0), scope, .send))
        return bench
    }

    private let firstKettle = Scope.device(product: Array("kettle".utf8), name: Array("k-1".utf8))

    @Test func aDeviceSpeaksForItself() throws {
        let bench = bench(firstKettle)
        bench.feed(Array((line(1) + line(2, device: "k-2", text: "!") + line(3)).utf8))
        #expect(bench.last == .ends)
        #expect(bench.takeText().contains(#""line":2,"code":4030,"reason":"forbidden""#))
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":2}\n")
        // Nothing is left of what was refused, and what came behind it was not read.
        #expect(bench.intake.committed.map(\.seq) == [1])
        #expect(bench.intake.refusals == [.forbidden])
        #expect(bench.intake.filling.text.isEmpty)
    }

    @Test func aDeviceGreetsAsItself() throws {
        for (source, refusals) in [("kettle/k-1", []), ("kettle/k-2", [Refusal.forbidden])] {
            let bench = bench(firstKettle)
            bench.feed(hello(source))
            #expect(bench.intake.refusals == refusals)
            #expect(bench.ingest.device == (refusals.isEmpty ? DeviceID(rawValue: 1) : .none))
            #expect((bench.last == .ends) == !refusals.isEmpty)
        }
    }

    @Test func aGatewaySpeaksForItsProducts() throws {
        for (source, isTaken) in [("kettle/k-1", true), ("kettle/k-2", true), ("oven/o-1", false)] {
            let bench = bench(.products([Array("kettle".utf8)]))
            var bytes = streamMagic
            writeFrame(.batch, body: batch(source).span, into: &bytes)
            bench.feed(bytes)
            #expect(bench.intake.filling.count == (isTaken ? 1 : 0))
            #expect(bench.intake.filling.text.count == (isTaken ? 2 : 0))
            let errors = try bench.takeErrors()
            #expect(errors == (isTaken ? [] : [.forbidden]))
            #expect((bench.last == .ends) == !isTaken)
        }
    }

    @Test func datagramsToo() throws {
        let bench = bench(firstKettle)
        var session = UDPSession(settings: TransportSettings())
        for (source, isTaken) in [("kettle/k-1", true), ("kettle/k-2", false)] {
            var bytes: [UInt8] = []
            DatagramHeader(type: .batch, epoch: 3, counter: 8).write(body: batch(source).span, into: &bytes)
            var output: [UInt8] = []
            let outcome = session.receive(bytes.span, in: bench.ingest, as: bench.peer, output: &output)
            #expect(outcome == (isTaken ? .answerWhenDurable(bench.intake.ticket) : .answer))
            #expect(output.count <= bytes.count)
        }
        var output: [UInt8] = []
        let text = Array((line(5) + line(6, device: "k-2")).utf8)
        let outcome = session.receive(text.span, in: bench.ingest, as: bench.peer, output: &output)
        #expect(outcome == .answerWhenDurable(bench.intake.ticket))
        #expect(String(decoding: output, as: UTF8.self).contains(#""line":2,"code":4030"#))
        #expect(bench.intake.filling.count == 2 && bench.intake.refusals == [.forbidden, .forbidden])
        let isBalanced = bench.intake.admission.counts.allSatisfy(\.isBalanced)
        #expect(isBalanced)
    }
}

@Suite struct TakenPortTests {
    /// Opens both listeners beside a daemon that has taken the ports.
    private func warnings(_ change: (inout [ListenerSpecification], Station) -> Void) async throws -> [String] {
        try await Station.with { station in
            var specifications = [ListenerSpecification].onLoopback
            for index in specifications.indices { specifications[index].isPortConfigured = false }
            change(&specifications, station)
            return try await Station.with(specifications) { other in
                #expect(!other.listeners.all.isEmpty)
                return other.listeners.warnings
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func aDefaultPortThatIsTakenIsDoneWithout() async throws {
        let warnings = try await warnings { $0[0].port = $1.port }
        #expect(warnings.count == 1)
        #expect(warnings.first?.hasSuffix("stop the other process or set listen.tcp.port") == true)
    }

    @Test(.timeLimit(.minutes(1))) func aConfiguredOneIsAnError() async {
        await #expect(throws: ListenError.self) {
            try await warnings {
                $0[1].port = $1.udpPort
                $0[1].isPortConfigured = true
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func soIsHavingNoneAtAll() async {
        await #expect(throws: ListenError.self) {
            try await warnings { ($0[0].port, $0[1].port) = ($1.port, $1.udpPort) }
        }
    }
}
