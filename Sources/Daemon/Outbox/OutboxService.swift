// Messages in a running daemon: who sends and cancels is served in order, and what is due is done each second.

import Events
import Ingest
import Log
import ServiceLifecycle
import Synchronization
import Transport

/// What is asked about messages, in its order.
package final class OutboxQueue: Sendable {
    enum Job: Sendable {
        case send(MessageOrder, CheckedContinuation<MessageAnswer, Never>)
        case cancel(CancelOrder, CheckedContinuation<MessageAnswer, Never>)
        /// A device has connected.
        case contact(DeviceID)
        /// A connection asks how a device is to stand.
        case state(DeviceID)
        /// Protocols have learnt something of messages.
        case receipts([TransportReceipt])
        /// A second is over.
        case tick
    }

    let jobs: AsyncStream<Job>
    private let input: AsyncStream<Job>.Continuation

    /// Whether messages are open: otherwise nobody asks who connects.
    private let isAwaiting = Atomic(false)

    package init() { (jobs, input) = AsyncStream.makeStream() }

    /// Takes note that a device has connected.
    func contact(_ device: DeviceID) {
        if isAwaiting.load(ordering: .relaxed) { input.yield(.contact(device)) }
    }

    /// Takes note of what protocols have learnt of messages.
    func note(_ receipts: [TransportReceipt]) { input.yield(.receipts(receipts)) }

    /// Takes note that a connection asks how a device is to stand.
    func wantState(of device: DeviceID) { input.yield(.state(device)) }

    func awaitContacts(_ isAwaiting: Bool) { self.isAwaiting.store(isAwaiting, ordering: .relaxed) }

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
    let delivery: OutboxDelivery<Engine>
    let queue: OutboxQueue
    /// How often it is looked what is due: messages end to the second.
    private static var interval: Duration { .seconds(1) }

    func run() async throws {
        let queue = queue
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled, !Task.isShuttingDownGracefully {
                    try? await Task.sleepUnlessShuttingDown(for: Self.interval)
                    queue.tick()
                }
            }
            // What was open before the start waits for nobody's second.
            await deliver()
            for await job in queue.jobs.cancelOnGracefulShutdown() { await serve(job) }
            group.cancelAll()
        }
        queue.finish()
        for await job in queue.jobs {
            switch job {
            case .send(_, let continuation), .cancel(_, let continuation):
                continuation.resume(returning: MessageAnswer(MessageFault(.shuttingDown)))
            case .tick, .contact, .state, .receipts: break
            }
        }
        try await gracefulShutdown()
    }

    private func serve(_ job: OutboxQueue.Job) async {
        switch job {
        case .send(let order, let continuation):
            do throws(MessageFault) {
                continuation.resume(returning: try await desk.send(order))
                await deliver()
            } catch {
                continuation.resume(returning: MessageAnswer(error))
            }
        case .cancel(let order, let continuation):
            do throws(MessageFault) {
                continuation.resume(returning: try await desk.cancel(order))
                await delivery.tellChanges()
            } catch {
                continuation.resume(returning: MessageAnswer(error))
            }
        case .contact(let device): await delivery.contact(device)
        case .state(let device): await delivery.tellState(of: device)
        case .receipts(let receipts):
            let told = await delivery.events(of: receipts)
            guard !told.isEmpty, (try? await desk.tell(told)) != nil else { return }
            let devices = Array(Set(receipts.map(\.device)))
            await delivery.publishWaiting(for: devices)
            await delivery.proceed(devices)
        // What could not be done now is due in a second again.
        case .tick:
            try? await desk.settle()
            await deliver()
        }
    }

    /// Gives the connected what is due, while anything is open.
    private func deliver() async {
        await delivery.tellChanges()
        let isOpen = await desk.hasOpenMessages
        queue.awaitContacts(isOpen)
        await delivery.publishWaiting(isOpen: isOpen)
        guard isOpen else { return }
        let told = await delivery.round()
        if !told.isEmpty { try? await desk.tell(told) }
    }
}
