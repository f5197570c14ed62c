// Columns that line up, and that fit the terminal.

/// Rows of cells, padded to the widest of each column.
///
/// When they are wider than the terminal, the widest columns that may shrink do, each down to its least width: a long
/// name shortens itself and no other. When that is not enough, columns are left out, the one of the highest rank first.
package struct TextTable {
    package enum Side: Sendable { case left, right }

    package struct Column: Sendable {
        let title: String
        let side: Side
        let least: Int?
        /// The part of the terminal that the column may take at most.
        let most: Double
        let rank: Int?

        /// - Parameters:
        ///   - least: the width down to which the column may shrink; nil when it may not.
        ///   - most: the part of the terminal that it may take, 32 columns in any case: one long name shall not part
        ///     the short ones from their figures.
        ///   - rank: of those that may be left out; nil when it may not.
        package init(
            _ title: String, _ side: Side = .left, least: Int? = nil, most: Double = 1, rank: Int? = nil
        ) {
            (self.title, self.side, self.least, self.most, self.rank) = (title, side, least, most, rank)
        }
    }

    /// What a cell says, in words that need more or less room.
    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        /// The longest first; the first one that fits is shown, or the last one, cut.
        let forms: [String]

        package init(_ text: String) { forms = [text] }
        package init(forms: [String]) { self.forms = forms.isEmpty ? [""] : forms }
        package init(stringLiteral text: String) { forms = [text] }

        /// The columns that the longest form takes.
        var width: Int { forms.reduce(0) { max($0, columns($1)) } }

        func form(_ width: Int, _ style: TableStyle) -> String {
            forms.first { columns($0) <= width } ?? cut(forms[forms.count - 1], width, style)
        }
    }

    private let heads: [Column]
    private var rows: [[Cell]] = []

    package init(_ heads: [Column]) { self.heads = heads }

    package mutating func add(_ cells: [String]) { rows.append(cells.map { Cell($0) }) }
    package mutating func add(cells: [Cell]) { rows.append(cells) }

    /// The lines, with the header first; none without rows.
    package func lines(_ style: TableStyle, indent: Int = 2) -> [String] {
        guard !rows.isEmpty else { return [] }
        let natural = heads.indices.map { column in
            let widest = rows.reduce(columns(heads[column].title)) { max($0, $1[column].width) }
            return heads[column].most < 1
                ? min(widest, max(32, Int(heads[column].most * Double(style.width)))) : widest
        }
        var shown = heads.indices.filter { natural[$0] > 0 }
        while true {
            let widths = self.widths(shown, natural, style, room: style.width - indent)
            let last = shown.max { (heads[$0].rank ?? -1) < (heads[$1].rank ?? -1) }
            guard widths == nil, let last, heads[last].rank != nil else {
                let least = shown.map { self.least($0, natural[$0]) }
                return render(Array(zip(shown, widths ?? least)), style, indent)
            }
            shown.removeAll { $0 == last }
        }
    }

    /// The least width of a column: where its cells have shorter forms, room for these, but not for a very long one.
    private func least(_ column: Int, _ natural: Int) -> Int {
        guard let least = heads[column].least else { return natural }
        let shortest = rows.reduce(columns(heads[column].title)) { width, row in
            let forms = row[column].forms
            return forms.count > 1 ? max(width, columns(forms[forms.count - 1])) : width
        }
        return min(natural, max(least, min(shortest, 2 * least)))
    }

    /// The widths of the columns shown; nil when they do not fit.
    private func widths(_ shown: [Int], _ natural: [Int], _ style: TableStyle, room: Int) -> [Int]? {
        var wanted = shown.map { natural[$0] }
        while true {
            let least = shown.indices.map { self.least(shown[$0], wanted[$0]) }
            guard let widths = ColumnWidths.fit(wanted, least: least, room: room) else { return nil }
            // Where a shorter form of words is shown, what it leaves is for the others.
            var isFinal = true
            for index in shown.indices {
                let head = columns(heads[shown[index]].title)
                let used = rows.reduce(head) { max($0, columns($1[shown[index]].form(widths[index], style))) }
                if used < widths[index] { (wanted[index], isFinal) = (used, false) }
            }
            if isFinal { return widths }
        }
    }

    private func render(_ shown: [(column: Int, width: Int)], _ style: TableStyle, _ indent: Int) -> [String] {
        let head = style.faint(line(shown, indent) { cut(heads[$0].title, $1, style) })
        return [head] + rows.map { row in line(shown, indent) { row[$0].form($1, style) } }
    }

    private func line(
        _ shown: [(column: Int, width: Int)], _ indent: Int, _ content: (_ column: Int, _ width: Int) -> String
    ) -> String {
        var text = String(repeating: " ", count: indent)
        for (column, width) in shown {
            let cell = content(column, width)
            let padding = String(repeating: " ", count: max(0, width - columns(cell)))
            text += heads[column].side == .left ? cell + padding : padding + cell
            text += "  "
        }
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}

/// How much room each of some columns gets.
enum ColumnWidths {
    static let gap = 2

    /// Takes from the widest first; nil when even the least widths do not fit.
    static func fit(_ natural: [Int], least: [Int], room: Int) -> [Int]? {
        let room = room - gap * max(0, natural.count - 1)
        guard least.reduce(0, +) <= room else { return nil }
        func widths(_ level: Int) -> [Int] {
            natural.indices.map { max(least[$0], min(natural[$0], level)) }
        }
        var (low, high) = (0, natural.max() ?? 0)
        while low < high {
            let level = (low + high + 1) / 2
            if widths(level).reduce(0, +) <= room { low = level } else { high = level - 1 }
        }
        var fitted = widths(low)
        var rest = room - fitted.reduce(0, +)
        for index in natural.indices where rest > 0 && fitted[index] < natural[index] && fitted[index] == low {
            fitted[index] += 1
            rest -= 1
        }
        return fitted
    }
}
