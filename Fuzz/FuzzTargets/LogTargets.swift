// What reads the bytes of the log: compressed blocks, the columns in them, and keyframes.

import Bytes
import Events
import Log

/// The first bytes say how many events and bytes the block is said to have; the rest is its compressed body.
func readBlock(_ input: [UInt8]) {
    guard input.count > 4 else { return }
    let count = Int(input[0]) | Int(input[1] & 0x3f) << 8
    let size = Int(input[2]) | Int(input[3]) << 8 | Int(input[1] >> 6) << 16
    decode(Array(input[4...]), size: size, count: count)
}

/// The message inside a block. It is compressed here, since the fuzzer would hardly hit on a valid stream.
func readColumns(_ input: [UInt8]) {
    guard input.count < 1 << 16 else { return }
    decode(stored(input), size: input.count, count: statedCount(input))
}

/// A zlib stream (RFC 1950) of one block that is not compressed.
private func stored(_ bytes: [UInt8]) -> [UInt8] {
    let size = UInt16(bytes.count)
    var (low, high): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
        low = (low + UInt32(byte)) % 65_521
        high = (high + low) % 65_521
    }
    let head: [UInt8] = [
        0x78, 0x01, 0x01, UInt8(size & 255), UInt8(size >> 8), UInt8(~size & 255), UInt8(~size >> 8),
    ]
    let sum = high << 16 | low
    return head + bytes + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
}

private func decode(_ body: [UInt8], size: Int, count: Int) {
    guard let batch = decodeTwice(body, size: size, count: count) else { return }
    // A block may name the last device that there can be, and whoever reads it then keeps 24 bytes for every device,
    // 1.6 GB. Once is enough.
    guard batch.events.allSatisfy({ $0.device.rawValue < 1 << 20 }) else { return }
    // What was read can be written, and is then read as the same.
    guard let encoded = encode(batch) else { return }
    precondition(decodeOnce(encoded.stored, count: batch.count)?.count == batch.count)
    // A body of which one byte has changed is read as if it had not.
    let sum = crc32(body.span)
    var changed = body
    changed[Int(sum) % body.count] ^= UInt8(truncatingIfNeeded: sum >> 8) | 1
    let whole = decodeOnce(EncodedBody(body: body, rawSize: size, crc32: sum), count: count)
    precondition(
        whole != nil && whole == decodeOnce(EncodedBody(body: changed, rawSize: size, crc32: sum), count: count))
}

/// As if nobody had a name: whatever the bytes say, the predictions stay small.
private let fewDevices = DeviceBound { 0 }

/// The block, and the block again with the prediction that it has left; nil when it is damaged.
private func decodeTwice(_ body: [UInt8], size: Int, count: Int) -> EventBatch? {
    guard var decoder = try? BlockDecoder(devices: fewDevices) else { return nil }
    var batch = EventBatch()
    for _ in 0..<2 {
        let before = batch
        let stored = EncodedBody(body: body, rawSize: size, crc32: crc32(body.span))
        guard decoder.decode(stored, count: count, into: &batch) == nil else {
            precondition(batch == before && !decoder.isCertain)
            return nil
        }
        precondition(batch.count == before.count + count && decoder.isCertain)
        var bytes = 0
        for event in batch.events.suffix(count) { bytes += batch.text(of: event).count }
        precondition(bytes <= batch.text.count)
    }
    return batch
}

private func decodeOnce(_ stored: EncodedBody, count: Int) -> EventBatch? {
    guard var decoder = try? BlockDecoder(devices: fewDevices) else { return nil }
    var batch = EventBatch()
    return decoder.decode(stored, count: count, into: &batch) == nil ? batch : nil
}

private func encode(_ batch: EventBatch) -> EncodedBlock? {
    var encoder = try? BlockEncoder()
    return try? encoder?.encode(batch)
}

/// How the input is cut into sections, how each is to be compressed, and how often it is repeated, so that sections get
/// longer than a block; then the bytes. Whatever is written, zlib must give back.
func writeDeflated(_ input: [UInt8]) {
    guard input.count > 6, let deflater = try? Deflater(level: 1) else { return }
    let bytes = repeatElement(input[6...], count: 1 + Int(input[5] & 31)).flatMap { $0 }
    var sections: [Deflater.Section] = []
    for share in 0..<4 {
        let strategy: Deflater.Strategy =
            switch input[share] & 3 {
            case 0: .matches
            case 1: .runs
            case 2: .huffman
            default: .plain
            }
        // Sections may be empty, and a short one may stand before a plane.
        let end = share == 3 ? bytes.count : min(bytes.count, (sections.last?.end ?? 0) + Int(input[share] >> 2) * 37)
        sections.append(Deflater.Section(end: end, strategy: strategy))
    }
    var first: [UInt8] = []
    var second: [UInt8] = []
    var inflated: [UInt8] = []
    guard (try? deflater.deflate(bytes.span, sections, into: &first)) != nil, let inflater = try? Inflater() else {
        preconditionFailure("cannot deflate")
    }
    precondition(inflater.inflate(first.span, size: bytes.count, into: &inflated) && inflated == bytes)
    guard (try? deflater.deflate(bytes.span, sections, into: &second)) != nil, first == second else {
        preconditionFailure("the same input gives other bytes")
    }
}

/// Field 1 of the message, if it stands first.
private func statedCount(_ input: [UInt8]) -> Int {
    guard input.count > 2, input[0] == 8 else { return Int(input.first ?? 0) }
    return Int(input[1] & 0x7f) | (input[1] > 0x7f ? Int(input[2] & 0x7f) << 7 : 0)
}

/// The first bytes say the size; the rest is the compressed state.
func readKeyframe(_ input: [UInt8]) {
    guard input.count > 3 else { return }
    let body = Array(input[3...])
    let size = Int(input[0]) | Int(input[1]) << 8 | Int(input[2] & 15) << 16
    guard
        let state = try? DevicePrediction(
            keyframe: EncodedBody(body: body, rawSize: size, crc32: crc32(body.span)), devices: fewDevices)
    else { return }
    guard let written = try? state.keyframe() else { return }
    guard let again = try? DevicePrediction(keyframe: written) else { preconditionFailure("a keyframe cannot be read") }
    precondition(again.says(sameAs: state))
}
