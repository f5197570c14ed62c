// Messages on their way to devices, with the real daemon: over MQTT, by long polls, and in a stream.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct DownTests {
    private func send(_ daemon: DaemonProcess, _ lines: [String]) async throws {
        let done = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", "--format", "json",
            input: Data((lines.joined(separator: "\n") + "\n").utf8))
        #expect(done.status == 0, "\(done)")
    }

    /// A device whose customer has agreed to be written to.
    private func introduce(_ daemon: DaemonProcess) async throws {
        let consent = #""type":"consent.given","purpose":"contact"}"#
        try await send(daemon, [#"{"product":"kettle","device":"k-1","customer":"anna","id":1,"# + consent])
    }

    private func command(_ daemon: DaemonProcess, _ arguments: String...) async throws {
        let done = try await run(Binary.tidings, arguments + ["--data", daemon.data])
        #expect(done.status == 0, "\(done)")
    }

    private func notify(_ daemon: DaemonProcess) async throws {
        try await command(daemon, "notify", "kettle/k-1", "--text", "Time to descale")
        try await command(daemon, "set", "kettle/k-1", "temperature", "88", "--unit", "Cel")
    }

    /// The state of a message's only entry.
    private func state(_ daemon: DaemonProcess, _ message: String) async throws -> String {
        let shown = try await run(
            Binary.tidings, ["outbox", "show", message, "--devices", "--data", daemon.data, "--format", "json"])
        return String(shown.output.firstMatch(of: #/"state":"(\w+)"/#)?.1 ?? "")
    }

    private func become(_ states: [String], _ daemon: DaemonProcess) async throws {
        var found: [String] = []
        let isSo = try await eventually {
            found = try await [state(daemon, "m1"), state(daemon, "m2")]
            return found == states
        }
        #expect(isSo, "\(found)")
    }

    private func python(_ script: String, _ arguments: [String]) async throws -> [String] {
        let done = try await run("/usr/bin/python3", ["-c", script] + arguments)
        #expect(done.status == 0, "\(done)")
        return done.output.split(separator: "\n").map(String.init)
    }

    /// A client of MQTT 3.1.1 without a library: connects, subscribes if it is to, answers `messages` of them, and says
    /// what has come.
    private static let mqtt = #"""
        import socket, sys
        port, subscribes, messages, reason = int(sys.argv[1]), sys.argv[2] == "subscribe", int(sys.argv[3]), sys.argv[4]
        link = socket.create_connection(("127.0.0.1", port))
        link.settimeout(15)
        def text(word): return len(word).to_bytes(2) + word
        def packet(first, body): link.sendall(bytes([first, len(body)]) + body)
        def exactly(count):
            data = b""
            while len(data) < count:
                more = link.recv(count - len(data))
                if not more: sys.exit("the daemon has closed the connection")
                data += more
            return data
        def read():
            first, length, shift = exactly(1)[0], 0, 0
            while True:
                byte = exactly(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128: return first, exactly(length)
        is5 = reason != ""
        empty = b"\0" if is5 else b""
        session = bytes([5, 0x11, 0, 0, 0, 60]) if is5 else b""
        packet(0x10, text(b"MQTT") + bytes([5 if is5 else 4, 0, 0, 60]) + session + text(b"k-1"))
        first, body = read()
        print("present" if body[0] else "new", body[1])
        if subscribes:
            packet(0x82, b"\0\1" + empty + text(b"tidings/v1/kettle/k-1/down/#") + b"\1")
            first, body = read()
            print("suback" if first == 0x90 else hex(first), body[-1])
        for _ in range(messages):
            first, body = read()
            length = int.from_bytes(body[:2])
            topic = body[2:2 + length].decode().rsplit("/", 1)[1].split("-")[0]
            print(hex(first), topic, body[body.index(b"{"):].decode())
            packet(0x40, body[2 + length:4 + length] + (bytes([int(reason, 16)]) if is5 else b""))
        link.sendall(b"\xe0\0")
        while link.recv(100): pass
        """#

    @Test func aSubscriberAcknowledgesWhatWaitsForIt() async throws {
        try await withDaemon("--mqtt-port", "0") { daemon in
            try await introduce(daemon)
            try await notify(daemon)
            let heard = try await python(Self.mqtt, ["\(daemon.mqttPort)", "subscribe", "2", ""])
            try #require(heard.count == 4, "\(heard)")
            #expect(heard[0] == "new 0" && heard[1] == "suback 1")
            #expect(heard[2].hasPrefix("0x32 m1 ") && heard[2].contains(#""text":"Time to descale""#), "\(heard)")
            #expect(heard[3].hasPrefix("0x32 m2 ") && heard[3].contains(#""value":88"#), "\(heard)")
            try await become(["received", "received"], daemon)
            // The session is kept: what comes later needs no subscription.
            try await command(daemon, "set", "kettle/k-1", "temperature", "90", "--unit", "Cel")
            let later = try await python(Self.mqtt, ["\(daemon.mqttPort)", "resume", "1", ""])
            #expect(later.count == 2 && later[0] == "present 0" && later[1].contains(#""value":90"#), "\(later)")
            let isReceived = try await eventually { try await state(daemon, "m3") == "received" }
            #expect(isReceived)
        }
    }

    @Test func aSubscriberOfVersion5MayRefuse() async throws {
        try await withDaemon("--mqtt-port", "0") { daemon in
            try await introduce(daemon)
            try await notify(daemon)
            let heard = try await python(Self.mqtt, ["\(daemon.mqttPort)", "subscribe", "2", "83"])
            #expect(heard.count == 4, "\(heard)")
            try await become(["refused", "refused"], daemon)
        }
    }

    @Test func aSubscriberOfTheStateIsToldHowItIsToStand() async throws {
        try await withDaemon("--mqtt-port", "0") { daemon in
            try await introduce(daemon)
            try await notify(daemon)
            let script = Self.mqtt.replacing("down/#", with: "state")
            let words = ["\(daemon.mqttPort)", "subscribe", "3", ""]
            async let told = python(script, words)
            try await Task.sleep(for: .seconds(1))
            try await command(daemon, "set", "kettle", "sound", "off")
            try await Task.sleep(for: .seconds(1))
            try await command(daemon, "outbox", "cancel", "m2")
            let heard = try await told
            try #require(heard.count == 5, "\(heard)")
            let temperature = #""temperature":{"policy":"offer","unit":"Cel","value":88,"version":2}"#
            let sound = #""sound":{"policy":"offer","value":"off","version":3}"#
            #expect(heard[2] == #"0x33 state {"settings":{"# + temperature + #"},"version":2}"#, "\(heard)")
            #expect(
                heard[3] == #"0x32 state {"settings":{"# + sound + "," + temperature + #"},"version":3}"#, "\(heard)")
            #expect(heard[4] == #"0x32 state {"settings":{"# + sound + #"},"version":3}"#, "\(heard)")
        }
    }

    /// A request that waits, as docs/messages.md shows it: the lines of its answer, then the status and the token.
    private func poll(_ port: Int, _ query: String) async throws -> (lines: [String], rest: [String]) {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let file = folder.path + "/answer"
        let url = "http://127.0.0.1:\(port)/v1/down?source=kettle/k-1&\(query)"
        let done = try await shell(
            "touch \(file); curl -s -o \(file) -w '%{http_code} %header{tidings-token}' '\(url)' && cat \(file) >&2"
        )
        #expect(done.status == 0, "\(done)")
        return (
            done.errors.split(separator: "\n").map(String.init),
            done.output.split(separator: " ").map(String.init)
        )
    }

    @Test func aPollBringsWhatWaitsAndItsTokenSaysThatItHasCome() async throws {
        try await withDaemon { daemon in
            try await introduce(daemon)
            try await notify(daemon)
            let port = daemon.httpPort
            let first = try await poll(port, "wait=20")
            #expect(first.rest.first == "200" && first.lines.count == 2, "\(first)")
            #expect(first.lines.first?.contains(#""text":"Time to descale""#) == true, "\(first)")
            #expect(first.lines.last?.contains(#""value":88"#) == true, "\(first)")
            let token = try #require(first.rest.last)
            #expect(token.contains(#/^m1-[0-9a-f]{8}\.m2-[0-9a-f]{8}$/#), "\(token)")
            // Without the token it has not come.
            try await become(["sent", "sent"], daemon)
            let again = try await poll(port, "wait=20&after=m1-00000000")
            #expect(again.rest.last == token, "\(again)")
            async let later = poll(port, "wait=20&after=\(token)")
            try await become(["received", "received"], daemon)
            try await command(daemon, "set", "kettle/k-1", "temperature", "90", "--unit", "Cel")
            let setting = try await later
            #expect(setting.lines.count == 1 && setting.lines[0].contains(#""value":90"#), "\(setting)")
            let nothing = try await poll(port, "wait=1&after=\(setting.rest.last ?? "")")
            #expect(nothing.rest == ["204"] && nothing.lines.isEmpty, "\(nothing)")
            let isReceived = try await eventually { try await state(daemon, "m3") == "received" }
            #expect(isReceived)
        }
    }

    @Test func aSecondPollAndTheEndOfTheDaemonEndThePoll() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let daemon = try await DaemonProcess(data: folder.path + "/data")
        try await introduce(daemon)
        let port = daemon.httpPort
        async let first = poll(port, "wait=25")
        try await Task.sleep(for: .seconds(1))
        async let second = poll(port, "wait=25")
        let ended = try await first
        #expect(ended.rest == ["204"])
        try await Task.sleep(for: .milliseconds(500))
        let status = await daemon.stop()
        #expect(status == 0, "\(daemon.log)")
        let last = try await second
        #expect(last.rest == ["204"])
    }

    @Test func aStreamGoesOnWhereItWasCut() async throws {
        try await withDaemon { daemon in
            try await introduce(daemon)
            try await notify(daemon)
            let url = "http://127.0.0.1:\(daemon.httpPort)/v1/down/stream?source=kettle/k-1"
            let first = try await shell("curl -sN --max-time 2 '\(url)' || test $? = 28")
            #expect(first.output.hasPrefix("retry: "), "\(first)")
            #expect(first.output.contains("\nevent: notice\ndata: {") && first.output.contains("\nevent: setting\n"))
            let id = try #require(first.output.matches(of: #/id: (\S+)/#).last?.1)
            #expect(id.contains(#/^m1-[0-9a-f]{8}\.m2-[0-9a-f]{8}$/#), "\(id)")
            try await become(["sent", "sent"], daemon)
            async let second = shell("curl -sN --max-time 3 -H 'Last-Event-ID: \(id)' '\(url)' || test $? = 28")
            try await become(["received", "received"], daemon)
            try await command(daemon, "set", "kettle/k-1", "temperature", "90", "--unit", "Cel")
            let text = try await second.output
            #expect(text.contains(#""value":90"#) && !text.contains(#""value":88"#), "\(text)")
        }
    }
}
