// What `tidings send` tells of an import with mistakes in it: the same in every format, and every number adds up.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct SendLinesTests {
    /// The arguments for each way to send.
    static func ways(_ daemon: DaemonProcess) -> [[String]] {
        [
            ["send", "--port", "\(daemon.tcpPort)"], ["send", "--port", "\(daemon.tcpPort)", "--format", "json"],
            ["send", "--port", "\(daemon.udpPort)", "--transport", "udp", "--tcp-port", "\(daemon.tcpPort)"],
        ]
    }

    private static func line(_ device: String, _ id: Int, _ rest: String) -> String {
        #"{"product":"oven","device":"\#(device)","id":\#(id),\#(rest)}"#
    }

    private static let use = #""type":"feature.used","aspect":"grill""#

    private func totals(_ output: String) throws -> [String: Int] {
        try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Int])
    }

    /// The number and the name of what is said of each line: `12 quarantined bad_aspect`.
    private func told(_ errors: String) -> [String] {
        errors.split(separator: "\n").compactMap { line -> (Int, String)? in
            guard let found = line.firstMatch(of: /^line (\d+): ([^:]+)/), let number = Int(found.1) else { return nil }
            return (number, "\(number) \(found.2)")
        }.sorted { $0 < $1 }.map(\.1)
    }

    /// An import of a thousand lines with mistakes in it.
    static func thousandLines(_ device: String) -> String {
        var lines = (1...1_000).map { line("\(device)-\($0 % 7)", $0, use) }
        lines[9] = #"{"product":"oven","#
        lines[19] = ""
        lines[99] = #"{"product":"oven","type":"feature.used","aspect":"grill"}"#
        lines[199] = #"{"device":"x","type":"feature.used","aspect":"grill"}"#
        lines[299] = line("\(device)-1", 300, #""type":"feature.used","aspect":"Door Sound""#)
        lines[399] = line("\(device)-2", 400, #""type":"rating.given","aspect":"door","value":9"#)
        lines[499] = line("\(device)-3", 500, #""type":"feature.used","aspect":"grill","count":0"#)
        let text = String(repeating: "x", count: 5_000)
        lines[599] = line("\(device)-4", 600, #""type":"feedback.text","text":"\#(text)""#)
        lines[699] = line("\(device)-5", 700, #""type":"preference.set","aspect":"a","value":"\#(text.prefix(300))""#)
        lines[799] = line("\(device)-6", 800, #""type":"preferenc.set","aspect":"a","value":1"#)
        lines[849] = line(
            "\(device)-4", 850, #""type":"feature.used","aspect":"grill","quarantined":"bad_aspect""#)
        lines[859] = line("\(device)-5", 860, #""type":"rating.given","aspect":"door","time":"2026-01-31""#)
        lines[869] = line("\(device)-6", 870, #""type":"state.reported","aspect":"door","time":1767225600,"value":1"#)
        lines[879] = line("\(device)-0", 880, #""type":"preference.set","value":1,"timestamp":"2026-01-31T12:00:00Z""#)
        lines[899] = line("\(device)-0", 900, #""text":"\#(String(repeating: "x", count: 65_537))""#)
        return lines.joined(separator: "\n")
    }

    @Test func anImportWithMistakes() async throws {
        try await withDaemon { daemon in
            var before = 0
            var words: [Set<String>] = []
            for (index, way) in Self.ways(daemon).enumerated() {
                let input = Data(Self.thousandLines("o\(index)").utf8)
                let sent = try await run(Binary.tidings, way + ["--output", "json"], input: input)
                #expect(sent.status == 1, "\(sent)")
                let counts = try totals(sent.output)
                #expect(counts["sent"] == 999, "\(way) \(sent)")
                #expect(counts["acked"] == 994, "\(way)")
                #expect(counts["rejected"] == 5, "\(way)")
                #expect(counts["quarantined"] == 9, "\(way)")
                // A device's numbers keep their order, whichever way its lines take.
                #expect(counts["stale"] == 0, "\(way)")
                #expect(counts["lost"] == 0, "\(way)")
                #expect(
                    told(sent.errors) == [
                        "10 malformed_json", "100 no_device", "200 no_product", "300 quarantined bad_aspect",
                        "400 quarantined out_of_range", "500 quarantined out_of_range",
                        "600 quarantined text_too_long", "700 quarantined text_too_long",
                        "800 quarantined unknown_type", "850 already_quarantined", "860 quarantined bad_time",
                        "870 quarantined absurd_clock", "880 quarantined bad_aspect",
                        "880 the key timestamp is not known and is left out; did you mean time?",
                        "900 too_big",
                    ], "\(way) \(sent.errors)")
                #expect(!sent.errors.contains(" more: "))
                #expect(sent.errors.contains("try door_sound") && sent.errors.contains("did you mean preference.set?"))
                words.append(Set(sent.errors.split(separator: "\n").map(String.init)))
                let stored = try await stored(daemon)
                #expect(stored - before == 994, "\(way)")
                before = stored
            }
            // One judgement, one wording.
            #expect(words[0] == words[1] && words[0] == words[2], "\(words)")
        }
    }

    /// Events in the log, the quarantined ones included.
    private func stored(_ daemon: DaemonProcess) async throws -> Int {
        let export = try await tidings("log", "export", "--data", daemon.data)
        #expect(export.status == 0, "\(export.errors)")
        return export.output.split(separator: "\n").count { !$0.contains(#""type":"audited""#) }
    }

    /// A device whose numbers begin anew: every event that is not stored is told, and what to do.
    @Test func numbersThatBeginAnew() async throws {
        try await withDaemon { daemon in
            for (index, way) in Self.ways(daemon).enumerated() {
                let lines =
                    [Self.line("s-\(index)", 1_000, Self.use)]
                    + (1...500).map {
                        Self.line("s-\(index)", $0, Self.use)
                    }
                let input = Data(lines.joined(separator: "\n").utf8)
                let sent = try await run(Binary.tidings, way + ["--output", "json"], input: input)
                #expect(sent.status == 0)
                let counts = try totals(sent.output)
                #expect(counts["acked"] == 501, "\(way)")
                #expect(counts["stale"] == 500, "\(way)")
                #expect(counts["quarantined"] == 0, "\(way)")
                #expect(told(sent.errors) == (2...21).map { "\($0) stale" }, "\(sent.errors)")
                #expect(sent.errors.contains("and 480 more: 480 stale\n"))
                #expect(sent.errors.contains("line 2: stale: the number 1 is too far below"), "\(sent.errors)")
                #expect(sent.errors.contains("send an `epoch`"))
                #expect(try await stored(daemon) == index + 1)
            }
        }
    }

    @Test func twentyAreNamedAndTheRestIsCounted() async throws {
        try await withDaemon { daemon in
            for (index, way) in Self.ways(daemon).enumerated() {
                let bad =
                    (1...30).map { "\($0),kettle,\(Self.use)" }
                    + (1...15).map { number in
                        Self.line("t\(index)-\(number)", 1, #""type":"feature.used","aspect":"Grill""#)
                    }
                let input = Data((bad.joined(separator: "\n") + "\n").utf8)
                let sent = try await run(Binary.tidings, way, input: input)
                #expect(sent.status == 1)
                #expect(told(sent.errors).count == 20, "\(sent.errors)")
                let more = sent.errors.split(separator: "\n").filter { $0.hasPrefix("and ") }
                #expect(more == ["and 25 more: 10 refused, 15 quarantined"], "\(sent.errors)")
                #expect(sent.errors.split(separator: "\n").filter { $0.hasPrefix("tidings: ") }.count == 1)
                #expect(sent.output.contains("sent 45, acked 15, retried 0, rejected 30, quarantined 15"), "\(sent)")
            }
        }
    }

    @Test func inputOfAnotherKindHasOneHint() async throws {
        try await withDaemon { daemon in
            let text = "[\(Self.line("a", 1, Self.use)),\n \(Self.line("a", 2, Self.use))]\n"
            let utf16 = text.replacing("[", with: "").data(using: .utf16LittleEndian) ?? Data()
            for (input, hint) in [(Data(text.utf8), "jq -c"), (Data([0xff, 0xfe]) + utf16, "iconv -f UTF-16")] {
                for way in Self.ways(daemon) {
                    let sent = try await run(Binary.tidings, way, input: input)
                    #expect(sent.status == 1)
                    #expect(sent.errors.split(separator: "\n").filter { $0.contains(hint) }.count == 1, "\(sent)")
                }
            }
            // The mark at the start of what some editors write is no part of the first line.
            let marked = Data([0xef, 0xbb, 0xbf]) + Data("\(Self.line("b", 1, Self.use))\r\n\r\n".utf8)
            for way in Self.ways(daemon) {
                let sent = try await run(Binary.tidings, way, input: marked)
                #expect(sent.status == 0, "\(sent)")
                #expect(sent.errors == "")
            }
        }
    }

    /// The first of two events leaves at once, though the second comes much later.
    @Test(arguments: [0, 1, 2]) func aPipeIsSentAsItComes(way: Int) async throws {
        try await withDaemon { daemon in
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: Binary.tidings)
            process.arguments = Self.ways(daemon)[way]
            process.standardInput = pipe
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer { process.terminate() }
            for number in 1...3 {
                let line = Self.line("p", number, Self.use) + "\n"
                try pipe.fileHandleForWriting.write(contentsOf: Data(line.utf8))
                let arrived = try await eventually { try await committed(daemon) == number }
                #expect(arrived, "event \(number)")
            }
            try pipe.fileHandleForWriting.close()
            #expect(await exitStatus(of: process) == 0)
        }
    }

    @Test func anInterruptionIsOneLine() async throws {
        try await withDaemon { daemon in
            let folder = TemporaryFolder()
            defer { folder.remove() }
            let (errors, pipe, process) = (folder.path + "/errors", Pipe(), Process())
            _ = FileManager.default.createFile(atPath: errors, contents: nil)
            process.executableURL = URL(fileURLWithPath: Binary.tidings)
            process.arguments = Self.ways(daemon)[0]
            process.standardInput = pipe
            process.standardOutput = FileHandle.nullDevice
            process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
            try process.run()
            try pipe.fileHandleForWriting.write(contentsOf: Data((Self.line("i", 1, Self.use) + "\n").utf8))
            #expect(try await eventually { try await committed(daemon) == 1 })
            // Totals are looked at once a second.
            try await Task.sleep(for: .milliseconds(1_500))
            kill(process.processIdentifier, SIGINT)
            #expect(await exitStatus(of: process) == 130)
            let text = try String(contentsOfFile: errors, encoding: .utf8)
            #expect(text.split(separator: "\n").count == 1, "\(text)")
            #expect(text.contains("send stopped: 1 of 1 events"), "\(text)")
        }
    }

    /// What the daemon has not acknowledged goes to the next one, though nothing more comes out of the pipe.
    @Test func aSilentPipeAndADaemonThatComesBack() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let first = try await DaemonProcess(data: folder.path + "/data")
        let port = "\(first.tcpPort)"
        for arguments in [["send", "--port", port], ["send", "--port", port, "--format", "json"]] {
            let daemon = arguments.count == 3 ? first : try await DaemonProcess(data: first.data, "--tcp-port", port)
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: Binary.tidings)
            process.arguments = arguments
            process.standardInput = pipe
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            defer { process.terminate() }
            let line = { Self.line("p-\(arguments.count)", $0, Self.use) + "\n" }
            try pipe.fileHandleForWriting.write(contentsOf: Data(line(1).utf8))
            #expect(try await eventually { try await committed(daemon) == 1 })
            #expect(await daemon.stop() == 0)
            try pipe.fileHandleForWriting.write(contentsOf: Data(line(2).utf8))
            try await Task.sleep(for: .milliseconds(300))
            let second = try await DaemonProcess(data: first.data, "--tcp-port", port)
            #expect(try await eventually { try await committed(second) == 1 })
            try pipe.fileHandleForWriting.close()
            #expect(await exitStatus(of: process) == 0)
            #expect(await second.stop() == 0)
        }
    }

    private func committed(_ daemon: DaemonProcess) async throws -> Int {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        let fields = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
        let transports = fields?["transports"] as? [String: [String: Any]] ?? [:]
        return transports.values.reduce(0) { $0 + ($1["committed"] as? Int ?? 0) }
    }

    @Test func standardInputThatCannotBeRead() async throws {
        try await withDaemon { daemon in
            let folder = try await shell("\(Binary.tidings) send --port \(daemon.tcpPort) </tmp")
            #expect(folder.status == 74)
            #expect(folder.errors.contains("standard input cannot be read"), "\(folder.errors)")
            let closed = try await shell("\(Binary.tidings) send --port \(daemon.tcpPort) <&-")
            #expect(closed.status == 74)
            #expect(closed.errors.contains("it is closed"), "\(closed.errors)")
        }
    }

    @Test func aLineWithoutEnd() async throws {
        try await withDaemon { daemon in
            for way in Self.ways(daemon).map({ $0.joined(separator: " ") }) {
                let sent = try await shell(
                    "(head -c 50000000 /dev/zero | tr '\\0' x; echo; echo '\(Self.line("z", 1, Self.use))') | "
                        + "(ulimit -v 4000000; \(Binary.tidings) \(way))")
                #expect(sent.status == 1)
                #expect(told(sent.errors) == ["1 too_big"], "\(sent.errors)")
                #expect(sent.output.hasPrefix("sent 2, acked 1, "), "\(sent)")
            }
        }
    }

    @Test func nobodyThere() async throws {
        let sent = try await tidings("send", "--port", "9", "--events", "3", "--devices", "1")
        #expect(sent.status == 69)
        #expect(sent.errors.split(separator: "\n").count == 1, "\(sent.errors)")
        #expect(sent.errors.contains("no daemon answers at 127.0.0.1:9"))
        for arguments in [
            ["--rate", "inf"], ["--rate", "nan"], ["--connections", "0"], ["--devices", "99999999999"],
        ] {
            let refused = try await run(Binary.tidings, ["send", "--port", "9"] + arguments)
            #expect(refused.status == 64, "\(arguments)")
        }
    }
}
