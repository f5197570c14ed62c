// Which products need which consents, as the configuration says.

import Bytes
import Events

/// Some products, by name: as listed, or all but those listed.
package struct ProductList: Sendable, Equatable {
    private var names: Set<[UInt8]> = []
    /// Whether it holds for all but `names`.
    private var isAllBut = false

    /// None.
    package init() {}

    /// `none`; `all`; `all except A, B`; `A, B`. What cannot be written so is escaped as in a source: `%2C` is a comma.
    package init?(_ text: String) {
        var list = trimmed(text[...])
        if list == "none" { return }
        isAllBut = list == "all" || list == "all except" || list.hasPrefix("all except ")
        if list == "all" { return }
        if isAllBut { list = trimmed(list.dropFirst("all except".count)) }
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            guard let name = Self.unescaped(trimmed(item)), !name.isEmpty, name.count <= Limits.productBytes else {
                return nil
            }
            names.insert(name)
        }
    }

    package var isEmpty: Bool { names.isEmpty && !isAllBut }

    /// The names that stand in it.
    package var listed: [String] { names.map { String(decoding: $0, as: UTF8.self) }.sorted() }

    package func contains(_ product: some Collection<UInt8>) -> Bool { names.contains(Array(product)) != isAllBut }

    /// Nil when a percent sign is followed by no two digits.
    private static func unescaped(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2).map { asciiUppercase.contains($0) ? $0 | 0x20 : $0 }
            guard digits.count == 2, let value = digits.span.hexadecimal(from: 0) else { return nil }
            bytes.append(UInt8(value))
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}

/// A text without the blanks around it.
private func trimmed(_ text: Substring) -> Substring {
    var text = text
    while text.first == " " { text = text.dropFirst() }
    while text.last == " " { text = text.dropLast() }
    return text
}

/// Which products need a consent to which purpose.
package struct ConsentPolicy: Sendable, Equatable {
    private var lists = [ProductList](repeating: ProductList(), count: ConsentPurpose.allCases.count)

    package init() {}

    /// The products that need a consent to a purpose.
    package subscript(purpose: ConsentPurpose) -> ProductList {
        get { lists[Int(purpose.rawValue)] }
        set { lists[Int(purpose.rawValue)] = newValue }
    }

    /// Whether a product needs a consent to a purpose.
    package func requires(_ purpose: ConsentPurpose, of product: some Collection<UInt8>) -> Bool {
        self[purpose].contains(product)
    }

    /// Whether an event may have to be stored without its customer.
    package var gatesEvents: Bool { !self[.analytics].isEmpty }
}
