// Which handshakes are under way, and which must wait: a handshake costs the loop as much as a thousand events.

import NIOCore
import TLS

/// Begins handshakes in the order in which clients have asked for them, at most so many at one time, and never more
/// than every other moment: what a handshake has taken of the loop's time, the connections that are open get next.
///
/// Confined to the ingest event loop.
final class HandshakeQueue {
    private let eventLoop: any EventLoop
    private let ingest: IngestContext
    /// Those under way, oldest first.
    private var underWay: [TLSHandshake] = []
    private var waiting = CircularBuffer<TLSHandshake>()
    /// The loop belongs to others until then.
    private var mayBegin = NIODeadline.uptimeNanoseconds(0)
    private var timer: Scheduled<Void>?
    private var isServing = false
    private var figures = TLSCounts()

    /// What a stalled thread may cost the next handshake at most.
    private static let longestRest = TimeAmount.milliseconds(5)

    init(ingest: IngestContext, eventLoop: any EventLoop) { (self.ingest, self.eventLoop) = (ingest, eventLoop) }

    var counts: TLSCounts {
        var counts = figures
        counts.underWay = underWay.count
        counts.waiting = waiting.count(where: \.isWaiting)
        return counts
    }

    func note(_ failure: TLSFailure) { figures.note(failure) }

    /// A client has sent the beginning of a handshake.
    func enter(_ handshake: TLSHandshake) {
        waiting.append(handshake)
        serve()
        if handshake.isWaiting { figures.delayed += 1 }
    }

    /// A handshake is over, or its connection is.
    func leave(_ handshake: TLSHandshake, isCompleted: Bool) {
        if isCompleted { figures.completed += 1 }
        guard let index = underWay.firstIndex(where: { $0 === handshake }) else { return }
        underWay.remove(at: index)
        serve()
    }

    private func serve() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while let next = waiting.first {
            guard next.isWaiting else {
                waiting.removeFirst()
                continue
            }
            let start = NIODeadline.now()
            guard start >= mayBegin else { return serve(at: mayBegin) }
            if underWay.count >= ingest.settings.handshakesAtOnce {
                let due = underWay[0].began + .seconds(TLSLimits.givesWaySeconds)
                guard start >= due else { return serve(at: due) }
                underWay.removeFirst().fail(.gaveWay)
            }
            waiting.removeFirst()
            underWay.append(next)
            next.begin(at: start)
            let end = NIODeadline.now()
            mayBegin = end + min(end - start, Self.longestRest)
        }
    }

    private func serve(at time: NIODeadline) {
        timer?.cancel()
        let queue = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: time) {
            queue.value.timer = nil
            queue.value.serve()
        }
    }
}
