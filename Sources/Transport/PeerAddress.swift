// The address of a peer, out of the structs of the system, and ranges of such addresses.

package import Admission
package import NIOCore

/// An address of the internet, of either version: `a.b.c.d` is `::ffff:a.b.c.d`.
package struct InternetAddress: Hashable, Sendable, BitwiseCopyable {
    /// The most significant byte is the first one of the address.
    package var high: UInt64
    package var low: UInt64

    /// Nil for what is no internet address.
    package init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let peer):
            // SAFETY: `sockaddr_in` has 16 bytes; behind family and port, 4 of them are the address. The pointer is
            // used only during the call.
            let bits = unsafe withUnsafeBytes(of: peer.address) {
                unsafe $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            }
            (high, low) = (0, 0xffff << 32 | UInt64(UInt32(bigEndian: bits)))
        case .v6(let peer):
            // SAFETY: `sockaddr_in6` has 28 bytes; behind family, port and flow, 16 of them are the address. The
            // pointer is used only during the call.
            let bits = unsafe withUnsafeBytes(of: peer.address) {
                unsafe (
                    $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                )
            }
            (high, low) = (UInt64(bigEndian: bits.0), UInt64(bigEndian: bits.1))
        case .unixDomainSocket, nil: return nil
        }
    }

    /// - Parameter text: an address alone, without brackets or a port.
    package init?(_ text: String) {
        guard !text.utf8.contains(UInt8(ascii: "%")) else { return nil }
        self.init(try? SocketAddress(ipAddress: text, port: 0))
    }

    fileprivate var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }
}

/// All addresses that begin alike: `192.0.2.0/24`, `2001:db8::/32`, or one address.
package struct AddressRange: Hashable, Sendable {
    private var address: InternetAddress
    /// So many of its 128 bits count.
    private var length: Int

    /// - Returns: nil for what is neither an address nor a range of them, or a range with bits behind its end.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = InternetAddress(String(parts[0])) else { return nil }
        let bits = address.isIPv4 && !parts[0].utf8.contains(UInt8(ascii: ":")) ? 32 : 128
        var length = bits
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...bits).contains(given), parts[1].utf8.first != UInt8(ascii: "+") else {
                return nil
            }
            length = given
        }
        (self.address, self.length) = (address, 128 - bits + length)
        guard address.high & ~masks.high == 0, address.low & ~masks.low == 0 else { return nil }
    }

    private var masks: (high: UInt64, low: UInt64) {
        (length == 0 ? 0 : .max << UInt64(max(0, 64 - length)), length <= 64 ? 0 : .max << UInt64(128 - length))
    }

    package func contains(_ other: InternetAddress) -> Bool {
        (address.high ^ other.high) & masks.high == 0 && (address.low ^ other.low) & masks.low == 0
    }
}

extension SenderAddress {
    /// Nil for what is no internet address.
    package init?(_ address: SocketAddress?) {
        guard let address = InternetAddress(address) else { return nil }
        self.init(address)
    }

    package init(_ address: InternetAddress) { self.init(ipv6: address.high, address.low) }
}
