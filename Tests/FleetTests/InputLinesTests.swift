// Lines are cut out of whatever comes, numbered as an editor would, and none takes more memory than an event may.

import Events
import Fleet
import Testing

@Suite struct InputLinesTests {
    /// What comes out of bytes that come in pieces of one size.
    private func lines(_ bytes: [UInt8], pieces: Int) -> [InputLine] {
        var input = InputLines()
        var lines: [InputLine] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            input.append(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
            while let line = input.next() { lines.append(line) }
        }
        input.finish()
        while let line = input.next() { lines.append(line) }
        return lines
    }

    @Test(arguments: [1, 2, 3, 5, 1_000])
    func blankLinesAreNumberedAndNothingElse(pieces: Int) {
        let bytes: [UInt8] = [0xef, 0xbb, 0xbf] + Array("a\n\n \t\r\n  b \r\n\u{feff}c\nlast".utf8)
        let found = lines(bytes, pieces: pieces)
        #expect(found.map(\.number) == [1, 4, 5, 6])
        #expect(found.map { String(decoding: $0.bytes, as: UTF8.self) } == ["a", "b", "\u{feff}c", "last"])
        #expect(found.allSatisfy { !$0.isTooLong })
    }

    @Test(arguments: [[], [0xef], [0xef, 0xbb], Array("\n\n".utf8)] as [[UInt8]])
    func almostNothing(bytes: [UInt8]) {
        let found = lines(bytes, pieces: 1)
        #expect(found.count == (bytes.first == 0xef ? 1 : 0))
    }

    @Test(arguments: [4_096, 65_536, 1_000_000])
    func theLongestLineAndOneThatIsLonger(pieces: Int) {
        let longest = [UInt8](repeating: 0x61, count: Limits.jsonEventBytes)
        let bytes = longest + Array("\r\n".utf8) + longest + Array("b\nc\n".utf8) + longest + longest
        let found = lines(bytes, pieces: pieces)
        #expect(found.map(\.number) == [1, 2, 3, 4])
        #expect(found.map(\.isTooLong) == [false, true, false, true])
        #expect(found[0].bytes.count == Limits.jsonEventBytes)
        #expect(String(decoding: found[2].bytes, as: UTF8.self) == "c")
    }

    @Test func aLineWithoutEndIsToldAtOnceAndNotKept() {
        var input = InputLines()
        let piece = [UInt8](repeating: 0x61, count: 1 << 16)
        input.append(piece)
        let first = input.next()
        #expect(first?.number == nil)
        var told = 0
        for _ in 0..<100 {
            input.append(piece)
            while let line = input.next() { told += line.isTooLong ? 1 : 0 }
        }
        #expect(told == 1)
        input.append(Array("\nafter\n".utf8))
        let line = input.next()
        #expect(line?.number == 2)
        #expect(line.map { String(decoding: $0.bytes, as: UTF8.self) } == "after")
    }
}
