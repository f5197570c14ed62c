// A column: unsigned integers split into planes of bytes, so that each plane compresses by its own statistics.

import Bytes

/// Writes columns to a body and notes how to compress them.
struct ColumnWriter {
    private(set) var bytes: [UInt8] = []
    private(set) var sections: [Deflater.Section] = []
    /// Below this many bytes a plane is not worth a Huffman table of its own.
    private static let worthwhile = 256
    /// A sample of fewer bytes than that says too little about how even they are.
    private static let worthSampling = 1_536

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        sections.removeAll(keepingCapacity: true)
    }

    mutating func append(_ number: Int, varint: UInt64) {
        appendField(UInt64(number) << 3, varint, to: &bytes)
    }

    /// A length-delimited field.
    mutating func append(_ number: Int, _ content: [UInt8]) {
        appendTag(number, count: content.count)
        bytes += content
    }

    private mutating func appendTag(_ number: Int, count: Int) {
        Bytes.appendHeader(UInt64(number) << 3 | WireType.bytes, count: count, to: &bytes)
    }

    /// A column; planes of zeros are left out.
    mutating func append(_ number: Int, column values: [UInt64]) {
        var union: UInt64 = 0
        let values = values.span
        for index in values.indices { union |= values[index] }
        guard union != 0 else { return }
        var size = 0
        for plane in 0..<8 where (union >> UInt64(8 * plane)) & 0xff != 0 {
            size += 1 + varintBytes(UInt64(values.count)) + values.count
        }
        appendTag(number, count: size)
        for plane in 0..<8 where (union >> UInt64(8 * plane)) & 0xff != 0 {
            appendPlane(plane, values)
        }
    }

    private mutating func appendPlane(_ plane: Int, _ values: Span<UInt64>) {
        appendTag(plane + 1, count: values.count)
        let start = bytes.count
        if values.count >= Self.worthwhile { cut() }
        bytes.append(contentsOf: repeatElement(0, count: values.count))
        let shift = UInt64(8 * plane)
        var repeats = 0
        do {
            var out = bytes.mutableSpan
            var last: UInt8 = 0
            for index in 0..<values.count {
                let byte = UInt8(truncatingIfNeeded: values[index] >> shift)
                out[start + index] = byte
                repeats += byte == last ? 1 : 0
                last = byte
            }
        }
        if values.count >= Self.worthwhile {
            let strategy: Deflater.Strategy =
                if repeats * 3 > values.count {
                    .runs
                } else if repeats * 64 < values.count, values.count >= Self.worthSampling, isEven(start) {
                    .plain
                } else {
                    .huffman
                }
            sections.append(Deflater.Section(end: bytes.count, strategy: strategy))
        }
    }

    /// Whether the bytes from `start` on look as if Huffman codes would not shorten them by a hundredth.
    ///
    /// Counts the equal pairs in a sample. If every byte is as frequent as every other, one pair in 256 is equal;
    /// a twelfth more of them means codes that are shorter by about half a hundredth.
    private func isEven(_ start: Int) -> Bool {
        var counts = InlineArray<256, UInt16>(repeating: 0)
        var sample = 0
        var pairs = 0
        var index = start
        while index < bytes.count {
            let byte = Int(bytes[index])
            pairs += Int(counts[byte])
            counts[byte] &+= 1
            sample += 1
            index += Self.sampleDistance
        }
        return pairs * 256 * 12 < sample * (sample - 1) / 2 * 13
    }

    private static let sampleDistance = 5

    /// Ends the current section, if there is anything in it.
    mutating func cut() {
        if bytes.count > sections.last?.end ?? 0 {
            sections.append(Deflater.Section(end: bytes.count, strategy: .matches))
        }
    }
}

/// The planes of one column, as ranges of a body; a missing plane is empty.
struct ColumnRanges {
    private var starts: InlineArray<8, Int> = .init(repeating: 0)
    private var counts: InlineArray<8, Int> = .init(repeating: 0)

    init() {}

    init(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(Malformed) {
        var at = range.lowerBound
        while at < range.upperBound {
            let field = try readField(bytes, &at, end: range.upperBound)
            guard (1...8).contains(field.number) else { continue }
            starts[field.number - 1] = field.range.lowerBound
            counts[field.number - 1] = field.range.count
        }
    }

    /// The column's values; `count` of them.
    func read(_ bytes: Span<UInt8>, count: Int, into values: inout [UInt64]) throws(Malformed) {
        values.removeAll(keepingCapacity: true)
        values.append(contentsOf: repeatElement(0, count: count))
        for plane in 0..<8 where counts[plane] > 0 {
            guard counts[plane] == count else { throw .block }
            let plain = bytes.extracting(starts[plane]..<(starts[plane] + count))
            let shift = UInt64(8 * plane)
            var out = values.mutableSpan
            if plane == 0 {
                for index in 0..<count { out[index] = UInt64(plain[index]) }
            } else {
                for index in 0..<count { out[index] |= UInt64(plain[index]) << shift }
            }
        }
    }
}
