// Numbers, times and words as people read them; nothing that could harm a terminal or a spreadsheet.

import Bytes
package import Events

/// How often something was: `once`, or `1,234 times`.
func times(_ number: some BinaryInteger) -> String { number == 1 ? "once" : "\(grouped(number)) times" }

/// `1,234,567`
package func grouped(_ number: some BinaryInteger) -> String {
    var digits = Array(String(number).utf8)
    var index = digits.count - 3
    let first = digits.first == UInt8(ascii: "-") ? 1 : 0
    while index > first {
        digits.insert(UInt8(ascii: ","), at: index)
        index -= 3
    }
    return String(decoding: digits, as: UTF8.self)
}

/// A number with a fixed count of decimals, half away from zero: `3.74`. Very large or small ones as they are.
package func fixed(_ number: Double, _ decimals: Int) -> String {
    guard number.magnitude < 1e15 else { return "\(number)" }
    let scale = [1, 10, 100, 1_000, 10_000][min(max(decimals, 0), 4)]
    let scaled = Int64((number.magnitude * Double(scale)).rounded(.toNearestOrAwayFromZero))
    let sign = number < 0 && scaled > 0 ? "-" : ""
    let whole = grouped(scaled / Int64(scale))
    guard decimals > 0 else { return sign + whole }
    let rest = String(scaled % Int64(scale))
    return sign + whole + "." + String(repeating: "0", count: min(decimals, 4) - rest.count) + rest
}

/// A number in up to four digits, without trailing zeros: `92`, `92.5`, `0.0012`.
package func short(_ number: Double) -> String {
    let magnitude = number.magnitude
    if magnitude >= 1e15 || (magnitude > 0 && magnitude < 0.001) { return "\(number)" }
    var text = fixed(number, magnitude >= 1_000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 1 ? 2 : 4)
    guard text.contains(".") else { return text }
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
}

/// `38.9 %`
package func percent(_ share: Double) -> String { fixed(share * 100, 1) + " %" }

/// `2026-01-31T12:00:00.000Z`
package func rfc3339(_ time: Timestamp) -> String {
    var text: [UInt8] = []
    appendRFC3339(time.rawValue, to: &text)
    return String(decoding: text, as: UTF8.self)
}

/// A text with everything escaped that would move a terminal's cursor, colour it or turn its direction.
package func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isHidden) else { return text }
    var shown = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": shown += "\\n"
        case "\r": shown += "\\r"
        case "\t": shown += "\\t"
        case _ where isHidden(scalar): shown += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return shown
}

private func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value >= 0x20, scalar.value < 0x7f { return false }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
    // What looks like nothing at all, and hides in a name.
    default: [0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0].contains(scalar.value)
    }
}

/// The number of terminal columns that a text takes.
package func columns(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { $0 + columns($1) }
}

/// As wcwidth(3) has it: marks take none, East Asian wide characters and pictures two.
private func columns(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    switch scalar.value {
    case 0x1160...0x11ff, 0xd7b0...0xd7ff: return 0
    case 0x303f, 0x1f1e6...0x1f1ff: return 1
    case 0x1100...0x115f, 0x2e80...0xa4cf, 0xa960...0xa97c, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
        0xff00...0xff60, 0xffe0...0xffe6, 0x16fe0...0x18cff, 0x1b000...0x1b2ff, 0x1f200...0x1f2ff, 0x20000...0x3fffd:
        return 2
    default: return scalar.properties.isEmojiPresentation ? 2 : 1
    }
}

/// A text cut to so many columns.
package func cut(_ text: String, _ width: Int, _ style: TableStyle) -> String {
    guard columns(text) > width else { return text }
    let ellipsis = columns(style.ellipsis) <= width ? style.ellipsis : ""
    return beginning(of: text, max(0, width - columns(ellipsis))) + ellipsis
}

/// What of a text takes up to so many columns.
package func beginning(of text: String, _ width: Int) -> Substring {
    var used = 0
    return text.prefix { character in
        used += columns(String(character))
        return used <= width
    }
}

/// Parts in as few lines as the terminal has room for, broken between parts; a part that is too long is cut.
func folded(_ parts: [String], _ separator: String, _ style: TableStyle) -> [String] {
    var lines: [String] = []
    for part in parts {
        let part = cut(part, style.width, style)
        guard let last = lines.last else {
            lines.append(part)
            continue
        }
        if columns(last) + columns(separator) + columns(part) <= style.width {
            lines[lines.count - 1] = last + separator + part
        } else {
            if separator == ", ", columns(last) < style.width { lines[lines.count - 1] = last + "," }
            lines.append(part)
        }
    }
    return lines
}

/// A bar of a share from 0 to 1, so many cells wide.
func bar(_ share: Double, _ width: Int, _ style: TableStyle) -> String {
    let share = min(1, max(0, share.isFinite ? share : 0))
    guard style.isUnicode else {
        let full = Int((share * Double(width)).rounded())
        return String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
    }
    let eighths = Int((share * Double(width * 8)).rounded())
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let text = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    return text + String(repeating: " ", count: width - columns(text))
}

/// A histogram in one line: `▁▂▅█▇`, or its shares in percent where there are no block characters.
func histogram(_ counts: [Int], _ style: TableStyle) -> String {
    let most = counts.max() ?? 0
    let whole = counts.reduce(0, +)
    guard most > 0 else { return "" }
    guard style.isUnicode else {
        return counts.map { fixed(Double($0) * 100 / Double(whole), 0) }.joined(separator: "/")
    }
    let steps = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    return counts.map { $0 == 0 ? " " : steps[($0 * 8 + most - 1) / most - 1] }.joined()
}
