// The few primitives of Protobuf that are read and written by hand: tags, fields, and the skipping of unknown ones.

/// How the value of a field is written: the three lowest bits of its tag.
package enum WireType {
    @inlinable @inline(__always) package static var varint: UInt64 { 0 }
    @inlinable @inline(__always) package static var fixed64: UInt64 { 1 }
    /// A length, and so many bytes.
    @inlinable @inline(__always) package static var bytes: UInt64 { 2 }
    @inlinable @inline(__always) package static var fixed32: UInt64 { 5 }
}

/// A field that was read: its number, and either its value or where its bytes stand.
package struct ProtobufField {
    package var number: Int
    /// Of a varint.
    package var varint: UInt64 = 0
    /// Of a length-delimited field; otherwise empty.
    package var range = 0..<0
}

extension Span where Element == UInt8 {
    /// Reads a field, and moves `at` behind it; nil when there is none that ends before `end`.
    package func protobufField(_ at: inout Int, end: Int) -> ProtobufField? {
        guard let tag = varint(&at, end: end) else { return nil }
        return protobufField(tag: tag, &at, end: end)
    }

    /// Reads the field whose tag is read. Fields of fixed size are stepped over, as their values are not looked at.
    ///
    /// Groups (wire types 3 and 4), wire types 6 and 7, the field number 0 and those of 2^29 and more are malformed.
    package func protobufField(tag: UInt64, _ at: inout Int, end: Int) -> ProtobufField? {
        guard tag >> 3 != 0, tag >> 32 == 0 else { return nil }
        var field = ProtobufField(number: Int(tag >> 3))
        switch tag & 7 {
        case WireType.varint:
            guard let value = varint(&at, end: end) else { return nil }
            field.varint = value
        case WireType.fixed64: at += 8
        case WireType.bytes:
            guard let start = lengthDelimited(&at, end: end) else { return nil }
            field.range = start..<at
        case WireType.fixed32: at += 4
        default: return nil
        }
        return at <= end ? field : nil
    }

    /// Reads the length of a length-delimited field and moves `at` behind the field; returns where its bytes start.
    @inlinable @inline(__always)
    package func lengthDelimited(_ at: inout Int, end: Int) -> Int? {
        guard let length = varint(&at, end: end), length <= UInt64(end &- at) else { return nil }
        let start = at
        at &+= Int(length)
        return start
    }
}

/// Appends a varint field; nothing when it is 0, as proto3 has it.
@inlinable @inline(__always)
package func appendField(_ tag: UInt64, _ value: UInt64, to bytes: inout [UInt8]) {
    guard value != 0 else { return }
    appendVarint(tag, to: &bytes)
    appendVarint(value, to: &bytes)
}

/// Appends the tag and the length of a length-delimited field, whose bytes the caller appends.
@inlinable @inline(__always)
package func appendHeader(_ tag: UInt64, count: Int, to bytes: inout [UInt8]) {
    appendVarint(tag, to: &bytes)
    appendVarint(UInt64(count), to: &bytes)
}
