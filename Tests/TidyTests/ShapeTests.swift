// How long files, functions and lines may be, and how a file begins.

import Testing

@Suite struct ShapeTests {
    static let softFileLines = 400
    static let hardFileLines = 600
    static let functionLines = 70
    static let columns = 120

    /// Files that are longer than `softFileLines`, and the length that they must not exceed. The list may shrink only:
    /// a file that has become short enough leaves it.
    static let longFiles: [String: Int] = [:]

    @Test(arguments: Repository.sources + Repository.tests)
    func fileIsShort(_ file: TextFile) {
        let count = file.lines.count - 1
        let ceiling = Self.longFiles[file.path] ?? Self.softFileLines
        #expect(count <= Self.hardFileLines, "\(file.path) has \(count) lines; split it")
        #expect(count <= ceiling, "\(file.path) has \(count) lines; split it, or say so in ShapeTests.longFiles")
    }

    @Test func listOfLongFilesIsTrue() {
        let lengths = Dictionary(uniqueKeysWithValues: (Repository.sources + Repository.tests).map { ($0.path, $0) })
        for (path, ceiling) in Self.longFiles {
            #expect(ceiling > Self.softFileLines && ceiling <= Self.hardFileLines, "\(path)")
            let count = (lengths[path]?.lines.count ?? 1) - 1
            #expect(count > Self.softFileLines, "\(path) is no longer long: take it off the list")
        }
    }

    @Test(arguments: Repository.swift)
    func functionsAreShort(_ file: TextFile) {
        for function in functions(inBlanked: blanked(file.text)) where function.lineCount > Self.functionLines {
            Issue.record("\(file.path):\(function.firstLine): \(function.lineCount) lines")
        }
    }

    @Test(arguments: Repository.swift + Repository.scripts)
    func linesAreNarrow(_ file: TextFile) {
        for (index, line) in file.lines.enumerated() where line.count > Self.columns {
            Issue.record("\(file.path):\(index + 1): \(line.count) columns")
        }
    }

    @Test(arguments: Repository.swift)
    func fileSaysWhatItIsFor(_ file: TextFile) {
        let first = file.lines.first ?? ""
        #expect(first.hasPrefix("// ") && first.count > 10, "\(file.path) must begin with one sentence on its purpose")
        #expect(file.text.hasSuffix("\n") && !file.text.hasSuffix("\n\n"), "\(file.path) must end in one line break")
    }
}
