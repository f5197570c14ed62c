// The native format, written a second time and independently of the daemon's own room: if the two disagree, a
// benchmark run fails instead of measuring nonsense.

/// The strings of one connection or datagram that have been defined so far.
package struct DefineTable: Sendable {
    private var numbers: [Int32: UInt32] = [:]
    package private(set) var byteCount = 0
    package var count: Int { numbers.count }

    package init() {}

    /// The reference for `key`; a new one appends a `define` of `name` to `defines`.
    package mutating func reference(_ key: Int32, _ name: @autoclosure () -> [UInt8], into defines: inout [UInt8])
        -> UInt32
    {
        if let number = numbers[key] { return number }
        let number = UInt32(numbers.count + 1)
        numbers[key] = number
        let bytes = name()
        byteCount += bytes.count
        defines.append(Field.batchDefine)
        appendVarint(UInt64(bytes.count), to: &defines)
        defines += bytes
        return number
    }
}

/// Tags (`number << 3 | wire type`) of the fields that the workload uses. Those above 127 take two bytes.
enum Field {
    static let batchSeq: UInt8 = 2 << 3
    static let batchTime: UInt8 = 3 << 3
    static let batchDefine: UInt8 = 4 << 3 | 2
    static let batchDevice: UInt8 = 5 << 3
    static let batchEvents: UInt8 = 7 << 3 | 2
    static let kind: UInt8 = 1 << 3
    static let timeDelta: UInt8 = 3 << 3
    static let aspect: UInt8 = 4 << 3
    static let whole: UInt8 = 5 << 3
    static let real: UInt8 = 6 << 3 | 5
    static let ref: UInt8 = 7 << 3
    static let text: UInt8 = 8 << 3 | 2
    static let count: UInt8 = 11 << 3
    static let device: UInt8 = 15 << 3
    static let subject: UInt64 = 17 << 3
    static let seq: UInt64 = 23 << 3
}

/// The kinds of frames that a load holds.
package enum LoadFrame {
    package static let hello: UInt8 = 1
    package static let batch: UInt8 = 3
    package static let ping: UInt8 = 8
    package static let bye: UInt8 = 10
}

@inline(__always)
package func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest > 127 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
        rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
}

@inline(__always)
func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

package func appendLittleEndian(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
}

package func appendBigEndian(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in stride(from: 24, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
}

/// Appends one frame of the TCP format: type, length, body, CRC-32.
package func appendFrame(_ type: UInt8, body: [UInt8], checksum: Checksum, to bytes: inout [UInt8]) {
    let start = bytes.count
    bytes.append(type)
    appendVarint(UInt64(body.count), to: &bytes)
    bytes += body
    appendLittleEndian(checksum.value(of: bytes, from: start), to: &bytes)
}

/// CRC-32 as in zlib and PNG (polynomial 0xedb88320), eight bytes at a time.
package struct Checksum: Sendable {
    private let table: [UInt32]

    package init() {
        var table: [UInt32] = []
        for byte in UInt32(0)..<256 {
            var crc = byte
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : (crc >> 1) ^ 0xedb8_8320 }
            table.append(crc)
        }
        for index in 256..<2_048 {
            let previous = table[index - 256]
            table.append((previous >> 8) ^ table[Int(previous & 255)])
        }
        self.table = table
    }

    /// The checksum of `bytes[from...]`.
    package func value(of bytes: [UInt8], from: Int = 0) -> UInt32 {
        var crc: UInt32 = ~0
        var index = from
        while index + 8 <= bytes.count {
            var low = UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8
            low |= UInt32(bytes[index + 2]) << 16 | UInt32(bytes[index + 3]) << 24
            crc ^= low
            var next = table[Int(crc & 255) + 1_792] ^ table[Int(crc >> 8 & 255) + 1_536]
            next ^= table[Int(crc >> 16 & 255) + 1_280] ^ table[Int(crc >> 24) + 1_024]
            next ^= table[Int(bytes[index + 4]) + 768] ^ table[Int(bytes[index + 5]) + 512]
            crc = next ^ table[Int(bytes[index + 6]) + 256] ^ table[Int(bytes[index + 7])]
            index += 8
        }
        while index < bytes.count {
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])]
            index += 1
        }
        return ~crc
    }
}

/// Writes one event as a `Batch.events` field.
struct EventWriter: Sendable {
    private var scratch: [UInt8] = []

    /// - Parameters:
    ///   - device: its reference when the sender is a gateway, else 0. A gateway gives the device's own `seq`, too.
    ///   - value: the reference of a choice or fault code, else 0.
    mutating func append(
        _ event: Occurrence, fleet: Fleet, since base: Int64, aspect: UInt32, value: UInt32, device: UInt32,
        customer: UInt32, to bytes: inout [UInt8]
    ) {
        scratch.removeAll(keepingCapacity: true)
        put(Field.kind, UInt64(event.kind.rawValue))
        if event.time != base { put(Field.timeDelta, zigzag(event.time - base)) }
        put(Field.aspect, UInt64(aspect))
        switch event.kind {
        case .preference where event.isChoice: put(Field.ref, UInt64(value))
        case .preference where event.value & 1 == 0: put(Field.whole, zigzag(Int64(event.value / 2)))
        case .preference:
            scratch.append(Field.real)
            appendLittleEndian((Float(event.value) / 2).bitPattern, to: &scratch)
        case .rating: put(Field.whole, zigzag(Int64(event.value)))
        case .use: put(Field.count, UInt64(event.value))
        case .text:
            let text = fleet.texts[Int(event.value)]
            scratch.append(Field.text)
            appendVarint(UInt64(text.count), to: &scratch)
            scratch += text
        case .fault: put(Field.ref, UInt64(value))
        }
        if device != 0 { put(Field.device, UInt64(device)) }
        appendVarint(Field.subject, to: &scratch)
        appendVarint(UInt64(customer), to: &scratch)
        if device != 0 {
            appendVarint(Field.seq, to: &scratch)
            appendVarint(UInt64(event.seq), to: &scratch)
        }
        bytes.append(Field.batchEvents)
        appendVarint(UInt64(scratch.count), to: &bytes)
        bytes += scratch
    }

    private mutating func put(_ tag: UInt8, _ value: UInt64) {
        scratch.append(tag)
        appendVarint(value, to: &scratch)
    }
}

extension Fleet {
    // Keys of a `DefineTable`: one number space for all strings.
    func key(device: Int32) -> Int32 { device }
    func key(customer: Int32) -> Int32 { Int32(deviceCount) + customer }
    func key(common: Int32) -> Int32 { Int32(deviceCount + customerCount) + common }

    /// The common string that an event's value is; nil when it is none.
    func valueName(of event: Occurrence) -> Int32? {
        switch event.kind {
        case .preference where event.isChoice: firstChoiceName + event.value
        case .fault: firstCodeName + event.value
        case .preference, .rating, .use, .text: nil
        }
    }

    func aspectName(of event: Occurrence) -> Int32 {
        aspectName[Int(productOf[Int(event.device)]) * Fleet.aspectsPerProduct + Int(event.aspect)]
    }
}
