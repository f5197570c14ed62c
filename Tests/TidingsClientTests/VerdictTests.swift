// Whatever is not stored as a good event is told by its number, once, and counted, in every format and over every path.

import Events
import Synchronization
import Testing
import TidingsClient
import Wire

/// Collects what a sender of lines says.
final class Listener: Sendable {
    let verdicts = Mutex<[SendVerdict]>([])
    let hints = Mutex<[String]>([])

    var observer: FleetObserver {
        var observer = FleetObserver()
        observer.verdict = { verdict in self.verdicts.withLock { $0.append(verdict) } }
        observer.hint = { hint in self.hints.withLock { $0.append(hint) } }
        return observer
    }

    /// The verdicts as they are printed, in the order of the lines.
    var lines: [String] {
        verdicts.withLock { verdicts in
            verdicts.sorted { $0.number < $1.number }.map { "\($0.number) \($0)" }
        }
    }
}

enum Way: CaseIterable {
    case native, json, udp

    func options(_ daemon: StubDaemon) -> FleetOptions {
        var options = FleetOptions()
        options.port = self == .udp ? daemon.udpPort : daemon.port
        options.linesPort = daemon.port
        options.path = self == .udp ? .udp : .tcp
        options.format = self == .json ? .json : .native
        options.stream.firstPause = .milliseconds(5)
        return options
    }
}

func line(_ device: String, _ seq: Int, _ rest: String = #""type":"feature.used","aspect":"a""#) -> String {
    #"{"product":"kettle","device":"\#(device)","id":\#(seq),\#(rest)}"#
}

/// Sends a text, in pieces of a few bytes.
func send(_ text: String, _ options: FleetOptions, _ listener: Listener = Listener()) async throws -> SendTotals {
    var rest = Array(text.utf8)[...]
    return try await FleetSender(options, observer: listener.observer).runLines {
        defer { rest = rest.dropFirst(1_000) }
        return Array(rest.prefix(1_000))
    }
}

