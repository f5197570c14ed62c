// Handshakes that come to nothing are told once a minute, each reason with what helps.

import Daemon
import Testing
import Transport

@Suite struct HandshakeWatchTests {
    @Test func eachReasonIsToldWithItsRemedyOnceAMinute() {
        var (watch, counts) = (HandshakeWatch(), TLSCounts())
        let start = ContinuousClock.now
        let none = watch.failures(counts, at: start)
        counts.failed = [.plainText: 2, .noClientCertificate: 1]
        let first = watch.failures(counts, at: start) ?? [:]
        #expect(none == nil)
        #expect(first.keys.sorted() == ["no_client_certificate", "plain_text"])
        #expect(first["plain_text"]?.hasPrefix("2: the client must speak TLS") == true)
        counts.failed[.plainText] = 5
        let told = [59, 60, 120].map { watch.failures(counts, at: start + .seconds($0)) }
        #expect(told[0] == nil && told[1]?.keys.sorted() == ["plain_text"] && told[2] == nil)
    }
}
