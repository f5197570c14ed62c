// An address without its port: by it, quotas tell senders apart.

/// An IPv4 address, or the first 64 bits of an IPv6 address: whoever has one address of such a network has them all.
///
/// Of a link-local address, whose first half is the same for everybody, it is the second half.
package struct SenderAddress: Hashable, Sendable, BitwiseCopyable {
    private var bits: UInt64
    private var family: UInt8
    package var isLoopback: Bool

    /// - Parameter ipv4: the most significant byte is the first one of the address.
    package init(ipv4: UInt32) {
        bits = UInt64(ipv4)
        family = 4
        isLoopback = ipv4 >> 24 == 127
    }

    /// An IPv4 address in the form `::ffff:a.b.c.d` is that IPv4 address.
    package init(ipv6 high: UInt64, _ low: UInt64) {
        if high == 0, low >> 32 == 0xffff {
            self = SenderAddress(ipv4: UInt32(truncatingIfNeeded: low))
            return
        }
        let isLinkLocal = high >> 54 == 0xfe80 >> 6
        bits = isLinkLocal ? low : high
        family = isLinkLocal ? 10 : 6
        isLoopback = high == 0 && low == 1
    }
}

extension SenderAddress: CustomStringConvertible {
    /// `192.0.2.7`; of an address of IPv6 what belongs to one household, as in `2001:db8:0:1::/64`.
    package var description: String {
        func group(_ shift: Int) -> String { String(bits >> UInt64(shift) & 0xffff, radix: 16) }
        switch family {
        case 4: return [24, 16, 8, 0].map { "\(bits >> UInt64($0) & 0xff)" }.joined(separator: ".")
        case 10: return "fe80::" + [48, 32, 16, 0].map(group).joined(separator: ":")
        default: return isLoopback ? "::1" : [48, 32, 16, 0].map(group).joined(separator: ":") + "::/64"
        }
    }
}
