// Messages in a running daemon: who sends and cancels is served one after the other, and what is due is done each second.

import Events
import Ingest
import Log
import ServiceLifecycle

/// What is asked about messages, in its order.
package final class OutboxQueue: Sendable {
    enum Job: Sendable {
        case send(MessageOrder, CheckedContinuation<MessageAnswer, Never>)
        case cancel(CancelOrder, CheckedContinuation<MessageAnswer, Never>)
        /// A second is over.
        case tick
    }

    let jobs: AsyncStream<Job>
    private let input: AsyncStream<Job>.Continuation

    package init() { (jobs, input) = AsyncStream.makeStream() }

    func send(_ order: MessageOrder) async -> MessageAnswer { await ask { .send(order, $0) } }
    func cancel(_ order: CancelOrder) async -> MessageAnswer { await ask { .cancel(order, $0) } }

    private func ask(_ job: (CheckedContinuation<MessageAnswer, Never>) -> Job) async -> MessageAnswer {
        await withCheckedContinuation { continuation in
            guard case .enqueued = input.yield(job(continuation)) else {
                return continuation.resume(returning: MessageAnswer(MessageFault(.shuttingDown)))
            }
        }
    }

    func tick() { input.yield(.tick) }
    func finish() { input.finish() }
}

/// Serves the queue.
struct OutboxService<Engine: EventLog>: NamedService {
    static var name: StaticString { "OutboxService" }
    let desk: OutboxDesk<Engine>
    let queue: OutboxQueue
    /// How often it is looked what is due: messages end to the second.
    private static var interval: Duration { .seconds(1) }

    func run() async throws {
        let (desk, queue) = (desk, queue)
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled, !Task.isShuttingDownGracefully {
                    try? await Task.sleepUnlessShuttingDown(for: Self.interval)
                    queue.tick()
                }
            }
            for await job in queue.jobs.cancelOnGracefulShutdown() { await Self.serve(job, desk) }
            group.cancelAll()
        }
        queue.finish()
        for await job in queue.jobs {
            switch job {
            case .send(_, let continuation), .cancel(_, let continuation):
                continuation.resume(returning: MessageAnswer(MessageFault(.shuttingDown)))
            case .tick: break
            }
        }
        try await gracefulShutdown()
    }

    private static func serve(_ job: OutboxQueue.Job, _ desk: OutboxDesk<Engine>) async {
        switch job {
        case .send(let order, let continuation):
            do throws(MessageFault) {
                continuation.resume(returning: try await desk.send(order))
            } catch {
                continuation.resume(returning: MessageAnswer(error))
            }
        case .cancel(let order, let continuation):
            do throws(MessageFault) {
                continuation.resume(returning: try await desk.cancel(order))
            } catch {
                continuation.resume(returning: MessageAnswer(error))
            }
        // What could not be done now is due in a second again.
        case .tick: try? await desk.settle()
        }
    }
}
