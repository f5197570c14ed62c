// What reads the bytes of the log: compressed blocks, the columns in them, and keyframes.

import Bytes
import Events
import Log

/// The first bytes say how many events and bytes the block is said to have, and how many bytes of text; the rest is its
/// compressed body, and behind that as many texts as it wants.
func readBlock(_ input: [UInt8]) {
    guard input.count > 6 else { return }
    let count = Int(input[0]) | Int(input[1] & 0x3f) << 8
    let size = Int(input[2]) | Int(input[3]) << 8 | Int(input[1] >> 6) << 16
    let body = EncodedBody(Array(input[6...]), size: size)
    decode(block(body, count: count, texts: Int(input[4]) | Int(input[5]) << 8))
}

/// The message inside a block: the first two bytes say how many bytes of text there are. It is compressed here, since
/// the fuzzer would hardly hit on a valid stream.
func readColumns(_ input: [UInt8]) {
    guard input.count > 2, input.count < 1 << 16 else { return }
    let message = Array(input[2...])
    let body = EncodedBody(stored(message), size: message.count)
    decode(block(body, count: statedCount(message), texts: Int(input[0]) | Int(input[1]) << 8))
}

extension EncodedBody {
    fileprivate init(_ body: [UInt8], size: Int) {
        self.init(body: body, rawSize: size, crc32: Bytes.crc32(body.span))
    }
}

/// A block with so many bytes of text.
private func block(_ body: EncodedBody, count: Int, texts: Int) -> EncodedBlock {
    let nothing = Timestamp(rawValue: 0)...Timestamp(rawValue: 0)
    let text = Array(repeating: UInt8(ascii: "x"), count: texts)
    let stored = EncodedText(stored: EncodedBody(stored(text), size: texts), digest: [])
    return EncodedBlock(
        stored: body, text: texts == 0 ? nil : stored, count: count, times: nothing, arrivals: nothing)
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

private func decode(_ block: EncodedBlock) {
    guard let batch = decodeTwice(block) else { return }
    // A block may name the last device that there can be, and whoever reads it then keeps 24 bytes for every device,
    // 1.6 GB. Once is enough.
    guard batch.events.allSatisfy({ $0.device.rawValue < 1 << 20 }) else { return }
    // What was read can be written, and is then read as the same.
    guard let encoded = encode(batch) else { return }
    precondition(decodeOnce(encoded)?.count == batch.count)
    // A body of which one byte has changed is read as if it had not.
    let sum = Int(block.stored.crc32)
    var changed = block
    changed.stored.body[sum % block.stored.body.count] ^= UInt8(truncatingIfNeeded: sum >> 8) | 1
    let whole = decodeOnce(block)
    precondition(whole != nil && whole == decodeOnce(changed))
    if let text = block.text {
        changed = block
        changed.text?.stored.body[sum % text.stored.body.count] ^= UInt8(truncatingIfNeeded: sum >> 8) | 1
        precondition(whole == decodeOnce(changed))
    }
}

/// As if nobody had a name: whatever the bytes say, the predictions stay small.
private let fewDevices = DeviceBound { 0 }

/// The block, and the block again with the prediction that it has left; nil when it is damaged.
private func decodeTwice(_ block: EncodedBlock) -> EventBatch? {
    guard var decoder = try? BlockDecoder(devices: fewDevices) else { return nil }
    var batch = EventBatch()
    for _ in 0..<2 {
        let before = batch
        guard decoder.decode(block, into: &batch) == nil else {
            precondition(batch == before && !decoder.isCertain)
            return nil
        }
        precondition(batch.count == before.count + block.count && decoder.isCertain)
        var bytes = 0
        for event in batch.events.suffix(block.count) {
            bytes += batch.text(of: event).count
            let details = batch.details(of: event)
            for part in EventDetails.parts { bytes += batch.bytes(of: details[keyPath: part]).count }
        }
        precondition(bytes <= batch.text.count)
    }
    return batch
}

private func decodeOnce(_ block: EncodedBlock) -> EventBatch? {
    guard var decoder = try? BlockDecoder(devices: fewDevices) else { return nil }
    var batch = EventBatch()
    return decoder.decode(block, into: &batch) == nil ? batch : nil
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
            keyframe: EncodedBody(body, size: size), at: .zero, devices: fewDevices)
    else { return }
    guard let written = try? state.keyframe(at: .zero) else { return }
    guard let again = try? DevicePrediction(keyframe: written, at: .zero) else {
        preconditionFailure("a keyframe cannot be read")
    }
    precondition(again.says(sameAs: state))
}
