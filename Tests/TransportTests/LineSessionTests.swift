// JSON lines over TCP, and telling the protocols apart by the first byte.

import Events
import Testing
import Transport
import Wire

private func line(_ seq: Int, product: String = "kettle", value: String = "92") -> String {
    #"{"product":"\#(product)","device":"k-1","id":"1-\#(seq)","type":"preference.set","#
        + #""aspect":"temperature","value":\#(value)}"#
        + "\n"
}

@Suite struct FirstByteTests {
    @Test(arguments: ["GET / HTTP/1.1\r\n\r\n", "TDX1", "TD\n", "\u{feff}[", "[1]", "\u{16}\u{3}\u{1}"])
    func anythingElseIsRefused(_ text: String) {
        let bench = Bench()
        bench.feed(Array(text.utf8), isEnd: true)
        #expect(bench.last == .ends)
        let answer = bench.takeText()
        #expect(answer.hasPrefix(#"{"error":{"code":4002,"reason":"bad_magic","text":""#))
        #expect(answer.hasSuffix("\"}}\n"))
        #expect(bench.intake.refusals == [.badMagic])
    }

    @Test func silenceIsNoError() {
        let bench = Bench()
        bench.feed([], isEnd: true)
        #expect(bench.last == .ends)
        #expect(bench.output.isEmpty)
        #expect(bench.intake.refusals.isEmpty)
    }
}

@Suite struct LineSessionTests {
    @Test func linesAreCountedInOneAck() {
        let bench = Bench()
        bench.feed(Array((line(1) + "\r\n\n" + line(2)).utf8))
        #expect(bench.output.isEmpty)
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":4}\n")
        #expect(bench.intake.committed.map(\.seq) == [1, 2])
        bench.feed(Array(line(3).utf8))
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":5}\n")
    }

    @Test func splitAtEveryByteGivesTheSame() {
        let text = Array((" \n" + line(1) + "{\"x\":1}\r\n" + line(2) + Self.indented).utf8)
        let whole = Bench()
        whole.feed(text)
        whole.commit()
        for cut in 1..<text.count {
            let bench = Bench()
            bench.feed(Array(text[..<cut]))
            bench.feed(Array(text[cut...]))
            bench.commit()
            #expect(answers(bench) == answers(whole), "cut at \(cut)")
            #expect(bench.intake.committed == whole.intake.committed, "cut at \(cut)")
        }
        let single = Bench()
        single.feed(text, by: 1)
        single.commit()
        #expect(answers(single) == answers(whole))
        #expect(whole.intake.committed.count == 3)
    }

    /// What is answered; the verdicts on the lines of one read come after the refusals of it.
    private func answers(_ bench: Bench) -> [Substring] {
        String(decoding: bench.output, as: UTF8.self).split(separator: "\n").sorted()
    }

    /// Of a type that nobody knows, so that all of it is kept as text; and one that is no JSON, which is told where.
    private static let indented =
        "\t  " + #"{"product":"kettle","device":"k-1","id":"1-9","type":"odd","x":1}"# + "\n  {\"x\"\n"

    @Test func theLastLineNeedsNoNewlineAtTheEnd() {
        let bench = Bench()
        bench.feed(Array(line(1).dropLast().utf8))
        #expect(bench.intake.filling.isEmpty)
        bench.feed([], isEnd: true)
        #expect(bench.last == .ends)
        #expect(!bench.session.isAcknowledged)
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":1}\n")
    }

    @Test func aRefusedLineIsToldAtOnceAndHarmsNoOther() {
        let bench = Bench()
        bench.feed(
            Array((line(1) + "{\"device\":\"k-1\",\"type\":\"feature.used\",\"aspect\":\"a\"}\n" + line(2)).utf8))
        let answer = bench.takeText()
        #expect(answer.hasPrefix(#"{"error":{"line":2,"code":4012,"reason":"no_product","text":""#))
        bench.commit()
        #expect(bench.takeText() == "{\"ack\":3}\n")
        #expect(bench.intake.committed.count == 2)
    }

    @Test func quarantinedLinesAreNamed() {
        let bench = Bench()
        bench.feed(Array((line(1) + line(2, value: "null") + line(3)).utf8))
        #expect(bench.takeText().hasPrefix(#"{"quarantined":{"line":2,"code":422"#))
        bench.commit()
        #expect(bench.intake.committed.count == 3)
    }

    @Test func manyRefusalsAreSummedUp() {
        let bench = Bench()
        bench.feed(Array(String(repeating: "{}\n", count: 1_000).utf8))
        let answers = bench.takeText().split(separator: "\n")
        #expect(answers.count == 65)
        #expect(answers.last == #"{"error":{"more":936}}"#)
        #expect(bench.intake.refusals.count == 1_000)
    }

    @Test func aLineThatNeverEndsIsRefused() {
        let bench = Bench()
        let endless = Array("{\"text\":\"".utf8) + [UInt8](repeating: 0x61, count: Limits.jsonEventBytes)
        bench.feed(endless, by: 4_096)
        #expect(bench.last == .ends)
        #expect(bench.takeText().contains("\"code\":4130"))
    }

    @Test func waitsForRoomBetweenRuns() {
        let bench = Bench()
        bench.intake.isFull = true
        bench.feed(Array(line(1).utf8))
        #expect(bench.last == .needsRoom)
        bench.intake.isFull = false
        bench.feed([])
        #expect(bench.intake.filling.count == 1)
    }
}
