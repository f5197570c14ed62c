// Small bodies that hold much: they cost others no more than a turn, and end where they are of no use.

import Events
import Testing
import Transport

private let lines = "application/x-ndjson"

@Suite struct HTTPPackedTests {
    private func event(_ seq: Int) -> String { httpEvent(seq) + "\n" }

    /// Each look at the clock of this bench finds it a millisecond later.
    private func bench() -> HTTPBench {
        let bench = HTTPBench()
        var now: UInt64 = 1_000_000_000
        bench.ingest.uptime = {
            now += 1_000_000
            return now
        }
        return bench
    }

    /// A packed body lets others have their turn, and nothing of it is lost by that.
    @Test func othersHaveTheirTurn() throws {
        let bench = bench()
        let text = event(1) + String(repeating: "\n", count: 2 << 20) + event(2)
        bench.post(lines, gzipped(Array(text.utf8)), ["Content-Encoding": "gzip"])
        bench.commit()
        let answer = try bench.one()
        #expect(answer.status == 200 && answer.count("stored") == 2, "\(answer.body)")
        // 33 pieces, of which each has the clock looked at once.
        #expect(bench.turns >= 5)
    }

    /// The same of a body that is read whole.
    @Test func aWholeBodyToo() throws {
        let bench = bench()
        let text = "[" + httpEvent(1) + String(repeating: " ", count: 900_000) + "]"
        bench.post("application/json", gzipped(Array(text.utf8)), ["Content-Encoding": "gzip"])
        bench.commit()
        #expect(try bench.one().count("stored") == 1)
        #expect(bench.turns >= 2)
    }

    /// The turns are such that sockets are read between them, whatever the number of requests that want one.
    @Test(.timeLimit(.minutes(2))) func othersAreReadInBetween() async throws {
        let packed = gzipped([UInt8](repeating: UInt8(ascii: "\n"), count: 63 << 20))
        let head = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: \(lines)\r\n"
        let bomb = Array("\(head)Content-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n".utf8) + packed
        let body = httpEvent(1)
        let honest = Array("\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
        let (bombsEnd, honestEnds) = try await Station.with(.http()) { station in
            try await withThrowingTaskGroup(of: (isBomb: Bool, end: ContinuousClock.Instant).self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let answers = HTTPTestAnswer.all(try await station.exchange(bomb))
                        #expect(answers.map(\.status) == [200])
                        return (true, .now)
                    }
                }
                group.addTask {
                    try await Task.sleep(for: .milliseconds(30))
                    for _ in 0..<5 {
                        let answers = HTTPTestAnswer.all(try await station.exchange(honest))
                        #expect(answers.map(\.status) == [200])
                    }
                    return (false, .now)
                }
                var ends: [(isBomb: Bool, end: ContinuousClock.Instant)] = []
                for try await end in group { ends.append(end) }
                return (ends.filter(\.isBomb).map(\.end).max(), ends.first { !$0.isBomb }?.end)
            }
        }
        #expect(try #require(honestEnds) < #require(bombsEnd))
    }

    /// What was good before is stored, and the last entry says where reading ended.
    @Test(arguments: [HTTPLimits.refusedLines, 1_000_000])
    func linesThatAreNoGoodEnd(_ count: Int) throws {
        let bench = HTTPBench()
        let text = event(1) + String(repeating: "x\n", count: count) + event(2)
        bench.post(lines, gzipped(Array(text.utf8)), ["Content-Encoding": "gzip"])
        bench.commit()
        let answer = try bench.one()
        guard count > HTTPLimits.refusedLines else {
            #expect(answer.status == 200 && answer.count("stored") == 2)
            return
        }
        #expect(answer.status == 413 && answer.count("stored") == 1, "\(answer.status)")
        let last = try #require(answer.list("refused").last)
        #expect(last["reason"] as? String == "too_many_events")
        let index = try #require(last["index"] as? Int)
        #expect(index > HTTPLimits.refusedLines && index < HTTPLimits.refusedLines + 1_000)
        #expect(answer.count("received") == index + 1)
        #expect(answer.count("more") == index - answer.list("refused").count)
        #expect(bench.isBalanced)
    }
}
