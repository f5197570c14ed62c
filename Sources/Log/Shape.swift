// A shape: the small fields of an event and which columns it uses, shared by all events of a block that look alike.

import Bytes
import Events

/// The bits of `Shape.fields` in schemas/log/v1/block.proto.
enum Fields {
    static let customer: UInt64 = 1 << 0
    static let otherCustomer: UInt64 = 1 << 1
    static let product: UInt64 = 1 << 2
    static let epoch: UInt64 = 1 << 3
    static let seq: UInt64 = 1 << 4
    static let arrival: UInt64 = 1 << 5
    static let timeIsArrival: UInt64 = 1 << 6
    static let aspect: UInt64 = 1 << 7
    static let count: UInt64 = 1 << 8
    static let unit: UInt64 = 1 << 9
    static let language: UInt64 = 1 << 10
    static let type: UInt64 = 1 << 11
    static let text: UInt64 = 1 << 12
    static let flag: UInt64 = 1 << 13
    static let cause: UInt64 = 1 << 14
    static let causeTag: UInt64 = 1 << 15
    static let consent: UInt64 = 1 << 16
    static let replays: UInt64 = 1 << 17
    static let parts: UInt64 = 1 << 18
    /// How many bits there are.
    static let width: UInt64 = 19
    /// Those that few events have.
    static let rare = unit | language | type | text | details
    /// Those of `EventDetails`.
    static let details = cause | causeTag | consent | replays | parts
}

/// A shape packed into one word, so that it is compared and hashed as one number.
struct ShapeKey: Hashable, BitwiseCopyable {
    var word: UInt64

    /// `decimals` of a real value that is kept as its bits.
    static let bits: UInt64 = 15

    @inline(__always) init(_ event: Event, fields: UInt64, decimals: UInt64) {
        let small =
            UInt64(event.kind.rawValue) | UInt64(event.valueKind.rawValue) << 8
            | UInt64(event.identity.rawValue) << 11 | UInt64(event.clock.rawValue) << 13 | decimals << 15
        word =
            small | UInt64(event.quarantine.rawValue) << 19 | UInt64(event.severity) << 25
            | UInt64(event.scale) << 33 | UInt64(event.marks) << 41 | fields << 44
    }

    var decimals: UInt64 { (word >> 15) & 15 }
    var fields: UInt64 { word >> 44 }

    private var numbers: [UInt64] {
        [
            word & 0xff, (word >> 8) & 7, (word >> 11) & 3, (word >> 13) & 3, (word >> 19) & 0x3f, (word >> 25) & 0xff,
            (word >> 33) & 0xff, decimals, fields, (word >> 41) & 7,
        ]
    }

    /// The message `Shape`.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, number) in numbers.enumerated() {
            appendField(UInt64(index + 1) << 3, number, to: &bytes)
        }
        return bytes
    }
}

/// A shape as the decoder uses it: an event with the small fields filled in.
struct ShapeTemplate: BitwiseCopyable {
    var event = Event()
    var fields: UInt64 = 0
    var decimals: UInt64 = 0

    /// Reads the message `Shape`; refuses numbers that this release does not know.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(Malformed) {
        var numbers: InlineArray<11, UInt64> = .init(repeating: 0)
        var at = range.lowerBound
        while at < range.upperBound {
            let field = try readField(bytes, &at, end: range.upperBound)
            if (1...10).contains(field.number) { numbers[field.number] = field.varint }
        }
        guard numbers[1] < 256, let kind = EventKind(rawValue: UInt8(numbers[1])),
            numbers[2] < 256, let valueKind = Event.ValueKind(rawValue: UInt8(numbers[2])),
            numbers[3] < 256, let identity = Identity(rawValue: UInt8(numbers[3])),
            numbers[4] < 256, let clock = Clock(rawValue: UInt8(numbers[4])),
            numbers[5] < 256, let quarantine = QuarantineReason(rawValue: UInt8(numbers[5])),
            numbers[6] < 256, numbers[7] < 256, numbers[8] <= 9 || numbers[8] == ShapeKey.bits,
            numbers[9] < 1 << Fields.width,
            numbers[10] < 8
        else { throw .block }
        event.kind = kind
        event.valueKind = valueKind
        event.identity = identity
        event.clock = clock
        event.quarantine = quarantine
        event.severity = UInt8(numbers[6])
        event.scale = UInt8(numbers[7])
        event.marks = UInt8(numbers[10])
        decimals = numbers[8]
        fields = numbers[9]
        if valueKind == .flag, fields & Fields.flag != 0 { event.valueBits = 1 }
    }
}

/// The shapes of the block that is being encoded, numbered as they are met.
struct ShapeTable {
    private(set) var keys: [ShapeKey] = []
    /// Index + 1, 0 for free.
    private var slots: [UInt32] = Array(repeating: 0, count: 512)
    private var lastKey = ShapeKey(Event(), fields: .max, decimals: 0)
    private var lastIndex: UInt64 = 0

    init() {}

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        if slots.count > 512 { slots = Array(repeating: 0, count: 512) }
        for index in slots.indices { slots[index] = 0 }
        lastKey.word = .max
    }

    @inline(__always) mutating func index(of key: ShapeKey) -> UInt64 {
        if key.word == lastKey.word { return lastIndex }
        lastKey = key
        lastIndex = lookUp(key)
        return lastIndex
    }

    private mutating func lookUp(_ key: ShapeKey) -> UInt64 {
        let mask = slots.count - 1
        var slot = Self.hash(key) & mask
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if keys[index].word == key.word { return UInt64(index) }
            slot = (slot + 1) & mask
        }
        keys.append(key)
        slots[slot] = UInt32(keys.count)
        if keys.count * 2 > slots.count { grow() }
        return UInt64(keys.count - 1)
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        let mask = slots.count - 1
        for (index, key) in keys.enumerated() {
            var slot = Self.hash(key) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(index + 1)
        }
    }

    private static func hash(_ key: ShapeKey) -> Int {
        Int(truncatingIfNeeded: (key.word &* 0x9e37_79b9_7f4a_7c15) >> 40)
    }
}
