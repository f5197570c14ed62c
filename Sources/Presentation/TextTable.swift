// Columns that line up.

/// Rows of cells, padded to the widest of each column.
struct TextTable {
    enum Side { case left, right }
    private let sides: [Side]
    private let header: [String]
    private var rows: [[String]] = []

    init(_ columns: [(String, Side)]) {
        header = columns.map(\.0)
        sides = columns.map(\.1)
    }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The lines, with the header first; the last column is cut to the terminal.
    func lines(_ style: TableStyle, indent: Int = 2) -> [String] {
        guard !rows.isEmpty else { return [] }
        var widths = header.map { columns($0) }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], columns(cell)) }
        }
        let before = widths.dropLast().reduce(indent) { $0 + $1 + 2 }
        let last = max(10, style.width - before)
        let head = style.faint(line(header, widths, last, style, indent))
        return [head] + rows.map { line($0, widths, last, style, indent) }
    }

    /// The table as text, without cutting anything; empty without rows.
    func text() -> String {
        let style = TableStyle(isUnicode: false, isColored: false, width: 10_000)
        return lines(style, indent: 0).map { $0 + "\n" }.joined()
    }

    private func line(
        _ cells: [String], _ widths: [Int], _ last: Int, _ style: TableStyle, _ indent: Int
    ) -> String {
        var text = String(repeating: " ", count: indent)
        for (index, cell) in cells.enumerated() {
            let isLast = index == cells.count - 1
            let cell = isLast ? cut(cell, last, style) : cell
            let padding = String(repeating: " ", count: max(0, widths[index] - columns(cell)))
            switch sides[index] {
            case .left: text += isLast ? cell : cell + padding
            case .right: text += padding + cell
            }
            if !isLast { text += "  " }
        }
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}
