// Names inside of larger ones: what cannot stand there as it is stands as its hexadecimal number behind a `%`.

import Bytes

/// The characters that are escaped in names of one kind; `%` is always among them.
struct NameEscapes: Sendable {
    private let escaped: [UInt8]

    /// In the product of a source: `%25`, `%2F` and `%3A`.
    static let source = NameEscapes(escaped: Array("%/:".utf8))
    /// In a level of a topic: `%25`, `%2F`, `%2B` and `%23`.
    static let topic = NameEscapes(escaped: Array("%/+#".utf8))

    /// The byte that an escape at `at` stands for; nil when there is no escape of these.
    private func byte(_ name: Span<UInt8>, at: Int) -> UInt8? {
        guard at + 2 < name.count, name[at] == UInt8(ascii: "%"), let high = hexValue(name[at + 1]),
            let low = hexValue(name[at + 2]), escaped.contains(high << 4 | low)
        else { return nil }
        return high << 4 | low
    }

    /// Whether there are any in a name.
    func areIn(_ name: Span<UInt8>) -> Bool {
        var at = name.first(UInt8(ascii: "%"), from: 0)
        while at < name.count {
            if byte(name, at: at) != nil { return true }
            at = name.first(UInt8(ascii: "%"), from: at + 1)
        }
        return false
    }

    func decoded(_ name: Span<UInt8>) -> [UInt8] {
        var plain: [UInt8] = []
        var at = 0
        while at < name.count {
            let byte = byte(name, at: at)
            plain.append(byte ?? name[at])
            at += byte == nil ? 1 : 3
        }
        return plain
    }

    func append(_ plain: ArraySlice<UInt8>, to name: inout [UInt8]) {
        for byte in plain {
            if escaped.contains(byte) {
                name += [UInt8(ascii: "%"), upperHexDigit(byte >> 4), upperHexDigit(byte & 15)]
            } else {
                name.append(byte)
            }
        }
    }
}

private func upperHexDigit(_ number: UInt8) -> UInt8 {
    number + (number < 10 ? UInt8(ascii: "0") : UInt8(ascii: "A") - 10)
}

private func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case asciiDigits: digit - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
}
