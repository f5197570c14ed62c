// What the daemon finds out for its status: the disk, who can reach it, and whether the summaries are written.

import Daemon
import Events
import NIOCore
import Testing

@Suite struct StatusTests {
    @Test func theDiskLastsAsLongAsTheLogGrows() {
        #expect(hoursLeft(free: 3_600_000_000, grown: 60_000_000, seconds: 60) == 1)
        #expect(hoursLeft(free: 3_600_000_000, grown: 60_000_000, seconds: 59) == nil)
        #expect(hoursLeft(free: 3_600_000_000, grown: 0, seconds: 600) == nil)
        #expect(hoursLeft(free: 3_600_000_000, grown: -5, seconds: 600) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("0.0.0.0", false),
        ("::", false), ("192.0.2.1", false), ("2001:db8::1", false),
    ])
    func onlyTheMachineItselfReachesLoopback(_ host: String, _ isLocal: Bool) throws {
        #expect(isLoopback(try SocketAddress(ipAddress: host, port: 7411)) == isLocal)
    }

    @Test func aFailureOfTheSummariesEndsWhenTheyAreWritten() {
        let health = ProjectionHealth()
        #expect(health.isGood && health.line == "good")
        health.failed("no room", at: Offset(rawValue: 500))
        #expect(health.line == "no room")
        #expect(!health.worked(Offset(rawValue: 0)), "nothing was due, so nothing was tried")
        #expect(health.line == "no room")
        #expect(health.worked(Offset(rawValue: 500)))
        #expect(health.line == "good")
        #expect(!health.worked(Offset(rawValue: 600)), "said once")
    }
}
