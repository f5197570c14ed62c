// A device that something other than its events names: it gets a number when the first of its events is good.

import Bytes
package import Events

/// The device whose events are those that name none.
package enum NamedDevice: Sendable {
    case none
    case known(DeviceID)
    /// Nobody has heard of it.
    case new(product: [UInt8], name: [UInt8])

    /// Looks a device up; nothing is given out.
    ///
    /// - Throws: `.forbidden` outside the vocabulary's scope, `.tooLong`, `.noDevice`, `.noProduct`.
    package init(product: Span<UInt8>, name: Span<UInt8>, in vocabulary: borrowing Vocabulary) throws(Refusal) {
        guard !product.isEmpty else { throw .noProduct }
        guard !name.isEmpty else { throw .noDevice }
        guard product.count <= Limits.productBytes, name.count <= Limits.deviceBytes else { throw .tooLong }
        if let scope = vocabulary.scope, !scope.contains(product: product, name: name) { throw .forbidden }
        if let known = vocabulary.find(.product, product).flatMap({ vocabulary.find(device: name, of: $0) }) {
            self = .known(known)
        } else {
            self = .new(product: Array(copying: product), name: Array(copying: name))
        }
    }

    /// Its number, given out if it is new; `.none` for none.
    package func number(in vocabulary: inout Vocabulary) throws(Refusal) -> DeviceID {
        switch self {
        case .none: .none
        case .known(let device): device
        case .new(let product, let name): try vocabulary.device(product: product.span, name: name.span).device
        }
    }
}

/// The product and the name in a source, plain.
///
/// - Throws: `.badUTF8`, `.noDevice`, `.noProduct`, `.tooLong`.
package func deviceNames(ofSource source: Span<UInt8>) throws(Refusal) -> (product: [UInt8], name: [UInt8]) {
    guard isUTF8(source) else { throw .badUTF8 }
    let parts = try DeviceSource(source)
    guard !parts.product.isEmpty else { throw .noProduct }
    return (
        NameEscapes.source.decoded(source.extracting(parts.product)), Array(copying: source.extracting(parts.name))
    )
}
