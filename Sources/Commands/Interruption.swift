// Ctrl-C, and SIGTERM, while long work is under way: one line says what stands, and nothing half made is left.

import Dispatch
import Glibc
import Synchronization

/// Ends the process in good order when it is interrupted. The work itself knows nothing of it: it stops where it next
/// tells how far it is, or prints.
enum Interruption {
    private static let raised = Atomic(false)
    private static let queue = DispatchQueue(label: "tidings.interruption")
    /// How long a line that is being written may take to be whole, microseconds.
    private static let longestWrite: UInt32 = 500_000

    static var isRaised: Bool { raised.load(ordering: .acquiring) }

    /// Waits for the end if the process is being ended.
    static func park() {
        while isRaised { sleep(1_000) }
    }

    /// Runs work that may be interrupted.
    ///
    /// - Parameters:
    ///   - stands: what stands now, as a message; called when the work has stopped.
    ///   - cleanUp: removes what is half made, after that.
    static func guarding<Result>(
        stands: @escaping @Sendable () -> String, cleanUp: @escaping @Sendable () -> Void = {},
        _ work: () async throws -> Result
    ) async rethrows -> Result {
        let sources = [SIGINT, SIGTERM].map { number in watch(number) { end(number, stands, cleanUp) } }
        defer { for source in sources { source.cancel() } }
        return try await work()
    }

    /// Calls `handle` when the signal comes; from its return on, the signal does nothing else.
    private static func watch(
        _ number: Int32, _ handle: @escaping @Sendable () -> Void
    ) -> any DispatchSourceSignal {
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        let isWatching = DispatchSemaphore(value: 0)
        source.setEventHandler(handler: handle)
        source.setRegistrationHandler { isWatching.signal() }
        source.resume()
        isWatching.wait()
        return source
    }

    private static func end(_ number: Int32, _ stands: () -> String, _ cleanUp: () -> Void) {
        raised.store(true, ordering: .releasing)
        // What is being printed shall end with a whole line, but nobody waits for a reader who does not read.
        for _ in 0..<50 {
            if outputLock.withLockIfAvailable({ _ in }) != nil { break }
            usleep(longestWrite / 50)
        }
        let message = stands()
        cleanUp()
        printError("tidings: \(message)")
        StandardStreams.exit(128 + number)
    }
}
