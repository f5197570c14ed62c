// Whatever a line says, the native event says that is sent in its place: over TCP and over UDP.

import Fleet
import Testing
import TidingsClient
import TidingsTesting

@Suite struct CarriedTests {
    /// Lines as an export would have them, but for the arrival.
    private static let lines = [
        ##"{"product":"a/b%","device":"urn:dev:ops:1-y-z","customer":"c","id":"#3e4666bfd5e54aa7","##
            + #""type":"preference.set","#
            + #""cause":"m17-9f31c2aa","time":"2026-01-01T00:00:00.000Z","aspect":"a","value":"eco","origin":"rule","#
            + #""extra":{"x":1,"y":"\u0041"}}"#,
        #"{"product":"p","device":"d","id":"3-7","type":"feature.used","time":"2026-01-01T00:00:00.000Z","aspect":"a","#
            + #""duration":5400.25,"count":3}"#,
        #"{"product":"p","device":"d","id":"3-8","type":"consent.given","time":"2026-01-01T00:00:00.000Z","#
            + #""value":"true","notice":"2026-01","method":"app","expiry":"2027-01-01T00:00:00.000Z"}"#,
        #"{"product":"p","device":"d","id":"3-9","type":"receipt","cause":"m4294967295","stage":"refused","#
            + #""evidence":"app","time":"2026-01-01T00:00:00.000Z","text":"the valve is open"}"#,
    ]

    @Test(.timeLimit(.minutes(1)), arguments: [Way.native, .udp]) func everyLineIsCarriedWhole(_ way: Way) async throws
    {
        let daemon = try await StubDaemon.start()
        let totals = try await send(Self.lines.joined(separator: "\n"), way.options(daemon))
        #expect(totals.acked == 4 && daemon.lines.isEmpty)
        let exported = daemon.exported.map { $0.replacing(#","arrival":"1970-01-01T00:00:00.000Z""#, with: "") }
        #expect(Set(exported) == Set(Self.lines))
        await daemon.stop()
    }
}
