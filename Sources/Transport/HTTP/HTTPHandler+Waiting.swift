// Requests that wait: for whoever answers them aside of the ingest event loop, and for messages to a device.

import Admission
import Events
import NIOCore

/// What a connection knows of the request that waits for messages.
struct HTTPWaiting {
    /// The device, once the table knows of it.
    var device = DeviceID.none
    /// Whether the request came from this machine, and its answer stays there.
    var isOfThisMachine = false
    /// Ends the request.
    var end: Scheduled<Void>?
    /// Whether what has come is to be sent at the end of this turn of the loop.
    var isFlushing = false
}

extension HTTPHandler {
    /// Has a question answered aside of the ingest event loop.
    func ask(_ asked: (number: UInt64, route: Int, question: HTTPQuestion)) {
        guard let answer = routes.all[asked.route].service.answer else { return }
        let (question, number) = (asked.question, asked.number)
        let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
        table.eventLoop.makeFutureWithTask { await answer(question) }.whenSuccess { reply in
            handler.value.answered(number, reply)
        }
    }

    private func answered(_ number: UInt64, _ reply: HTTPReply) {
        guard !life.isClosed else { return }
        session.answered(number, reply, in: ingest, output: &ingest.output)
        goOn()
    }

    // MARK: Messages

    var device: DeviceID { waiting.device }

    /// A device waits for its messages. What it says to have goes to the log before the table hears of the device, so
    /// that it is not offered once more.
    func begin(_ wait: HTTPDownWait) {
        release()
        waiting.isOfThisMachine = wait.isOfThisMachine
        for id in wait.received { ingest.note(TransportReceipt(wait.device, id)) }
        table.readEnds()
        let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
        table.eventLoop.execute { handler.value.register(wait.device) }
        guard let seconds = wait.seconds else { return }
        let time = max(TimeAmount.seconds(Int64(seconds)), .milliseconds(HTTPLimits.leastPollMilliseconds))
        waiting.end = table.eventLoop.scheduleTask(in: time) { handler.value.endDown() }
    }

    private func register(_ device: DeviceID) {
        guard !life.isClosed, session.awaitedDevice == device, self.device == .none else { return }
        table.register(self, as: device)
        waiting.device = device
    }

    /// Nobody waits here any more.
    private func release() {
        waiting.end?.cancel()
        waiting.end = nil
        guard device != .none else { return }
        table.release(self)
        waiting.device = .none
    }

    var isPrivate: Bool { isEncrypted || waiting.isOfThisMachine }

    func push(_ message: DownEnvelope) -> Bool {
        guard !life.isClosed, session.push(message, output: &ingest.output) else { return false }
        if session.isStreaming {
            finish()
        } else if !waiting.isFlushing {
            // What is sent down together comes in one answer.
            waiting.isFlushing = true
            let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
            table.eventLoop.execute { handler.value.flush() }
        }
        return true
    }

    private func flush() {
        waiting.isFlushing = false
        guard !life.isClosed else { return }
        session.flushDown(in: ingest, output: &ingest.output)
        settleDown()
    }

    /// Another connection is the device's now.
    func loses(_ device: DeviceID) {
        if device == self.device { endDown() }
    }

    /// Whatever has come for it: the request that waits is answered.
    func endDown() {
        guard !life.isClosed, session.awaitedDevice != nil else { return }
        session.endDown(in: ingest, output: &ingest.output)
        settleDown()
    }

    private func settleDown() {
        if session.awaitedDevice == nil { release() }
        goOn()
    }
}
