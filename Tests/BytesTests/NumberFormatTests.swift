// Varints, zigzag, numbers of fixed width and Protobuf fields: what is written is read back, and nothing else.

import Bytes
import Testing
import TidingsTesting

private func varint(_ bytes: [UInt8], end: Int? = nil) -> (value: UInt64, count: Int)? {
    var at = 0
    return bytes.span.varint(&at, end: end ?? bytes.count).map { ($0, at) }
}

@Suite struct VarintTests {
    @Test func everyLengthIsReadBack() {
        var generator = SeededGenerator(seed: 1)
        for bits in 0...64 {
            for number in [UInt64.max, generator.next(), 0] {
                let value = bits == 0 ? 0 : number >> UInt64(64 - bits)
                var bytes: [UInt8] = []
                appendVarint(value, to: &bytes)
                let read = varint(bytes + [0xff])
                #expect(read?.value == value && read?.count == bytes.count)
                #expect(varintBytes(value) == bytes.count, "\(value)")
                for cut in bytes.indices { #expect(varint(bytes, end: cut) == nil) }
                let other = [UInt8](capacity: 10) { $0.appendVarint(value) }
                #expect(other == bytes)
            }
        }
    }

    @Test func bitsAboveThe64thAreDroppedAndElevenBytesAreNone() {
        let ten = [UInt8](repeating: 0x80, count: 9)
        #expect(varint(ten + [0x7f])?.value == 1 << 63)
        #expect(varint(ten + [0x80, 0]) == nil)
        #expect(varint([0x80, 0])?.value == 0)
    }

    @Test(arguments: [(0, 0), (-1, 1), (1, 2), (-2, 3), (.max, .max - 1), (.min, .max)] as [(Int64, UInt64)])
    func zigzagMakesSmallNumbersShort(number: Int64, expected: UInt64) {
        #expect(zigzag(number) == expected)
        #expect(unzigzag(expected) == number)
    }
}

@Suite struct FixedWidthTests {
    @Test func bothOrdersAreReadBack() {
        for size in 1...8 {
            let value = 0x0102_0304_0506_0708 & (UInt64.max >> UInt64(64 - 8 * size))
            var bytes: [UInt8] = [9]
            appendLittleEndian(value, size: size, to: &bytes)
            #expect(bytes == [9] + [8, 7, 6, 5, 4, 3, 2, 1].prefix(size))
            let read = bytes.span.littleEndian(at: 1, size: size)
            #expect(read == value)
        }
        var bytes: [UInt8] = [9]
        appendBigEndian(0x0102_0304, to: &bytes)
        #expect(bytes == [9, 1, 2, 3, 4])
        let read = bytes.span.bigEndian32(at: 1)
        #expect(read == 0x0102_0304)
    }
}

@Suite struct ProtobufTests {
    /// Number, varint and bytes of each field; nil when the message is malformed.
    private func fields(_ bytes: [UInt8]) -> [String]? {
        var fields: [String] = []
        var at = 0
        while at < bytes.count {
            guard let field = bytes.span.protobufField(&at, end: bytes.count) else { return nil }
            fields.append("\(field.number) \(field.varint) \(bytes[field.range])")
        }
        return fields
    }

    @Test func fieldsAreReadBack() {
        var bytes: [UInt8] = []
        appendField(1 << 3, 300, to: &bytes)
        appendField(2 << 3, 0, to: &bytes)
        appendHeader(3 << 3 | WireType.bytes, count: 2, to: &bytes)
        bytes += [7, 8]
        appendVarint(4 << 3 | WireType.fixed64, to: &bytes)
        appendLittleEndian(1, size: 8, to: &bytes)
        appendVarint(536_870_911 << 3 | WireType.fixed32, to: &bytes)
        appendLittleEndian(1, size: 4, to: &bytes)
        #expect(fields(bytes) == ["1 300 []", "3 0 [7, 8]", "4 0 []", "536870911 0 []"])
        for cut in [1, 2, 4, 5, 6, 8, 15, 17, 24] { #expect(fields(Array(bytes[..<cut])) == nil, "\(cut)") }
    }

    @Test(arguments: [[0x00, 1], [0x0b], [0x0c], [0x0e], [0x0f], [0x80, 0x80, 0x80, 0x80, 0x10, 1]] as [[UInt8]])
    func whatIsNoFieldIsMalformed(bytes: [UInt8]) { #expect(fields(bytes) == nil) }
}
