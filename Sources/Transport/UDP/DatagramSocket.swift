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

    /// Whether the kernel cuts what it is given into datagrams of one length (UDP_SEGMENT).
    static var cuts: Bool {
        #if os(Linux)
            true
        #else
            false
        #endif
    }

    /// Sends bytes to an address without waiting.
    ///
    /// - Parameter piece: the length of the datagrams that the kernel cuts the bytes into; 0 for one datagram.
    func send(_ bytes: Span<UInt8>, piece: Int, to address: SocketAddress) -> SendOutcome {
        let flags = CInt(MSG_DONTWAIT)
        var cut = Cut(piece)
        // SAFETY: the message points at the bytes, the address and the control message, which all outlive the call and
        // are not written to; the lengths are theirs.
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            unsafe address.withSockAddr { name, size in
                var part = unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return unsafe withUnsafeMutablePointer(to: &part) { part in
                    unsafe withUnsafeMutableBytes(of: &cut) { cut in
                        var message = unsafe msghdr()
                        unsafe message.msg_name = UnsafeMutableRawPointer(mutating: name)
                        unsafe message.msg_namelen = socklen_t(size)
                        unsafe message.msg_iov = part
                        unsafe message.msg_iovlen = 1
                        if piece > 0 {
                            unsafe message.msg_control = cut.baseAddress
                            unsafe message.msg_controllen = .init(cut.count)
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

    /// The control message that has a run cut.
    private struct Cut {
        private var header = cmsghdr()
        private var piece: UInt16
        /// To the end of the header's alignment.
        private var padding: (UInt16, UInt32) = (0, 0)

        init(_ piece: Int) {
            self.piece = UInt16(truncatingIfNeeded: piece)
            let (udpLevel, segmentOption): (CInt, CInt) = (17, 103)
            header.cmsg_len = .init(MemoryLayout<cmsghdr>.size + MemoryLayout<UInt16>.size)
            header.cmsg_level = udpLevel
            header.cmsg_type = segmentOption
        }
    }
}
