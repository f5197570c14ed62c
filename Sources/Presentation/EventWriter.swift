// Events of the log in the form that was asked for, as bytes: what `log tail` and `log export` print.

package import Events
import Wire

/// Collects events as text until they are flushed. Owned by one thread at a time.
package struct EventWriter {
    /// The names behind the numbers of the events to come.
    package var vocabulary: Vocabulary
    private let format: OutputFormat
    private let lines: EventLines
    private var bytes: [UInt8] = []

    /// - Parameter style: what the terminal can show; of no matter for JSON and CSV.
    package init(format: OutputFormat, vocabulary: Vocabulary, style: TableStyle = .plain) {
        self.format = format
        self.vocabulary = vocabulary
        lines = EventLines(style: style)
    }

    /// What stands above all events; empty but for CSV.
    package var header: String { format == .csv ? EventLines.csvHeader : "" }

    /// - Parameter batch: the one that the event stands in, for its text.
    package mutating func append(_ event: Event, in batch: EventBatch, at offset: Offset) {
        let text = batch.text(of: event)
        switch format {
        case .json:
            writeEventLine(event, in: batch, offset: offset, vocabulary: vocabulary, into: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        case .table, .csv:
            // A text that nobody here can read is not the same as none.
            let isSealed = text.isEmpty && !batch.details(of: event).sealedText.isEmpty
            let text = isSealed ? "(sealed)" : String(decoding: text, as: UTF8.self)
            let line =
                format == .csv
                ? lines.csvText(event, text: text, offset: offset, vocabulary: vocabulary)
                : lines.tableLine(event, text: text, offset: offset, vocabulary: vocabulary) + "\n"
            bytes.append(contentsOf: line.utf8)
        }
    }

    /// Hands over what has been appended, if there is anything.
    package mutating func flush(to write: (_ bytes: [UInt8]) -> Void) {
        guard !bytes.isEmpty else { return }
        write(bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
