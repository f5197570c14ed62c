// The datagram socket where NIO does not reach: many answers in one call, and errors that concern one answer only.

import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A bound datagram socket. NIO owns it and reads from it; this sends.
///
/// NIO closes a datagram socket at the first error of any send. A sender with an address that nothing can be sent to
/// (port 0, a network without a route) would end the service for everybody.
struct DatagramSocket: Sendable {
    let descriptor: CInt

    /// Opens a socket at an address; whoever gets it must close it.
    ///
    /// - Throws: `IOError`.
    static func open(at address: SocketAddress) throws -> DatagramSocket {
        #if canImport(Glibc)
            let kind = CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(CInt(address.protocol.rawValue), kind, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        // SAFETY: the address is used only during the call, and as long as it says.
        let status = unsafe address.withSockAddr { name, size in unsafe bind(descriptor, name, socklen_t(size)) }
        guard status == 0 else {
            let error = IOError(errnoCode: errno, reason: "bind")
            close(descriptor)
            throw error
        }
        return DatagramSocket(descriptor: descriptor)
    }

    /// Whether the kernel can cut what it is given into datagrams of one length (generic segmentation offload:
    /// UDP_SEGMENT, Linux 4.18).
    static var canSegment: Bool {
        #if os(Linux)
            true
        #else
            false
        #endif
    }

    /// Sends bytes to an address without waiting.
    ///
    /// - Parameters:
    ///   - segmentSize: the length of the datagrams that the kernel cuts the bytes into; 0 for one datagram.
    ///   - source: our address that they leave from; nil for the one that the system chooses. When it is none of ours,
    ///     be it that it is gone or that it was everybody's (a broadcast), the system chooses after all.
    func send(
        _ bytes: Span<UInt8>, segmentSize: Int, to address: SocketAddress, from source: NIOPacketInfo? = nil
    ) -> SendOutcome {
        var control = Control()
        control.segment(by: segmentSize)
        guard let source else { return send(bytes, to: address, &control) }
        var both = control
        both.setSource(source)
        let outcome = send(bytes, to: address, &both)
        if case .failed = outcome { return send(bytes, to: address, &control) }
        return outcome
    }

    private func send(_ bytes: Span<UInt8>, to address: SocketAddress, _ control: inout Control) -> SendOutcome {
        let flags = CInt(MSG_DONTWAIT)
        let controlBytes = control.count
        // SAFETY: the message points at the bytes, the address and the control messages, which all outlive the call and
        // are not written to; the lengths are theirs.
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            unsafe address.withSockAddr { name, size in
                var part = unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return unsafe withUnsafeMutablePointer(to: &part) { part in
                    unsafe withUnsafeMutableBytes(of: &control.words) { control in
                        var message = unsafe msghdr()
                        unsafe message.msg_name = UnsafeMutableRawPointer(mutating: name)
                        unsafe message.msg_namelen = socklen_t(size)
                        unsafe message.msg_iov = part
                        unsafe message.msg_iovlen = 1
                        if controlBytes > 0 {
                            unsafe message.msg_control = control.baseAddress
                            unsafe message.msg_controllen = .init(controlBytes)
                        }
                        return unsafe sendmsg(descriptor, &message, flags)
                    }
                }
            }
        }
        if sent >= 0 { return .sent }
        switch errno {
        case EAGAIN, ENOBUFS, ENOMEM, EINTR: return .full
        default: return .failed
        }
    }

    /// The control messages of one call: segmentation, and the address that the datagrams leave from.
    private struct Control {
        /// As many bytes as both can be long, aligned as the system wants them.
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        private(set) var count = 0

        mutating func segment(by size: Int) {
            guard size > 0 else { return }
            let (udpLevel, segmentOption): (CInt, CInt) = (17, 103)
            add(udpLevel, segmentOption, UInt16(truncatingIfNeeded: size))
        }

        mutating func setSource(_ source: NIOPacketInfo) {
            switch source.destinationAddress {
            case .v4(let peer):
                // SAFETY: `sockaddr_in` has 16 bytes; behind family and port, 4 of them are the address.
                let address = unsafe withUnsafeBytes(of: peer.address) {
                    unsafe $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
                }
                add(CInt(IPPROTO_IP), CInt(IP_PKTINFO), Source4(address: address))
            case .v6(let peer):
                // SAFETY: `sockaddr_in6` has 28 bytes; behind family, port and flow, 16 of them are the address.
                let (high, low) = unsafe withUnsafeBytes(of: peer.address) {
                    unsafe (
                        $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                        $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                    )
                }
                // An address that every interface may have (fe80::/10) means nothing without the one it came by.
                let isLinkLocal = UInt64(bigEndian: high) >> 54 == 0xfe80 >> 6
                let interface = isLinkLocal ? UInt32(truncatingIfNeeded: source.interfaceIndex) : 0
                add(CInt(IPPROTO_IPV6), ipv6PacketInfo, Source6(high: high, low: low, interface: interface))
            case .unixDomainSocket: break
            }
        }

        /// `struct in_pktinfo`, with the address in the order of the network.
        private struct Source4 {
            var interface: UInt32 = 0
            var address: UInt32
            var ignored: UInt32 = 0
        }

        /// `struct in6_pktinfo`, likewise.
        private struct Source6 {
            var high: UInt64
            var low: UInt64
            var interface: UInt32
        }

        private mutating func add<Content: BitwiseCopyable>(_ level: CInt, _ type: CInt, _ content: Content) {
            let aligned = MemoryLayout<cmsghdr>.alignment - 1
            let start = (MemoryLayout<cmsghdr>.size + aligned) & ~aligned
            var header = cmsghdr()
            header.cmsg_len = .init(start + MemoryLayout<Content>.size)
            header.cmsg_level = level
            header.cmsg_type = type
            let at = count
            // SAFETY: the words have room for both messages, 24 and 40 bytes; each is stored behind the one before.
            unsafe withUnsafeMutableBytes(of: &words) {
                unsafe $0.storeBytes(of: header, toByteOffset: at, as: cmsghdr.self)
                unsafe $0.storeBytes(of: content, toByteOffset: at + start, as: Content.self)
            }
            count += (start + MemoryLayout<Content>.size + aligned) & ~aligned
        }
    }
}

/// IPV6_PKTINFO, which some headers hide.
private var ipv6PacketInfo: CInt {
    #if os(Linux)
        50
    #else
        46
    #endif
}
