// Requests on the control socket: whole lines in any pieces, and nothing else.

import Daemon
import Testing

@Suite struct ControlRequestTests {
    private static let status = Array(#"{"command":"status"}"#.utf8) + [0x0a]

    @Test(arguments: [1, 2, 7, 100]) func requestsComeInAnyPieces(size: Int) throws {
        let bytes = Self.status + Self.status
        var requests = ControlRequests()
        var found: [ControlRequest.Command] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            found += try requests.take(bytes[start..<min(start + size, bytes.count)]).map(\.command)
        }
        #expect(found == [.status, .status])
    }

    @Test(
        arguments: [
            "\n", "{}\n", "status\n", #"{"command":"stop"}"# + "\n", String(repeating: "[", count: 1_100_000),
        ])
    func anythingElseIsRefused(_ text: String) {
        var requests = ControlRequests()
        #expect(throws: (any Error).self) { try requests.take(text.utf8) }
    }
}