@Suite struct VerdictTests {
    @Test(.timeLimit(.minutes(1)), arguments: Way.allCases)
    func everyLineThatIsNotStoredIsTold(way: Way) async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let lines = [
            line("k-1", 1), "", #"{"x""#, line("k-1", 2), "1,2,3", line("apart", 1), line("old", 1), " \t\r",
            line("k-1", 3), line("k-2", 1, #""type":"preference.set","aspect":"Door apart","value":1"#), line("k-2", 2),
        ]
        // The stub takes no line for malformed that it is not told to.
        let text = lines.joined(separator: "\n").replacing(#"{"x""#, with: way == .json ? #"{"bad""# : #"{"x""#)
        let totals = try await send(text, way.options(daemon), listener)
        #expect(totals.sent == 9)
        #expect(totals.acked == 7)
        #expect(totals.rejected == 2)
        #expect(totals.quarantined == 2)
        #expect(totals.stale == 1)
        #expect(totals.outstanding == 0)
        #expect(
            listener.lines.map { $0.prefix { $0 != ":" } } == [
                "3 malformed_json", "5 malformed_json",
                way == .json ? "6 quarantined bad_aspect" : "6 quarantined out_of_range",
                "7 stale", "10 quarantined bad_aspect",
            ])
        if way != .json {
            // As it stands, and so is what its device says behind it.
            #expect(daemon.lines == [lines[9], lines[10]])
            #expect(daemon.seenCounts.count == 5)
        }
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1)), arguments: [Way.native, .udp]) func unknownKeysAreFoundHere(way: Way) async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let use = #""type":"feature.used","aspect":"a""#
        let text = [
            line("k-1", 1, use), line("k-1", 2, use + #","timestamp":1,"colour":2"#),
            line("k-1", 3, use + #","timestamp":4"#), line("odd", 1, #""type":"feature.used","aspect":"A","aspekt":5"#),
        ]
        let totals = try await send(text.joined(separator: "\n"), way.options(daemon), listener)
        #expect(totals.acked == 4)
        // The last one goes as it stands, and the daemon has its own remark on it.
        #expect(
            listener.lines.filter { !$0.contains("nobody knows") } == [
                "2 the key timestamp is not known and is left out; did you mean time?",
                "2 the key colour is not known and is left out; see docs/wire.md for the keys",
                "4 the key aspekt is not known and is left out; did you mean aspect?",
            ])
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func unknownKeysAreRemarkedOn() async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let totals = try await send(line("k-1", 1) + "\n" + line("odd", 2) + "\n", Way.json.options(daemon), listener)
        #expect(totals.acked == 2)
        #expect(listener.lines == ["2 nobody knows it"])
        await daemon.stop()
    }

    /// What the native format cannot say goes as it stands.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            #""type":"feedback.text","text":"\#(String(repeating: "x", count: 5_000))""#,
            #""type":"preference.set","aspect":"a","value":"\#(String(repeating: "x", count: 300))""#,
            #""type":"feature.used","aspect":"a","count":0"#, #""type":"feature.used","aspect":"a","time":"never""#,
        ])
    func whatNativeCannotSayGoesAsItStands(rest: String) async throws {
        let daemon = try await StubDaemon.start()
        let text = [line("k-1", 1), line("k-1", 2, rest), line("k-1", 3)]
        let totals = try await send(text.joined(separator: "\n"), Way.native.options(daemon))
        #expect(totals.acked == 3)
        #expect(daemon.lines == [text[1], text[2]])
        #expect(daemon.seenCounts.count == 1)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func namesThatTheWireWouldTakeForOthers() async throws {
        let daemon = try await StubDaemon.start()
        let text = [
            #"{"product":"a/b","device":"c","id":1,"type":"feature.used","aspect":"a"}"#,
            #"{"product":"x","device":"urn:dev:ops:1-y-z","id":1,"type":"feature.used","aspect":"a"}"#,
            #"{"product":"x","device":"d","id":0,"type":"feature.used","aspect":"a"}"#,
            #"{"product":"x","device":"a/b","id":1,"type":"feature.used","aspect":"a"}"#,
        ]
        let totals = try await send(text.joined(separator: "\n"), Way.native.options(daemon))
        #expect(totals.acked == 4)
        #expect(Set(daemon.lines) == Set(text[..<3]))
        #expect(daemon.seenCounts.keys.map(\.device) == ["x/a/b"])
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1)), arguments: Way.allCases)
    func aLineThatIsTooLongIsRefusedHere(way: Way) async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        let long = String(repeating: "x", count: Limits.jsonEventBytes)
        let text = [line("k-1", 1), line("k-1", 2, #""text":"\#(long)""#), line("k-1", 3)].joined(separator: "\n")
        let totals = try await send(text, way.options(daemon), listener)
        #expect(totals.sent == 3)
        #expect(totals.acked == 2)
        #expect(totals.rejected == 1)
        #expect(listener.lines.count == 1)
        #expect(listener.lines[0].hasPrefix("2 too_big: "))
        #expect(daemon.accepted <= 1)
        #expect(!daemon.lines.contains { $0.count > 1_000 })
        await daemon.stop()
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            (Array("[{}]\n".utf8), "array"), (Array("product,device\nk,1\n".utf8), "first line"),
            ([0xff, 0xfe, 0x7b, 0x00, 0x0a, 0x00], "UTF-16"),
        ] as [([UInt8], String)], Way.allCases)
    func inputOfAnotherKindIsToldAsAWhole(input: (bytes: [UInt8], hint: String), way: Way) async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        var pieces = [input.bytes]
        let totals = try await FleetSender(way.options(daemon), observer: listener.observer)
            .runLines { pieces.popLast() ?? [] }
        #expect(totals.sent == totals.rejected)
        #expect(totals.sent > 0)
        let hints = listener.hints.withLock { $0 }
        #expect(hints.count == 1)
        #expect(hints.first?.contains(input.hint) == true, "\(hints)")
        #expect(daemon.accepted == 0)
        await daemon.stop()
    }

    /// Without a mark it shows by its zeros.
    @Test(.timeLimit(.minutes(1)), arguments: [[0x00, 0x7b, 0x00, 0x22], [0x7b, 0x00, 0x22, 0x00]] as [[UInt8]])
    func unmarkedUTF16(bytes: [UInt8]) async throws {
        let daemon = try await StubDaemon.start()
        let listener = Listener()
        var pieces = [bytes]
        let totals = try await FleetSender(Way.native.options(daemon), observer: listener.observer)
            .runLines { pieces.popLast() ?? [] }
        #expect(totals.rejected == 1)
        #expect(listener.hints.withLock { $0.first }?.contains("UTF-16") == true)
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func datagramsAloneLoseWhatNeedsTCPAndSaySo() async throws {
        let daemon = try await StubDaemon.start()
        let other = try await StubDaemon.start()
        var options = Way.udp.options(daemon)
        options.linesPort = other.port
        options.stream.maxAttempts = 2
        await other.stop()
        let listener = Listener()
        let bad = #""type":"preference.set","aspect":"Door","value":1"#
        let text = (1...600).map { $0 % 300 == 0 ? line("k-\($0)", 1, bad) : line("k-0", $0) }
        let totals = try await send(text.joined(separator: "\n"), options, listener)
        #expect(totals.acked == 598)
        #expect(totals.lost == 2)
        #expect(totals.outstanding == 0)
        #expect(listener.hints.withLock { $0 }.count == 1)
        #expect(listener.hints.withLock { $0.first }?.contains("--tcp-port") == true)
        await daemon.stop()
    }

    /// What a device without a clock says keeps the time of arrival, though its neighbour has a clock.
    @Test(.timeLimit(.minutes(1)), arguments: [Way.native, .udp])
    func timesAreNotShared(way: Way) async throws {
        let daemon = try await StubDaemon.start()
        let timed = #""type":"feature.used","aspect":"a","time":"#
        let text = [
            line("k-1", 1, timed + "1767225600000"), line("k-1", 2), line("k-1", 3, timed + "0"), line("k-1", 4),
        ]
        _ = try await send(text.joined(separator: "\n"), way.options(daemon))
        let events = daemon.events.sorted { $0.seq < $1.seq }
        #expect(events.map(\.clock) == [.device, .arrival, .device, .arrival])
        #expect(events.map(\.time.rawValue) == [1_767_225_600_000, 0, 0, 0])
        await daemon.stop()
    }
}

