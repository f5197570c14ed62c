// Addresses are written so that they can be typed back.

import Testing
import Wire

@Suite struct HostAndPortTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:7411"), ("::1", "[::1]:7411"), ("2001:db8::1", "[2001:db8::1]:7411"),
        ("localhost", "localhost:7411"),
    ])
    func anAddressOfSixHasBrackets(_ host: String, _ written: String) {
        #expect(hostAndPort(host, 7_411) == written)
    }
}
