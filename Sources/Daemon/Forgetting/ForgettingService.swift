// Forgetting in a running daemon: at its start what was not finished or came back from a copy, then who is asked for.

import Admission
import Events
import Foundation
import Ingest
import Log
import Presentation
import ServiceLifecycle

/// Takes one thing after the other.
final class ForgettingQueue: Sendable {
    enum Job: Sendable {
        case forget(ForgetRequest, CheckedContinuation<Result<ForgetReport, ForgettingError>, Never>)
        case readmitted([UInt8], Timestamp)
    }

    let jobs: AsyncStream<Job>
    private let input: AsyncStream<Job>.Continuation

    init() { (jobs, input) = AsyncStream.makeStream() }

    func readmitted(_ name: [UInt8], at time: Timestamp) { input.yield(.readmitted(name, time)) }

    func forget(_ request: ForgetRequest) async throws -> ForgetReport {
        try await withCheckedContinuation { continuation in
            guard case .enqueued = input.yield(.forget(request, continuation)) else {
                return continuation.resume(returning: .failure(.impossible("the daemon is stopping")))
            }
        }.get()
    }

    func finish() { input.finish() }
}

/// Forgets; also what an earlier process has begun.
struct ForgettingService: NamedService {
    static var name: StaticString { "ForgettingService" }
    let forgetter: Forgetter
    let queue: ForgettingQueue
    let events: InternalEvents

    func run() async throws {
        do {
            let count = try await forgetter.resume()
            if count > 0 { events.resumedErasures(count) }
        } catch {
            events.erasureFailed("\(error)")
        }
        for await job in queue.jobs.cancelOnGracefulShutdown() {
            switch job {
            case .forget(let request, let continuation):
                do {
                    continuation.resume(returning: .success(try await forgetter.forget(request)))
                } catch {
                    continuation.resume(
                        returning: .failure(error as? ForgettingError ?? .storage("\(error)")))
                }
            case .readmitted(let name, let time):
                do { try await forgetter.readmitted(name, at: time) } catch { events.erasureFailed("\(error)") }
            }
        }
        queue.finish()
        for await case .forget(_, let continuation) in queue.jobs {
            continuation.resume(returning: .failure(.impossible("the daemon is stopping")))
        }
        try await gracefulShutdown()
    }
}
