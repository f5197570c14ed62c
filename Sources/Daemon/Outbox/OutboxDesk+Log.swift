// What the desk tells the log and is told by the fold: what is due, and what admission knows of messages.

import Admission
import Events
import Ingest
import Log
import NIOCore
import Projection

extension OutboxDesk {
    /// Tells the log what is due: whom messages go to, and which are over.
    func settle() async throws(MessageFault) {
        for _ in 0..<1_000 {
            try await waitForFold()
            let now = storage.now
            let decided = try await ask { $0.decide(at: now) }
            guard !decided.isEmpty else { return }
            try await append { _ throws(MessageFault) in decided }
        }
    }

    /// Tells admission of all messages that the log has had, as soon as they are folded, so that it can check what
    /// names one.
    /// - Returns: whether that is done.
    func fillAdmission() async -> Bool {
        guard await storage.projector.offset >= storage.headAtStart else { return false }
        guard let all = await storage.projector.ask({ $0.knownMessages(questions: AdmissionLimits.questions) }) else {
            return false
        }
        let read = all.map { ($0.id, $0.product, QuestionForm($0.question, .question)) }
        await onLoop { pipeline in
            let known = read.map { KnownMessages.Known($0.0, $0.1, $0.2?.known(&pipeline.vocabulary)) }
            pipeline.messages.replace(with: known)
        }
        return true
    }

    /// Whether any message is not over; no, as long as that is not known.
    var hasOpenMessages: Bool { get async { await storage.projector.ask { $0.hasOpenMessages } ?? false } }

    /// Tells the log what has become of messages on their way; it is folded on return.
    func tell(_ batch: EventBatch) async throws(MessageFault) {
        try await append { _ throws(MessageFault) in batch }
        try await waitForFold()
    }

    func ask<Answer: Sendable>(
        _ body: @Sendable (borrowing SummaryState) -> Answer
    ) async throws(MessageFault) -> Answer {
        guard let answer = await storage.projector.ask(body) else {
            throw MessageFault(.busy, "the summaries are being read; try again in a moment")
        }
        return answer
    }

    func onLoop<Answer: Sendable>(_ body: @escaping @Sendable (Pipeline) -> Answer) async -> Answer {
        await ingest.withListeners { pipeline, _ in body(pipeline) }
    }

    /// Appends events that are made on the ingest loop; durable on return.
    func append(
        _ make: @escaping @Sendable (Pipeline) throws(MessageFault) -> EventBatch
    ) async throws(MessageFault) {
        let pipeline = ingest.pipeline
        let limit = ContinuousClock.now + DaemonLimits.addressingTimeout
        do {
            while true {
                let isStored = try await ingest.eventLoop.flatSubmit { () -> EventLoopFuture<Bool> in
                    guard pipeline.value.hasRoom() else { return pipeline.value.loop.makeSucceededFuture(false) }
                    do {
                        let batch = try make(pipeline.value)
                        return pipeline.value.append(own: batch)?.map { true }
                            ?? pipeline.value.loop.makeSucceededFuture(false)
                    } catch {
                        return pipeline.value.loop.makeFailedFuture(error)
                    }
                }.get()
                if isStored { return }
                guard ContinuousClock.now < limit else { throw MessageFault(.busy) }
                try await Task.sleep(for: .milliseconds(5))
            }
        } catch let fault as MessageFault {
            throw fault
        } catch {
            throw MessageFault(.storageUnavailable)
        }
    }

    /// Returns when everything is folded that the log has now.
    func waitForFold() async throws(MessageFault) {
        let head = await storage.log.head
        let limit = ContinuousClock.now + DaemonLimits.addressingTimeout
        while await storage.projector.offset < head {
            guard ContinuousClock.now < limit else {
                throw MessageFault(.busy, "the summaries are behind the log; it goes on by itself")
            }
            do { try await Task.sleep(for: .milliseconds(1)) } catch { throw MessageFault(.shuttingDown) }
        }
    }
}
