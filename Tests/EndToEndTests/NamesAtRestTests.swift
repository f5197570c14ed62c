// The daemon's folder knows nobody by name outside identity.sqlite; and one event is one, whatever way it comes.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct NamesAtRestTests {
    private static let names = ["DEVICE-Anna", "CUSTOMER-Berta", "SOURCE-Carla", "SUBJECT-Dora", "ID-Emil"]

    private static let envelopes = [
        #""product":"p","device":"DEVICE-Anna","customer":"CUSTOMER-Berta","id":"ID-Emil-N""#,
        #""specversion":"1.0","source":"p/SOURCE-Carla","subject":"SUBJECT-Dora","id":"ID-Emil-N""#,
        #""product":"p","\u0064evice":"DEVICE-Anna","c\u0075stomer":"CUSTOMER-Ber\u0074a","i\u0064":"ID-Emil-N""#,
        #""product":"p","device":"DEVICE-Anna","id":"ID-Emil-N","data":{"id":"ID-Emil","#
            + #""x":[{"subject":"SUBJECT-Dora"}]}"#,
    ]

    private static let payloads = [
        #""type":"com.acme.x""#, #""type":"preference.set","aspect":"Door Sound","value":1"#, #""type":"fault.seen""#,
        #""type":"preference.set","aspect":"a","value":{"customer":"CUSTOMER-Berta"}"#, #""time":"yesterday""#,
        #""type":"receipt","cause":"0-17""#, #""type":"feature.used","aspect":"a""#, #""type":5"#, #""type":nul"#,
        #""type":"rating.given","aspect":"a","value":9"#, #""type":"rating.given","quarantined":"policy""#,
    ]

    @Test func noNameIsAtRestOutsideTheIdentities() async throws {
        try await withDaemon { daemon in
            var sent = 0
            for way in SendLinesTests.ways(daemon) {
                var lines: [String] = []
                for envelope in Self.envelopes {
                    for payload in Self.payloads {
                        sent += 1
                        lines.append("{" + envelope.replacing("-N\"", with: "-\(sent)\"") + "," + payload + "}")
                    }
                }
                _ = try await run(Binary.tidings, way, input: Data(lines.joined(separator: "\n").utf8))
            }
            let exported = try await tidings("log", "export", "--data", daemon.data, "--format", "ndjson").output
            // An export has names where they belong; what else it has must have none.
            var events = 0
            for line in exported.split(separator: "\n") {
                var event = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                for key in ["device", "customer"] { event[key] = nil }
                events += 1
                for name in Self.names { #expect(!"\(event)".contains(name), "\(name) in \(line)") }
            }
            var searched = 0
            for file in try FileManager.default.subpathsOfDirectory(atPath: daemon.data) {
                guard !file.hasPrefix("identity.sqlite"),
                    let content = FileManager.default.contents(atPath: daemon.data + "/" + file)
                else { continue }
                searched += content.count
                for name in Self.names { #expect(content.range(of: Data(name.utf8)) == nil, "\(name) in \(file)") }
            }
            print("names at rest: \(sent) lines sent, \(events) stored, \(searched) bytes searched, no name")
            #expect(events > 60 && searched > 10_000)
        }
    }

    @Test func aLineWithAnIDIsOneEventInEveryFormat() async throws {
        try await withDaemon { daemon in
            let lines = (0..<300).map { number in
                #"{"product":"a/b:c%","device":"urn:dev:ops:1-y-z","id":"\#(uuid(number))","#
                    + #""type":"feature.used","aspect":"a"}"#
            }
            let input = Data(lines.joined(separator: "\n").utf8)
            for way in SendLinesTests.ways(daemon) + SendLinesTests.ways(daemon) {
                let sent = try await run(Binary.tidings, way, input: input)
                #expect(sent.status == 0, "\(sent)")
            }
            let exported = try await tidings("log", "export", "--data", daemon.data, "--format", "ndjson").output
            let events = exported.split(separator: "\n")
            print("ids: 300 lines sent six times, \(events.count) events")
            #expect(events.count == 300)
            #expect(events.allSatisfy { $0.contains(#""product":"a/b:c%","device":"urn:dev:ops:1-y-z""#) })
        }
    }

    /// A string in the form of a UUID, one for each number.
    private func uuid(_ number: Int) -> String {
        "3e4666bf-d5e5-4aa7-b8ce-" + String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
    }
}
