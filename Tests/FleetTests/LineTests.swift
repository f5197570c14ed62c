// Lines of input that are not stored as good events are told by their numbers, once, in every format, over every path.

import Events
import Fleet
import Synchronization
import Testing
import TidingsClient
import TidingsTesting

@Suite struct LineTests {
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
        #expect(daemon.lines == [text[2]], "but for the number 0, which is absent in the native format")
        #expect(Set(daemon.seenCounts.keys.map(\.device)) == ["x/a/b", "a/b/c", "x/urn:dev:ops:1-y-z"])
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