@Suite struct ConnectionVerdictTests {
    private func event(_ device: String, _ seq: UInt64) -> TidingsEvent {
        var event = TidingsEvent(product: "kettle", device: device, kind: .featureUsed, aspect: "boil")
        event.seq = seq
        return event
    }

    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func verdictsAreTaken(isOld: Bool) async throws {
        var manners = StubDaemon.Manners()
        manners.isOld = isOld
        let daemon = try await StubDaemon.start(manners)
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        try await connection.send([event("k-1", 1), event("apart", 1), event("k-1", 2)])
        try await connection.send([event("old", 1)])
        try await connection.flush()
        let totals = await connection.totals
        #expect(totals.acked == 4)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        let verdicts = await connection.takeVerdicts()
        #expect(verdicts.map(\.number) == [2, 4])
        #expect(verdicts.map(\.outcome) == [.quarantined, .stale])
        #expect(verdicts.first?.description == "quarantined out_of_range: beyond its scale")
        #expect(await connection.takeVerdicts().isEmpty)
        await connection.close()
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func datagramsHaveThemToo() async throws {
        let daemon = try await StubDaemon.start()
        let datagrams = TidingsDatagrams(host: "127.0.0.1", port: daemon.udpPort, firstPauseMilliseconds: 50)
        try await datagrams.send([event("k-1", 1), event("apart", 7), event("old", 1)])
        try await datagrams.send([event("final", 1), event("final", 2)])
        await datagrams.flush()
        let totals = await datagrams.totals
        #expect(totals.acked == 3)
        #expect(totals.rejected == 2)
        #expect(totals.quarantined == 1)
        #expect(totals.stale == 1)
        let verdicts = await datagrams.takeVerdicts()
        #expect(Set(verdicts.map(\.number)) == [2, 3, 4, 5])
        #expect(verdicts.filter { $0.outcome == .refused }.map(\.reason) == ["malformed_body", "malformed_body"])
        await datagrams.close()
        await daemon.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aCallThatThrowsHasSentNothing() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var events = (1...1_500).map { event("k-1", UInt64($0)) }
        events.append(event("", 1))
        await #expect {
            try await connection.send(events)
        } throws: { "\($0)".contains("event 1501 of 1501") && "\($0)".contains("device's name") }
        #expect(await connection.totals.sent == 0)
        events[1_500] = event("k-1", 0)
        await #expect(throws: SendError.self) { try await connection.send(events) }
        events[1_500] = event("k-1", 1_501)
        events[1_500].count = 0
        await #expect(throws: SendError.self) { try await connection.send(events) }
        events[1_500].count = 1
        try await connection.send(events)
        try await connection.flush()
        #expect(await connection.totals.acked == 1_501)
        await connection.close()
        await daemon.stop()
    }

    /// More than a native event has room for is cut by the daemon, and said to be, as it is in JSON.
    @Test(.timeLimit(.minutes(1))) func aTextThatIsTooLongIsCutByTheDaemon() async throws {
        let daemon = try await StubDaemon.start()
        let connection = TidingsConnection(host: "127.0.0.1", port: daemon.port)
        var long = TidingsEvent(product: "kettle", device: "k-1", kind: .feedbackText)
        long.text = String(repeating: "ä", count: 10_000)
        try await connection.send([long])
        try await connection.flush()
        #expect(await connection.totals.acked == 1)
        #expect(daemon.events.first?.quarantine == .textTooLong)
        #expect(daemon.events.first?.textLength == UInt32(Limits.textBytes))
        await connection.close()
        await daemon.stop()
    }

    @Test func soManyVerdictsAreKept() {
        let book = VerdictBook()
        for number in 1...1_500 {
            book.add([SendVerdict(.stale, number: UInt64(number), code: 4_240, reason: "stale", text: "")])
        }
        #expect(book.dropped == UInt64(1_500 - VerdictBook.limit))
        #expect(book.take().map(\.number).first == UInt64(1_500 - VerdictBook.limit + 1))
        #expect(book.take().isEmpty)
    }

    @Test func whatIsPrintedCannotMoveTheCursor() {
        let verdict = SendVerdict(.refused, number: 1, code: 4_005, reason: "x\u{1b}[2J", text: "a\nb\u{9b}c")
        #expect(verdict.description == "x\u{fffd}[2J: a\u{fffd}b\u{fffd}c")
    }
}
