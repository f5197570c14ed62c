// Where a datagram came from and where it was sent to, in plain bytes: nothing is allocated or counted for it.

package import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system's `sockaddr_in` or `sockaddr_in6`, as it is. The system may write one over it and read one out of it.
///
/// NIO's `SocketAddress` is an object, and holds its own text besides.
package struct DatagramAddress: Hashable, Sendable, BitwiseCopyable {
    /// The bytes of the struct in their order; those behind its end are 0.
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var fourth: UInt32 = 0
    /// How many bytes it has.
    package var length: UInt32 = 0

    /// What the longer of the two structs has, bytes.
    package static let capacity = 28

    package init() {}

    package init(_ address: SocketAddress) {
        // SAFETY: the address is read during the call only, and no further than it is long; there is room for it.
        let count = unsafe address.withSockAddr { name, size in
            let count = min(size, Self.capacity)
            unsafe withUnsafeMutableBytes(of: &self) {
                unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: name, count: count))
            }
            return count
        }
        length = UInt32(count)
    }

    fileprivate var isIPv6: Bool { length >= Self.capacity }
    /// Bytes 4 to 7, behind family and port: the address of version 4.
    fileprivate var address4: UInt32 { UInt32(truncatingIfNeeded: UInt64(bigEndian: first)) }
    /// Bytes 8 to 23, behind family, port and flow: the address of version 6.
    fileprivate var address6: (high: UInt64, low: UInt64) { (UInt64(bigEndian: second), UInt64(bigEndian: third)) }
}

extension InternetAddress {
    package init(_ address: DatagramAddress) {
        (high, low) = address.isIPv6 ? address.address6 : (0, 0xffff << 32 | UInt64(address.address4))
    }
}

/// Which of our addresses a datagram was sent to. A peer takes no answer from another one.
package struct DatagramSource: Hashable, Sendable, BitwiseCopyable {
    package let isIPv6: Bool
    /// In the order of the network, as the system has them; one of version 4 is the first 4 bytes of `low`.
    let high: UInt64
    let low: UInt64
    /// An address that every interface may have (fe80::/10) means nothing without the one it came by; else 0.
    let interface: UInt32

    private init(address4: UInt32) {
        (isIPv6, high, low, interface) = (false, 0, UInt64(address4), 0)
    }

    private init(high: UInt64, low: UInt64, interface: UInt32) {
        let isLinkLocal = UInt64(bigEndian: high) >> 54 == 0xfe80 >> 6
        (isIPv6, self.high, self.low) = (true, high, low)
        self.interface = isLinkLocal ? interface : 0
    }

    /// Nil for what is no internet address.
    package init?(_ info: NIOPacketInfo?) {
        guard let info, let address = InternetAddress(info.destinationAddress) else { return nil }
        if case .v4 = info.destinationAddress {
            self.init(address4: UInt32(truncatingIfNeeded: address.low).bigEndian)
        } else {
            self.init(
                high: address.high.bigEndian, low: address.low.bigEndian,
                interface: UInt32(truncatingIfNeeded: info.interfaceIndex))
        }
    }

    /// - Parameter control: what the system tells of a datagram. Nil when it is not this.
    init?(_ control: DatagramControl) {
        let header = control.header
        switch (header.cmsg_level, header.cmsg_type) {
        case (CInt(IPPROTO_IP), CInt(IP_PKTINFO)):
            guard let content = control.content(Source4.self) else { return nil }
            self.init(address4: content.address)
        case (CInt(IPPROTO_IPV6), ipv6PacketInfo):
            guard let content = control.content(Source6.self) else { return nil }
            self.init(high: content.high, low: content.low, interface: content.interface)
        default: return nil
        }
    }
}

/// Control messages: what a call is told beside the bytes of a datagram, or tells.
struct DatagramControl: BitwiseCopyable {
    /// As many bytes as segmentation and a source can be long together, 24 and 40, aligned as the system wants them.
    private var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    /// How many bytes there are.
    var count = 0

    static let capacity = 8 * MemoryLayout<UInt64>.size
    /// Where the content of a message begins.
    private static let headerBytes = aligned(MemoryLayout<cmsghdr>.size)

    /// The datagrams are to be cut to this length; 0 when they are not to be cut.
    mutating func segment(by size: Int) {
        guard size > 0 else { return }
        let (udpLevel, segmentOption): (CInt, CInt) = (17, 103)
        add(udpLevel, segmentOption, UInt16(truncatingIfNeeded: size))
    }

    mutating func setSource(_ source: DatagramSource) {
        if source.isIPv6 {
            let content = Source6(high: source.high, low: source.low, interface: source.interface)
            add(CInt(IPPROTO_IPV6), ipv6PacketInfo, content)
        } else {
            add(CInt(IPPROTO_IP), CInt(IP_PKTINFO), Source4(address: UInt32(truncatingIfNeeded: source.low)))
        }
    }

    /// The header of the first message; of nothing when there is none.
    fileprivate var header: cmsghdr {
        guard count >= Self.headerBytes else { return cmsghdr() }
        // SAFETY: there are so many bytes.
        return unsafe withUnsafeBytes(of: words) { unsafe $0.loadUnaligned(as: cmsghdr.self) }
    }

    /// The content of the first message; nil when there is less.
    fileprivate func content<Content: BitwiseCopyable>(_ type: Content.Type) -> Content? {
        let start = Self.headerBytes
        guard count <= Self.capacity, start + MemoryLayout<Content>.size <= count else { return nil }
        // SAFETY: there are so many bytes.
        return unsafe withUnsafeBytes(of: words) { unsafe $0.loadUnaligned(fromByteOffset: start, as: type) }
    }

    private mutating func add<Content: BitwiseCopyable>(_ level: CInt, _ type: CInt, _ content: Content) {
        var header = cmsghdr()
        header.cmsg_len = .init(Self.headerBytes + MemoryLayout<Content>.size)
        header.cmsg_level = level
        header.cmsg_type = type
        let at = count
        // SAFETY: the words have room for both messages; each is stored behind the one before.
        unsafe withUnsafeMutableBytes(of: &words) {
            unsafe $0.storeBytes(of: header, toByteOffset: at, as: cmsghdr.self)
            unsafe $0.storeBytes(of: content, toByteOffset: at + Self.headerBytes, as: Content.self)
        }
        count += Self.aligned(Self.headerBytes + MemoryLayout<Content>.size)
    }

    private static func aligned(_ size: Int) -> Int {
        let mask = MemoryLayout<cmsghdr>.alignment - 1
        return (size + mask) & ~mask
    }
}

/// `struct in_pktinfo`, with the address in the order of the network.
private struct Source4: BitwiseCopyable {
    var interface: UInt32 = 0
    /// Asked for when something is sent.
    var local: UInt32 = 0
    /// Told when something was received.
    var address: UInt32 = 0

    init(address: UInt32) { local = address }
}

/// `struct in6_pktinfo`, likewise.
private struct Source6: BitwiseCopyable {
    var high: UInt64
    var low: UInt64
    var interface: UInt32
}

/// IPV6_PKTINFO, which some headers hide.
private var ipv6PacketInfo: CInt {
    #if os(Linux)
        50
    #else
        46
    #endif
}
