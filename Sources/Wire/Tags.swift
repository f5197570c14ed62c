// The tags of the messages that are read and written by hand (schemas/wire/v1/tidings.proto): a field's number, and
// how its value is written. One list for readers and writers.
import Bytes

/// The tags of `Batch`.
enum BatchTag {
    static let epoch: UInt64 = 1 << 3
    static let seq: UInt64 = 2 << 3
    static let time: UInt64 = 3 << 3
    static let define: UInt64 = 4 << 3 | WireType.bytes
    static let device: UInt64 = 5 << 3
    static let oldest: UInt64 = 6 << 3
    static let event: UInt64 = 7 << 3 | WireType.bytes
    static let age: UInt64 = 8 << 3
    static let catalogue: UInt64 = 9 << 3
}

/// The tags of `Event`.
enum EventTag {
    static let kind: UInt64 = 1 << 3
    static let distance: UInt64 = 2 << 3
    static let offset: UInt64 = 3 << 3
    static let aspect: UInt64 = 4 << 3
    static let whole: UInt64 = 5 << 3
    static let real: UInt64 = 6 << 3 | WireType.fixed32
    static let reference: UInt64 = 7 << 3
    static let text: UInt64 = 8 << 3 | WireType.bytes
    static let flag: UInt64 = 9 << 3
    static let severity: UInt64 = 10 << 3
    static let count: UInt64 = 11 << 3
    static let scale: UInt64 = 12 << 3
    static let unit: UInt64 = 13 << 3
    static let language: UInt64 = 14 << 3
    static let device: UInt64 = 15 << 3
    static let real64: UInt64 = 16 << 3 | WireType.fixed64
    static let subject: UInt64 = 17 << 3
    static let aspectName: UInt64 = 19 << 3 | WireType.bytes
    static let type: UInt64 = 20 << 3
    static let cause: UInt64 = 21 << 3 | WireType.bytes
    static let seq: UInt64 = 23 << 3
    static let epoch: UInt64 = 24 << 3
}

/// The tags of `Ack`.
enum AckTag {
    static let durable: UInt64 = 1 << 3
    static let ranges: UInt64 = 2 << 3 | WireType.bytes
    static let epoch: UInt64 = 3 << 3
    static let retryAfter: UInt64 = 4 << 3
    static let push: UInt64 = 6 << 3
    static let quarantined: UInt64 = 9 << 3
    static let stale: UInt64 = 10 << 3
}
