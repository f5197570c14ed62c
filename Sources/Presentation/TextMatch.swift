// Texts in which somebody's name is mentioned: how they are found, and how they are shown to who has to look at them.

package import Events

/// The words of a text, as they are compared: in lower case, and equal in every Unicode form.
package struct NameWords: Sendable, Equatable {
    private let words: [Substring]

    package init(_ text: String) {
        words = text.lowercased().split { !$0.isLetter && !$0.isNumber }
    }

    /// Whether the words of a name stand in these, one after the other. A name without letters and digits is in no
    /// text.
    package func contain(_ name: NameWords) -> Bool {
        let count = name.words.count
        guard count > 0, words.count >= count else { return false }
        return (0...words.count - count).contains { words[$0..<$0 + count].elementsEqual(name.words) }
    }
}

/// A text that mentions somebody.
package struct TextMatch: Sendable, Equatable {
    package var offset: Offset
    package var time: Timestamp
    package var product: String
    package var text: String
    /// The name that was looked for.
    package var name: String

    package init(offset: Offset, time: Timestamp, product: String, text: String, name: String) {
        (self.offset, self.time, self.product) = (offset, time, product)
        (self.text, self.name) = (text, name)
    }
}

/// Looks through a log, block by block in its order.
package struct TextMatchSearch {
    private let names: [(name: String, words: NameWords)]
    private let vocabulary: Vocabulary
    package private(set) var matches: [TextMatch] = []

    package init(_ names: [String], _ vocabulary: Vocabulary) {
        self.names = names.map { ($0, NameWords($0)) }
        self.vocabulary = vocabulary
    }

    /// Notes an event whose text mentions one of the names and was said by another person.
    package mutating func add(_ event: Event, in batch: borrowing EventBatch, at offset: Offset) {
        guard event.textLength > 0 else { return }
        let text = String(decoding: batch.text(of: event), as: UTF8.self)
        let words = NameWords(text)
        for (name, sought) in names where words.contain(sought) {
            // Names are equal in every Unicode form.
            if event.customer != .none, String(decoding: vocabulary.name(of: event.customer), as: UTF8.self) == name {
                continue
            }
            let product = String(decoding: vocabulary.text(.product, event.product), as: UTF8.self)
            matches.append(TextMatch(offset: offset, time: event.time, product: product, text: text, name: name))
        }
    }
}

package func renderTextMatches(_ matches: [TextMatch], as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table:
        guard !matches.isEmpty else { return "no text of others mentions the name\n" }
        var table = TextTable([
            .init("offset", rank: 2), .init("time", rank: 1), .init("product", least: 8), .init("text", least: 20),
        ])
        for one in matches {
            table.add([
                String(one.offset.rawValue), String(rfc3339(one.time).prefix(16)), visible(one.product),
                visible(one.text),
            ])
        }
        return table.lines(style, indent: 0).map { $0 + "\n" }.joined()
    case .json:
        return matches.map { one in
            JSONWriter.line { json in
                json.add("offset", one.offset.rawValue)
                json.add("time", one.time)
                json.add("product", one.product)
                json.add("text", one.text)
                json.add("name", one.name)
            }
        }.joined()
    case .csv:
        return csvLine(["offset", "time", "product", "text", "name"])
            + matches.map { one in
                csvLine([String(one.offset.rawValue), rfc3339(one.time), one.product, one.text, one.name])
            }.joined()
    }
}
