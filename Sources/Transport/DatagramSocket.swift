// The datagram socket where NIO does not reach: many answers in one call, and errors that concern one answer only.

import NIOCore

#if canImport(Glibc)
    import CDatagrams
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A bound datagram socket. NIO owns it and says when there is something to read; this sends.
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

    /// Sends the first of some runs, as many as the kernel takes, without waiting. A run that is more than one answer
    /// is cut apart by the kernel.
    ///
    /// When the source of one is none of our addresses, be it that it is gone or that it was everybody's (a broadcast),
    /// the system chooses after all.
    func send(_ bytes: Span<UInt8>, _ runs: Span<DatagramOutbox.Run>) -> SendOutcome {
        let outcome = send(bytes, runs, keepsSource: true)
        guard case .failed = outcome, runs[0].source != nil else { return outcome }
        return send(bytes, runs.extracting(0..<1), keepsSource: false)
    }

    private func send(_ bytes: Span<UInt8>, _ runs: Span<DatagramOutbox.Run>, keepsSource: Bool) -> SendOutcome {
        let count = runs.count
        // SAFETY: each message points at the bytes of its run and at an address and control messages of its own, which
        // all outlive the call and are not written to; the lengths are theirs.
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            unsafe runs.withUnsafeBufferPointer { runs in
                unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { parts in
                    unsafe withUnsafeTemporaryAllocation(of: Envelope.self, capacity: count) { envelopes in
                        unsafe withUnsafeTemporaryAllocation(of: Message.self, capacity: count) { messages in
                            for index in 0..<count {
                                let run = unsafe runs[index]
                                let start = unsafe UnsafeMutableRawPointer(
                                    mutating: bytes.baseAddress.map { unsafe $0 + run.start })
                                unsafe parts.initializeElement(
                                    at: index, to: iovec(iov_base: start, iov_len: run.count))
                                unsafe envelopes.initializeElement(
                                    at: index, to: Envelope(run, keepsSource: keepsSource))
                                unsafe messages.initializeElement(
                                    at: index, to: Self.message(index, of: parts, in: envelopes))
                            }
                            return unsafe hand(over: messages)
                        }
                    }
                }
            }
        }
        if sent > 0 { return .sent(sent) }
        switch errno {
        case EAGAIN, ENOBUFS, ENOMEM, EINTR: return .full
        default: return .failed
        }
    }

    /// What a message says beside its bytes.
    private struct Envelope: BitwiseCopyable {
        var address: DatagramAddress
        var control = DatagramControl()

        init(_ run: DatagramOutbox.Run, keepsSource: Bool) {
            address = run.address
            if !run.isSingle { control.segment(by: run.segmentSize) }
            if keepsSource, let source = run.source { control.setSource(source) }
        }
    }

    private static func message(
        _ index: Int, of parts: UnsafeMutableBufferPointer<iovec>, in envelopes: UnsafeMutableBufferPointer<Envelope>
    ) -> Message {
        var header = unsafe msghdr()
        // SAFETY: both arrays have an element of that number, and live as long as the message is used.
        unsafe header.msg_iov = parts.baseAddress.map { unsafe $0 + index }
        unsafe header.msg_iovlen = 1
        let envelope = unsafe envelopes.baseAddress.map { unsafe $0 + index }
        unsafe header.msg_name = UnsafeMutableRawPointer(envelope?.pointer(to: \.address))
        unsafe header.msg_namelen = socklen_t(envelopes[index].address.length)
        let controlBytes = unsafe envelopes[index].control.count
        if controlBytes > 0 {
            unsafe header.msg_control = UnsafeMutableRawPointer(envelope?.pointer(to: \.control))
            unsafe header.msg_controllen = .init(controlBytes)
        }
        return unsafe Message(header: header, length: 0)
    }

    #if os(Linux)
        private typealias Message = tidings_datagram

        /// - Returns: how many messages the kernel took; when that is none, `errno` says why not.
        private func hand(over messages: UnsafeMutableBufferPointer<Message>) -> Int {
            // SAFETY: so many messages there are.
            unsafe Int(
                tidings_sendmmsg(
                    descriptor, messages.baseAddress, CUnsignedInt(messages.count), CInt(MSG_DONTWAIT)))
        }
    #else
        private struct Message {
            var header: msghdr
            var length: UInt32
        }

        /// The same, one by one.
        private func hand(over messages: UnsafeMutableBufferPointer<Message>) -> Int {
            // SAFETY: each message is used during its call only.
            unsafe messages.indices.first { index in
                unsafe sendmsg(descriptor, &messages[index].header, CInt(MSG_DONTWAIT)) < 0
            } ?? messages.count
        }
    #endif
}
