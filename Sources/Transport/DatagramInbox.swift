// The datagrams of one read: memory that the system writes many of them into with one call, again and again.

import Events
import NIOCore

#if canImport(Glibc)
    import CDatagrams
    import Glibc
#endif

/// What has been read of a datagram socket and not been dealt with.
///
/// NIO would do it with as few calls, but makes an object, a text and a buffer's slice for each datagram: half a
/// microsecond, which is as much as the system takes to hand one over.
struct DatagramInbox {
    /// A datagram but for its bytes.
    struct Received: BitwiseCopyable {
        var address = DatagramAddress()
        fileprivate var control = DatagramControl()
        /// How many bytes it has, or the memory for it when it has more.
        var size = 0
        /// Which of our addresses was asked; nil when there is but one.
        var source: DatagramSource?
    }

    /// The memory of all.
    private(set) var bytes: [UInt8]
    private(set) var received: [Received]
    private(set) var count = 0

    /// One byte more than is accepted, so that a datagram which is too big can be told from one that fits.
    static let datagramBytes = Limits.datagramBytes + 1
    /// An odd number of cache lines, so that the beginnings of datagrams do not push each other out of the cache.
    private static let stride = ((datagramBytes + 63) / 64 | 1) * 64

    /// Whether `fill` reads what there is. Elsewhere everything comes by NIO.
    static var canFill: Bool {
        #if os(Linux)
            true
        #else
            false
        #endif
    }

    init() {
        bytes = [UInt8](repeating: 0, count: TransportLimits.datagramsPerRead * Self.stride)
        received = [Received](repeating: Received(), count: TransportLimits.datagramsPerRead)
    }

    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count == received.count }

    /// Where datagram n of so many bytes is.
    static func range(_ number: Int, _ size: Int) -> Range<Int> { number * stride..<number * stride + size }

    /// Adds one that NIO has read. There must be room.
    mutating func add(_ envelope: AddressedEnvelope<ByteBuffer>) {
        let size = min(envelope.data.readableBytes, Self.datagramBytes)
        let range = Self.range(count, size)
        // SAFETY: both pieces have `size` bytes, and are different memory.
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe envelope.data.withUnsafeReadableBytes { content in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[range]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: content[..<size]))
            }
        }
        received[count] = Received(
            address: DatagramAddress(envelope.remoteAddress), size: size,
            source: DatagramSource(envelope.metadata?.packetInfo))
        count += 1
    }

    /// Reads as many as there is room for, without waiting.
    ///
    /// - Returns: whether there may be more.
    mutating func fill(from socket: DatagramSocket) -> Bool {
        #if os(Linux)
            let (first, room) = (count, received.count - count)
            guard room > 0 else { return true }
            // SAFETY: each message points at the address, the control messages and the bytes of its own datagram; the
            // lengths are theirs, and the memory of both arrays stays where it is during the call.
            let read = unsafe bytes.withUnsafeMutableBytes { bytes in
                unsafe received.withUnsafeMutableBufferPointer { received in
                    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: room) { parts in
                        unsafe withUnsafeTemporaryAllocation(of: tidings_datagram.self, capacity: room) { messages in
                            for index in 0..<room {
                                let number = first + index
                                unsafe parts.initializeElement(
                                    at: index,
                                    to: iovec(
                                        iov_base: bytes.baseAddress.map { unsafe $0 + number * Self.stride },
                                        iov_len: Self.datagramBytes))
                                let slot = unsafe received.baseAddress.map { unsafe $0 + number }
                                var header = unsafe msghdr()
                                unsafe header.msg_name = UnsafeMutableRawPointer(slot?.pointer(to: \.address))
                                unsafe header.msg_namelen = socklen_t(DatagramAddress.capacity)
                                unsafe header.msg_iov = parts.baseAddress.map { unsafe $0 + index }
                                unsafe header.msg_iovlen = 1
                                unsafe header.msg_control = UnsafeMutableRawPointer(slot?.pointer(to: \.control))
                                unsafe header.msg_controllen = .init(DatagramControl.capacity)
                                unsafe messages.initializeElement(
                                    at: index, to: tidings_datagram(header: header, length: 0))
                            }
                            let flags = CInt(MSG_DONTWAIT)
                            let read = unsafe Int(
                                tidings_recvmmsg(
                                    socket.descriptor, messages.baseAddress, CUnsignedInt(room), flags, nil))
                            for index in 0..<max(read, 0) {
                                unsafe received[first + index].note(messages[index])
                            }
                            return read
                        }
                    }
                }
            }
            count += max(read, 0)
            return read == room
        #else
            return false
        #endif
    }

    /// Forgets everything, and keeps the memory.
    mutating func removeAll() { count = 0 }
}

#if os(Linux)
    extension DatagramInbox.Received {
        /// Takes over what the system says of it. It has written an address over an older one of the same family, so
        /// what is behind the address is still 0.
        fileprivate mutating func note(_ message: tidings_datagram) {
            // SAFETY: only numbers are read; what the message points at is not looked at.
            unsafe (size, address.length) = (Int(message.length), message.header.msg_namelen)
            unsafe control.count = min(Int(message.header.msg_controllen), DatagramControl.capacity)
            source = control.count == 0 ? nil : DatagramSource(control)
        }
    }
#endif
