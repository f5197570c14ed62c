// Reads Swift source just well enough to measure it: what is code, and where functions begin and end.

/// The source with comments and the contents of strings turned into blanks, line breaks kept, so that whatever is
/// found in it is code. Code inside string interpolations is blanked as well.
func blanked(_ source: String) -> [UInt8] {
    var blanker = Blanker(bytes: Array(source.utf8))
    return blanker.run()
}

private struct Blanker {
    let bytes: [UInt8]
    var index = 0
    var output: [UInt8] = []

    init(bytes: [UInt8]) {
        self.bytes = bytes
        output.reserveCapacity(bytes.count)
    }

    mutating func run() -> [UInt8] {
        while index < bytes.count {
            if starts("//") {
                while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { blank() }
            } else if starts("/*") {
                blankComment()
            } else if bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "#") {
                blankStringIfAny()
            } else {
                output.append(bytes[index])
                index += 1
            }
        }
        return output
    }

    private func starts(_ word: StaticString, at start: Int? = nil) -> Bool {
        let start = start ?? index
        let word = Array(word.description.utf8)
        return start + word.count <= bytes.count && bytes[start..<start + word.count].elementsEqual(word)
    }

    private mutating func blank() {
        output.append(bytes[index] == UInt8(ascii: "\n") ? bytes[index] : UInt8(ascii: " "))
        index += 1
    }

    private mutating func blankComment() {
        var depth = 0
        repeat {
            if starts("/*") {
                depth += 1
                blank()
            } else if starts("*/") {
                depth -= 1
                blank()
            }
            blank()
        } while depth > 0 && index < bytes.count
    }

    /// At `"` or `#`: blanks a string literal with any number of `#` before it; passes anything else on.
    private mutating func blankStringIfAny() {
        var hashes = 0
        while index + hashes < bytes.count, bytes[index + hashes] == UInt8(ascii: "#") { hashes += 1 }
        guard index + hashes < bytes.count, bytes[index + hashes] == UInt8(ascii: "\"") else {
            for _ in 0..<max(hashes, 1) {
                output.append(bytes[index])
                index += 1
            }
            return
        }
        let isLong = starts("\"\"\"", at: index + hashes)
        for _ in 0..<hashes + (isLong ? 3 : 1) { blank() }
        let quotes = isLong ? 3 : 1
        while index < bytes.count {
            if isEscape(hashes: hashes) {
                for _ in 0..<hashes + 1 { blank() }
                if index < bytes.count, bytes[index] == UInt8(ascii: "(") { blankInterpolation() } else { blank() }
            } else if isEnd(quotes: quotes, hashes: hashes) {
                for _ in 0..<quotes + hashes { blank() }
                return
            } else {
                blank()
            }
        }
    }

    private func isEscape(hashes: Int) -> Bool {
        bytes[index] == UInt8(ascii: "\\") && index + hashes + 1 < bytes.count
            && bytes[(index + 1)..<(index + 1 + hashes)].allSatisfy { $0 == UInt8(ascii: "#") }
    }

    private func isEnd(quotes: Int, hashes: Int) -> Bool {
        index + quotes + hashes <= bytes.count
            && bytes[index..<index + quotes].allSatisfy { $0 == UInt8(ascii: "\"") }
            && bytes[(index + quotes)..<(index + quotes + hashes)].allSatisfy { $0 == UInt8(ascii: "#") }
    }

    private mutating func blankInterpolation() {
        var depth = 0
        repeat {
            if bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "#") {
                let kept = output.count
                blankStringIfAny()
                for at in kept..<output.count where output[at] != UInt8(ascii: "\n") { output[at] = UInt8(ascii: " ") }
                continue
            }
            if bytes[index] == UInt8(ascii: "(") { depth += 1 }
            if bytes[index] == UInt8(ascii: ")") { depth -= 1 }
            blank()
        } while depth > 0 && index < bytes.count
    }
}

