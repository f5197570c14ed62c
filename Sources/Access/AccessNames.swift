// What a key is for, as it is typed: the source of a device, or what the sources of a gateway's devices begin with.

package import Events
import Wire

extension Scope {
    /// - Parameters:
    ///   - source: as devices send it: `PRODUCT/DEVICE`, or a device URN.
    ///   - product: for a source that names none; nil for the others.
    /// - Throws: `AccessError.refused`.
    package init(source: String, product: String? = nil) throws(AccessError) {
        let bytes = Array(source.utf8)
        guard !bytes.isEmpty else { throw .refused("the source is empty; write PRODUCT/DEVICE") }
        try refuseControls(source, "the source")
        if let product { try checkProduct(product) }
        let parts = try Self.parts(of: bytes, source)
        guard let product else {
            guard !parts.product.isEmpty else {
                throw .refused("\(shown(source)) names no product; write PRODUCT/DEVICE, or add --product PRODUCT")
            }
            self = .device(product: parts.product, name: parts.name)
            return
        }
        guard parts.product.isEmpty else {
            throw .refused("\(shown(source)) names its product already; leave out --product")
        }
        self = .device(product: Array(product.utf8), name: parts.name)
    }

    /// - Parameter prefix: `PRODUCT/`, or `PRODUCT/BEGINNING/` of the names of devices.
    /// - Throws: `AccessError.refused`.
    package init(gateway prefix: String) throws(AccessError) {
        try refuseControls(prefix, "the prefix")
        guard prefix.utf8.last == UInt8(ascii: "/") else {
            throw .refused("\(shown(prefix)) is no prefix; it ends at a slash, as in kettle/ or kettle/hall-3/")
        }
        // With one more character it is a source, which says what of it is the product.
        var (product, name) = try Self.parts(of: Array(prefix.utf8) + [UInt8(ascii: "x")], prefix)
        guard !product.isEmpty else {
            throw .refused("\(shown(prefix)) begins with no product; write PRODUCT/, or PRODUCT/BEGINNING/")
        }
        name.removeLast()
        self = .prefix(deviceSource(product: product[...], name: []) + name)
    }

    /// How it is shown: the source of a device, the prefix of a gateway.
    package var text: String {
        switch self {
        case .everything: ""
        case .device(let product, let name):
            String(decoding: deviceSource(product: product[...], name: name[...]), as: UTF8.self)
        case .prefix(let prefix): String(decoding: prefix, as: UTF8.self)
        case .products(let products): products.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
        }
    }

    private static func parts(
        of source: [UInt8], _ typed: String
    ) throws(AccessError) -> (product: [UInt8], name: [UInt8]) {
        var vocabulary = Vocabulary()
        do throws(Refusal) {
            let device = try readDevice(source.span, vocabulary: &vocabulary)
            let product = vocabulary.text(.product, vocabulary.product(of: device))
            return (Array(product), Array(vocabulary.name(of: device)))
        } catch {
            // Whoever names no product at all has it beside the source; a device URN is made to show one.
            if error == .noProduct, !source.starts(with: Array("urn:dev:ops:".utf8)) { return ([], source) }
            let cause =
                switch error {
                case .noProduct: "its product is empty"
                case .noDevice: "it names no device"
                case .tooLong:
                    "it is too long: a product has up to \(Limits.productBytes) bytes, a device \(Limits.deviceBytes)"
                default: "it is no source"
                }
            throw .refused("\(shown(typed)): \(cause); write PRODUCT/DEVICE")
        }
    }
}

/// The products of a token.
///
/// - Throws: `AccessError.refused`.
package func checkProduct(_ product: String) throws(AccessError) {
    try refuseControls(product, "the product")
    guard !product.isEmpty, product.utf8.count <= Limits.productBytes else {
        throw .refused("a product has 1 to \(Limits.productBytes) bytes, not \(product.utf8.count)")
    }
}

/// Control characters are in no name that somebody typed on purpose, and would act in a terminal.
func refuseControls(_ text: String, _ what: String) throws(AccessError) {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }) else { return }
    throw .refused("\(what) \(shown(text)) has control characters; write it without them")
}

/// A text in a message, with nothing in it that acts in a terminal or breaks the line.
func shown(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(200) {
        let isPlain = scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value) && !isDirection(scalar.value)
        shown += isPlain ? String(scalar) : "\\u{" + String(scalar.value, radix: 16) + "}"
    }
    return shown
}

private func isDirection(_ value: UInt32) -> Bool {
    (0x200b...0x200f).contains(value) || (0x2028...0x202e).contains(value) || (0x2060...0x206f).contains(value)
}
