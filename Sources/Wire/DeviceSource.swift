// What a source string says: which product, and by what name the device is known in it.
import Bytes
package import Events

/// A source taken apart: ranges of the bytes that it was read from.
struct DeviceSource: Equatable {
    /// Empty when the source does not name a product.
    var product: Range<Int>
    var name: Range<Int>
    /// Whether there are escapes in the product: `%25`, `%2F` or `%3A`.
    var isEscaped = false

    /// Takes a source apart.
    ///
    /// - `urn:dev:ops:<PEN>-<product>-<serial>`: the product stands in it; the name is the whole URN.
    /// - `<product>/<serial>`: the name is the serial. In the product `%`, `/` and `:` may be escaped.
    /// - any other absolute URI, a path that begins with `/`, and a word without `/`: no product; the name is the whole
    ///   string.
    /// - Throws: `.noDevice` for an empty name, `.noProduct` for a URN without a product, `.tooLong` for either.
    init(_ bytes: Span<UInt8>) throws(Refusal) {
        name = 0..<bytes.count
        product = 0..<0
        if startsWithURN(bytes) {
            let pen = index(of: UInt8(ascii: "-"), in: bytes, from: 12)
            let end = index(of: UInt8(ascii: "-"), in: bytes, from: pen + 1)
            guard pen > 12, end < bytes.count - 1 else { throw .noDevice }
            product = (pen + 1)..<end
            guard !product.isEmpty else { throw .noProduct }
        } else if let slash = productEnd(bytes), slash > 0 {
            product = 0..<slash
            name = (slash + 1)..<bytes.count
            isEscaped = NameEscapes.source.areIn(bytes.extracting(product))
        }
        guard !name.isEmpty else { throw .noDevice }
        // An escaped product is measured once it is decoded.
        guard name.count <= Limits.deviceBytes, product.count <= Limits.productBytes || isEscaped else {
            throw .tooLong
        }
    }
}

/// `urn:dev:ops:`
private func startsWithURN(_ bytes: Span<UInt8>) -> Bool {
    // urn:dev:ops:
    let urn: [12 of UInt8] = [0x75, 0x72, 0x6e, 0x3a, 0x64, 0x65, 0x76, 0x3a, 0x6f, 0x70, 0x73, 0x3a]
    guard bytes.count > urn.count else { return false }
    for index in urn.indices where bytes[index] != urn[index] { return false }
    return true
}

/// The index of the first `/`, unless the bytes start as an absolute URI does: a letter, then letters, digits, `+`, `-`
/// or `.`, then `:`.
private func productEnd(_ bytes: Span<UInt8>) -> Int? {
    var isScheme = true
    for index in bytes.indices {
        switch bytes[index] {
        case asciiLowercase, asciiUppercase: continue
        case UInt8(ascii: "/"): return index
        case asciiDigits, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): if index == 0 { isScheme = false }
        case UInt8(ascii: ":"):
            if isScheme, index > 0 { return nil }
            isScheme = false
        default: isScheme = false
        }
    }
    return nil
}

/// The index of the first `byte` at or after `start`, or the count.
private func index(of byte: UInt8, in bytes: Span<UInt8>, from start: Int) -> Int {
    var index = start
    while index < bytes.count, bytes[index] != byte { index += 1 }
    return min(index, bytes.count)
}

/// How a device is named on the wire. A device URN that shows this product stands for itself; any other name follows
/// its product, in which `%`, `/` and `:` are escaped.
package func deviceSource(product: ArraySlice<UInt8>, name: ArraySlice<UInt8>) -> [UInt8] {
    if startsWithURN(name.span), let parts = try? DeviceSource(name.span),
        name.dropFirst(parts.product.lowerBound).prefix(parts.product.count).elementsEqual(product)
    {
        return Array(name)
    }
    var source: [UInt8] = []
    NameEscapes.source.append(product, to: &source)
    return source + [UInt8(ascii: "/")] + name
}

/// The device that a source with escapes in its product names. Who is known by the source as it stands has it from a
/// time when nothing was decoded, and stays that device.
@inline(never)
func escapedProductAndDevice(
    of source: Span<UInt8>, _ parts: DeviceSource, _ vocabulary: inout Vocabulary
) throws(Refusal) -> (product: SymbolID, device: DeviceID) {
    let name = source.extracting(parts.name)
    let escaped = source.extracting(parts.product)
    if let product = vocabulary.find(.product, escaped), vocabulary.find(device: name, of: product) != nil {
        return try vocabulary.device(product: escaped, name: name)
    }
    let plain = NameEscapes.source.decoded(escaped)
    guard plain.count <= Limits.productBytes else { throw .tooLong }
    return try vocabulary.device(product: plain.span, name: name)
}

/// The device that a source names, given out if it is new; for the source of a Hello.
///
/// - Throws: `.badUTF8`, `.noDevice`, `.noProduct`, `.tooLong`, `.badIdentity`, `.forbidden`, `.vocabularyFull`.
package func readDevice(_ source: Span<UInt8>, vocabulary: inout Vocabulary) throws(Refusal) -> DeviceID {
    guard isUTF8(source) else { throw .badUTF8 }
    return try device(of: source, vocabulary: &vocabulary)
}

/// The device that a source of valid UTF-8 names.
func device(of source: Span<UInt8>, vocabulary: inout Vocabulary) throws(Refusal) -> DeviceID {
    try productAndDevice(of: source, vocabulary: &vocabulary).device
}

/// The device that a source of valid UTF-8 names, and its product.
func productAndDevice(
    of source: Span<UInt8>, searches: NameSearches = NameSearches(), vocabulary: inout Vocabulary
) throws(Refusal) -> (product: SymbolID, device: DeviceID) {
    let parts = try DeviceSource(source)
    guard !parts.product.isEmpty else { throw .noProduct }
    if parts.isEscaped { return try escapedProductAndDevice(of: source, parts, &vocabulary) }
    return try vocabulary.device(
        product: source.extracting(parts.product), name: source.extracting(parts.name), searches: searches)
}