/// A function, initialiser, deinitialiser or subscript with a body.
struct FunctionExtent: Equatable {
    /// 1-based.
    let firstLine: Int
    let lineCount: Int
}

/// All functions, initialisers, deinitialisers and subscripts that have a body, in order of their first line.
func functions(inBlanked code: [UInt8]) -> [FunctionExtent] {
    var found: [FunctionExtent] = []
    var line = 1
    var index = 0
    while index < code.count {
        if code[index] == UInt8(ascii: "\n") { line += 1 }
        let isStart = index == 0 || !isWordByte(code[index - 1])
        if isStart, let after = declarationKeyword(code, at: index),
            let end = endOfBody(code, from: after)
        {
            let lines = code[index...end].reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
            found.append(FunctionExtent(firstLine: line, lineCount: lines))
        }
        index += 1
    }
    return found
}

/// The lines (1-based) on which a word stands alone in the code, once for each time.
func lines(of word: String, inBlanked code: [UInt8]) -> [Int] {
    let wanted = Array(word.utf8)
    guard let first = wanted.first, let last = wanted.last, code.count >= wanted.count else { return [] }
    var found: [Int] = []
    var line = 1
    for index in code.indices {
        if code[index] == UInt8(ascii: "\n") { line += 1 }
        guard code[index] == first, index + wanted.count <= code.count,
            code[index..<index + wanted.count].elementsEqual(wanted)
        else { continue }
        if isWordByte(first), index > 0, isWordByte(code[index - 1]) { continue }
        let after = index + wanted.count
        if isWordByte(last), after < code.count, isWordByte(code[after]) { continue }
        found.append(line)
    }
    return found
}

private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
    default: byte >= 0x80
    }
}

/// The index after `func`, `init`, `deinit` or `subscript` when a declaration of one starts here.
private func declarationKeyword(_ code: [UInt8], at index: Int) -> Int? {
    for keyword in ["func", "deinit", "init", "subscript"] {
        let word = Array(keyword.utf8)
        let after = index + word.count
        guard after < code.count, code[index..<after].elementsEqual(word) else { continue }
        if keyword == "func" || keyword == "deinit" { return code[after] == UInt8(ascii: " ") ? after : nil }
        // `.init(` is a call, `self.init(` too; a declaration is followed by its parameters.
        if index > 0, code[index - 1] == UInt8(ascii: ".") { return nil }
        return [UInt8(ascii: "("), UInt8(ascii: "?"), UInt8(ascii: "<")].contains(code[after]) ? after : nil
    }
    return nil
}

/// The index of the brace that closes the body of the declaration whose name ends before `start`; nil if it has none.
private func endOfBody(_ code: [UInt8], from start: Int) -> Int? {
    var index = start
    var parentheses = 0
    while index < code.count {
        switch code[index] {
        case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
        case UInt8(ascii: "{") where parentheses == 0: return closingBrace(code, from: index)
        case UInt8(ascii: "}") where parentheses == 0: return nil
        case UInt8(ascii: "\n") where parentheses == 0:
            if !continues(code, from: index + 1) { return nil }
        default: break
        }
        index += 1
    }
    return nil
}

/// Whether the next line belongs to the same declaration.
private func continues(_ code: [UInt8], from start: Int) -> Bool {
    var index = start
    while index < code.count, code[index] == UInt8(ascii: " ") || code[index] == UInt8(ascii: "\n") { index += 1 }
    let rest = code[index...].prefix(8)
    return ["{", "where ", "throws", "async", "->", ")"].contains { rest.starts(with: Array($0.utf8)) }
}

private func closingBrace(_ code: [UInt8], from start: Int) -> Int? {
    var depth = 0
    for index in start..<code.count {
        if code[index] == UInt8(ascii: "{") { depth += 1 }
        if code[index] == UInt8(ascii: "}") {
            depth -= 1
            if depth == 0 { return index }
        }
    }
    return nil
}
