// Comma-separated values that a spreadsheet can open without being tricked. All CSV of the program is made here.

/// One line of RFC 4180, with its line end.
///
/// A cell that a spreadsheet would take for a formula gets an apostrophe in front, unless it is a number.
package func csvLine(_ cells: [String]) -> String { cells.map(csvCell).joined(separator: ",") + "\r\n" }

/// One cell.
package func csvCell(_ text: String) -> String {
    var cell = text
    if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), !isPlainNumber(text) {
        cell = "'" + text
    }
    guard cell.unicodeScalars.contains(where: { "\",\n\r".unicodeScalars.contains($0) }) else { return cell }
    var quoted = "\""
    for scalar in cell.unicodeScalars {
        if scalar == "\"" { quoted += "\"" }
        quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
}

private func isPlainNumber(_ text: String) -> Bool {
    text.utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || "+-.eE".utf8.contains($0) } && Double(text) != nil
}
