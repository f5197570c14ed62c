// Answers on their way out, without a socket.

import NIOCore
import Testing
import Transport

private func address(_ port: Int) throws -> DatagramAddress {
    DatagramAddress(try SocketAddress(ipAddress: "127.0.0.1", port: port))
}

/// A socket that keeps what it is given.
private final class Sent {
    /// Each datagram as it arrives, and for whom.
    var datagrams: [[UInt8]] = []
    var addresses: [DatagramAddress] = []
    var calls = 0
    var runs = 0
    var cuts = true
    /// So many more runs have room.
    var room = Int.max
    /// No datagram can be sent to it.
    var dead = DatagramAddress()

    func send(_ bytes: Span<UInt8>, _ runs: Span<DatagramOutbox.Run>) -> SendOutcome {
        calls += 1
        for index in runs.indices {
            let run = runs[index]
            let isDead = run.address == dead || !run.isSingle && !cuts
            // As the system does it: why it stopped is told only when nothing was sent.
            guard !isDead, room > 0 else { return index > 0 ? .sent(index) : isDead ? .failed : .full }
            (room, self.runs) = (room - 1, self.runs + 1)
            for start in stride(from: run.start, to: run.range.upperBound, by: run.segmentSize) {
                datagrams.append((start..<start + run.segmentSize).map { bytes[$0] })
                addresses.append(run.address)
            }
        }
        return .sent(runs.count)
    }
}

@Suite struct DatagramOutboxTests {
    private let sent = Sent()

    private func outbox(_ answers: [(bytes: [UInt8], port: Int)]) throws -> DatagramOutbox {
        var outbox = DatagramOutbox()
        for answer in answers { outbox.add(answer.bytes, to: try address(answer.port)) }
        return outbox
    }

    private func flush(_ outbox: inout DatagramOutbox, canSegment: inout Bool) -> Bool {
        outbox.flush(canSegment: &canSegment) { sent.send($0, $1) }
    }

    @Test func answersOfOneLengthToOneAddressGoTogether() throws {
        let answers: [(bytes: [UInt8], port: Int)] = [
            ([1, 1], 5), ([2, 2], 5), ([3, 3], 6), ([4, 4], 5), ([5], 5), ([6], 5), ([7, 7], 5),
        ]
        var box = try outbox(answers)
        var canSegment = true
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(isDone)
        #expect(sent.datagrams == answers.map(\.bytes))
        #expect(try sent.addresses == answers.map { try address($0.port) })
        #expect(sent.runs == 5)
        #expect(sent.calls == 1)
        #expect(box.isEmpty && box.count == 0 && box.bytes.isEmpty)
    }

    @Test func noRunIsLongerThanTheKernelTakes() throws {
        var box = try outbox((0..<300).map { ([UInt8(truncatingIfNeeded: $0)], 5) })
        #expect(box.runs.allSatisfy { $0.count <= TransportLimits.answersPerRun })
        var long = try outbox((0..<60).map { _ in ([UInt8](repeating: 1, count: 8_192), 5) })
        #expect(long.runs.allSatisfy { $0.count <= TransportLimits.runBytes })
        var canSegment = true
        let isDone = [flush(&box, canSegment: &canSegment), flush(&long, canSegment: &canSegment)]
        #expect(isDone == [true, true])
        #expect(sent.datagrams.count == 360)
    }

    @Test func whereTheKernelDoesNotCutEveryAnswerStillGoesOut() throws {
        sent.cuts = false
        var box = try outbox((0..<10).map { ([UInt8($0)], 5) })
        var canSegment = true
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(isDone)
        #expect(!canSegment, "it is not tried again")
        #expect(sent.datagrams == (0..<10).map { [UInt8($0)] })
    }

    @Test func aCallTakesNoMoreRunsThanTheKernelDoes() throws {
        let ports = (0..<150).map { 1_000 + $0 }
        var box = try outbox(ports.map { ([1], $0) })
        var canSegment = true
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(isDone)
        #expect(sent.calls == 3)
        #expect(try sent.addresses == ports.map { try address($0) })
    }

    @Test func onlyTheRunThatCannotBeCutIsTriedAgain() throws {
        sent.cuts = false
        var box = try outbox([([1], 4), ([2], 5), ([3], 5), ([4], 6)])
        var canSegment = true
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(isDone && !canSegment)
        #expect(sent.datagrams == [[1], [2], [3], [4]])
    }

    @Test func anAddressThatCannotBeReachedCostsNobodyElseAnAnswer() throws {
        sent.dead = try address(7)
        var box = try outbox([([1], 5), ([2], 7), ([3], 7), ([4], 6)])
        var canSegment = false
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(isDone)
        #expect(sent.datagrams == [[1], [4]])
    }

    @Test func aFullSocketGetsTheRestLater() throws {
        sent.room = 2
        var box = try outbox([([1], 5), ([2], 6), ([3], 7), ([4], 7)])
        var canSegment = true
        let wasFull = !flush(&box, canSegment: &canSegment)
        sent.room = .max
        let isDone = flush(&box, canSegment: &canSegment)
        #expect(wasFull && isDone)
        #expect(sent.datagrams == [[1], [2], [3], [4]])
    }
}
