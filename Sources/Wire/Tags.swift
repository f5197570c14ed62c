// The tags of the messages that are read and written by hand (schemas/wire/v1/tidings.proto): a field's number, and
// how its value is written. One list for readers and writers. Computed, so that they are constants in the code: a
// `static let` whose value takes another module to know would be made on first use, and asked for at every use.
import Bytes

/// The tags of `Batch`.
enum BatchTag {
    static var epoch: UInt64 { 1 << 3 }
    static var seq: UInt64 { 2 << 3 }
    static var time: UInt64 { 3 << 3 }
    static var define: UInt64 { 4 << 3 | WireType.bytes }
    static var device: UInt64 { 5 << 3 }
    static var oldest: UInt64 { 6 << 3 }
    static var event: UInt64 { 7 << 3 | WireType.bytes }
    static var age: UInt64 { 8 << 3 }
    static var catalogue: UInt64 { 9 << 3 }
    static var received: UInt64 { 10 << 3 | WireType.bytes }
    static var padding: UInt64 { 11 << 3 | WireType.bytes }
}

/// The tags of `Event`.
enum EventTag {
    static var kind: UInt64 { 1 << 3 }
    static var distance: UInt64 { 2 << 3 }
    static var offset: UInt64 { 3 << 3 }
    static var aspect: UInt64 { 4 << 3 }
    static var whole: UInt64 { 5 << 3 }
    static var real: UInt64 { 6 << 3 | WireType.fixed32 }
    static var reference: UInt64 { 7 << 3 }
    static var text: UInt64 { 8 << 3 | WireType.bytes }
    static var flag: UInt64 { 9 << 3 }
    static var severity: UInt64 { 10 << 3 }
    static var count: UInt64 { 11 << 3 }
    static var scale: UInt64 { 12 << 3 }
    static var unit: UInt64 { 13 << 3 }
    static var language: UInt64 { 14 << 3 }
    static var device: UInt64 { 15 << 3 }
    static var real64: UInt64 { 16 << 3 | WireType.fixed64 }
    static var subject: UInt64 { 17 << 3 }
    static var data: UInt64 { 18 << 3 | WireType.bytes }
    static var aspectName: UInt64 { 19 << 3 | WireType.bytes }
    static var type: UInt64 { 20 << 3 }
    static var cause: UInt64 { 21 << 3 | WireType.bytes }
    static var seq: UInt64 { 23 << 3 }
    static var epoch: UInt64 { 24 << 3 }
    static var id: UInt64 { 25 << 3 | WireType.bytes }
    static var origin: UInt64 { 26 << 3 }
    static var extra: UInt64 { 27 << 3 | WireType.bytes }
    static var notice: UInt64 { 28 << 3 }
    static var method: UInt64 { 29 << 3 }
    static var expiry: UInt64 { 30 << 3 }
}

/// The tags of `Ack`.
enum AckTag {
    static var durable: UInt64 { 1 << 3 }
    static var ranges: UInt64 { 2 << 3 | WireType.bytes }
    static var epoch: UInt64 { 3 << 3 }
    static var retryAfter: UInt64 { 4 << 3 }
    static var push: UInt64 { 6 << 3 }
    static var received: UInt64 { 7 << 3 | WireType.bytes }
    static var pending: UInt64 { 8 << 3 }
    static var quarantined: UInt64 { 9 << 3 }
    static var stale: UInt64 { 10 << 3 }
}
