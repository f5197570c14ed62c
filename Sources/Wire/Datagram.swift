// UDP: one self-contained body behind a header of 14 bytes and before a trailer of 8.
import Bytes
package import Events

/// The header of a datagram, and where its body stands.
///
/// On the wire: 0xc1, type and flags, then key id, epoch and counter as four bytes each, the highest first.
package struct DatagramHeader: Hashable, Sendable, BitwiseCopyable {
    package var type: FrameType
    package var flags: FrameFlags
    /// The key that signed the datagram; 0 without one: the trailer is then CRC-32 (little-endian) and four zeros.
    package var keyID: UInt32
    /// The sender's reset counter.
    package var epoch: UInt32
    /// Counts the sender's datagrams; an ack carries the counter of the datagram that it answers.
    package var counter: UInt32

    package init(type: FrameType, flags: FrameFlags = [], keyID: UInt32 = 0, epoch: UInt32 = 0, counter: UInt32 = 0) {
        self.type = type
        self.flags = flags
        self.keyID = keyID
        self.epoch = epoch
        self.counter = counter
    }

    /// The first byte of every native datagram.
    package static let magic: UInt8 = 0xc1
    package static let headerBytes = 14
    package static let trailerBytes = 8

    /// Where the body stands in a datagram of `count` bytes that `read` took.
    package static func body(count: Int) -> Range<Int> { headerBytes..<(count - trailerBytes) }

    /// Whether the trailer is a signature, which who has the key is to check before anything is believed.
    package var isSigned: Bool { keyID != 0 }

    /// Reads a whole datagram, and checks its trailer if that is no signature.
    ///
    /// - Throws: `.badMagic`, `.tooBig` (over `Limits.datagramBytes`), `.truncated` (shorter than header and trailer),
    ///   `.malformedFrame` (type or flags), `.badChecksum`.
    package static func read(_ bytes: Span<UInt8>) throws(Refusal) -> DatagramHeader {
        guard bytes.count > 0, bytes[0] == magic else { throw .badMagic }
        guard bytes.count <= Limits.datagramBytes else { throw .tooBig }
        guard bytes.count >= headerBytes + trailerBytes else { throw .truncated }
        let (type, flags) = try readFrameStart(bytes[1])
        let header = DatagramHeader(
            type: type, flags: flags, keyID: bytes.bigEndian32(at: 2), epoch: bytes.bigEndian32(at: 6),
            counter: bytes.bigEndian32(at: 10))
        if header.isSigned { return header }
        let end = bytes.count - trailerBytes
        let trailer = bytes.littleEndian(at: end, size: trailerBytes)
        guard trailer == UInt64(crc32(bytes.extracting(0..<end))) else { throw .badChecksum }
        return header
    }

    /// Puts another epoch into a whole datagram, whose trailer is then wrong.
    package static func replaceEpoch(in datagram: inout [UInt8], with epoch: UInt32) {
        var word: [UInt8] = []
        appendBigEndian(epoch, to: &word)
        datagram.replaceSubrange(6..<10, with: word)
    }

    /// Appends a whole datagram: this header, `body` as it is, and the trailer, in whose place a `DatagramSigner` has
    /// to put its signature where there is a key id.
    package func write(body: Span<UInt8>, into output: inout [UInt8]) {
        let start = begin(&output)
        output.append(copying: body)
        end(&output, from: start)
    }

    /// The same with an ack as its body, for which no array is made.
    package func write(_ ack: Ack, into output: inout [UInt8]) {
        let start = begin(&output)
        ack.write(into: &output)
        end(&output, from: start)
    }

    private func begin(_ output: inout [UInt8]) -> Int {
        let start = output.count
        output.append(Self.magic)
        output.append(type.rawValue | flags.rawValue << 4)
        appendBigEndian(keyID, to: &output)
        appendBigEndian(epoch, to: &output)
        appendBigEndian(counter, to: &output)
        return start
    }

    private func end(_ output: inout [UInt8], from start: Int) {
        let sum = crc32(output.span.extracting(start..<output.count))
        appendLittleEndian(UInt64(sum), size: Self.trailerBytes, to: &output)
    }
}
