// The address of a peer, out of the structs of the system.

package import Admission
package import NIOCore

extension SenderAddress {
    /// Nil for what is no internet address.
    package init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let peer):
            // SAFETY: `sockaddr_in` has 16 bytes; behind family and port, 4 of them are the address. The pointer is
            // used only during the call.
            let bits = unsafe withUnsafeBytes(of: peer.address) {
                unsafe $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            }
            self.init(ipv4: UInt32(bigEndian: bits))
        case .v6(let peer):
            // SAFETY: `sockaddr_in6` has 28 bytes; behind family, port and flow, 16 of them are the address. The
            // pointer is used only during the call.
            let (high, low) = unsafe withUnsafeBytes(of: peer.address) {
                unsafe (
                    $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                )
            }
            self.init(ipv6: UInt64(bigEndian: high), UInt64(bigEndian: low))
        case .unixDomainSocket, nil: return nil
        }
    }
}
