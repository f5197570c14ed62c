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
        /// Devices have connected, or have answered.
        case devices
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
    /// The devices of the next job `devices`: each stands here once, however often it connects.
    private let waiting = Mutex(WaitingDevices())

    struct WaitingDevices: Sendable {
        var connected: Set<DeviceID> = []
        var heard: Set<DeviceID> = []
        var isEmpty: Bool { connected.isEmpty && heard.isEmpty }
    }

    package init() { (jobs, input) = AsyncStream.makeStream() }

    /// Takes note that a device has connected.
    func contact(_ device: DeviceID) {
        guard isAwaiting.load(ordering: .relaxed) else { return }
        note { $0.connected.insert(device) }
    }

    /// Takes note that devices have answered to messages, and that their answers are folded.
    func heard(_ devices: [DeviceID]) { note { $0.heard.formUnion(devices) } }

    private func note(_ body: (inout WaitingDevices) -> Void) {
        let isFirst = waiting.withLock { waiting in
            let isFirst = waiting.isEmpty
            body(&waiting)
            return isFirst
        }
        if isFirst { input.yield(.devices) }
    }

    func takeDevices() -> WaitingDevices {
        waiting.withLock { waiting in
            defer { waiting = WaitingDevices() }
            return waiting
        }
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
            await serve(.tick)
            var isAdmissionFilled = false
            for await job in queue.jobs.cancelOnGracefulShutdown() {
                if !isAdmissionFilled { isAdmissionFilled = await desk.fillAdmission() }
                await serve(job)
            }
            group.cancelAll()
        }
        queue.finish()
        for await job in queue.jobs {
            switch job {
            case .send(_, let continuation), .cancel(_, let continuation):
                continuation.resume(returning: MessageAnswer(MessageFault(.shuttingDown)))
            case .tick, .devices, .state, .receipts: break
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
        case .devices:
            let devices = queue.takeDevices()
            // What was answered is offered to nobody again: everything that the log has must be folded.
            guard (try? await desk.waitForFold()) != nil else { return }
            if !devices.connected.isEmpty { await delivery.contact(Array(devices.connected)) }
            let heard = devices.heard.subtracting(devices.connected)
            guard !heard.isEmpty else { return }
            await delivery.publishWaiting(for: Array(heard))
            await delivery.proceed(Array(heard))
        case .state(let device): await delivery.tellState(of: device)
        case .receipts(let receipts):
            let told = await delivery.events(of: receipts)
            guard !told.isEmpty, (try? await desk.tell(told)) != nil else { return }
            let devices = Array(Set(receipts.map(\.device)))
            await delivery.publishWaiting(for: devices)
            await delivery.proceed(devices)
        // What could not be done now is due in a second again; nothing is offered while the fold is behind the log.
        case .tick: if (try? await desk.settle()) != nil { await deliver() }
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
