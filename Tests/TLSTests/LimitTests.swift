// That the room's limits are sane.

import TLS
import Testing

@Suite struct LimitTests {
    @Test func aHandshakeGivesWayBeforeItsDeadline() {
        #expect(TLSLimits.givesWaySeconds < TLSLimits.handshakeSeconds)
    }
}
