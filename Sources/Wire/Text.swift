// Rules about bytes that are text: UTF-8, aspects, and where a text may be cut.
import Bytes
import Events

/// Whether the bytes are valid UTF-8.
func isUTF8(_ bytes: Span<UInt8>) -> Bool {
    if isASCII(bytes) { return true }
    do {
        _ = try UTF8Span(validating: bytes)
        return true
    } catch {
        return false
    }
}

@inline(__always)
func isASCII(_ bytes: Span<UInt8>) -> Bool {
    var all: UInt8 = 0
    for index in bytes.indices { all |= bytes[index] }
    return all < 0x80
}

/// Where to cut valid UTF-8 so that at most `limit` bytes remain and no character is split.
func cut(_ bytes: Span<UInt8>, limit: Int) -> Int {
    guard bytes.count > limit else { return bytes.count }
    var end = limit
    while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
    return end
}

/// Whether the bytes are a dotted path of one to eight words of `[a-z0-9_]`, of at most 64 bytes.
package func isAspect(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count <= Limits.aspectBytes else { return false }
    var words = 1
    var letters = 0
    for index in bytes.indices {
        switch bytes[index] {
        case asciiLowercase, asciiDigits, UInt8(ascii: "_"): letters += 1
        case UInt8(ascii: "."):
            guard letters > 0 else { return false }
            words += 1
            letters = 0
        default: return false
        }
    }
    return letters > 0 && words <= Limits.aspectWords
}
