// How far long work has come, on one line of the terminal that is written again and again.

import Foundation
import Presentation
import Synchronization

/// Runs work whose progress is shown, and that may be interrupted.
///
/// - Parameters:
///   - stands: what stands after an interruption, as a message, given what was done by then and how much there is.
///   - cleanUp: removes what is half made, after that.
///   - work: calls `progress` with the same two figures.
func showingProgress<Result>(
    _ text: ProgressText, stands: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> String,
    cleanUp: @escaping @Sendable () -> Void = {},
    _ work: (_ progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void) async throws -> Result
) async throws -> Result {
    let line = ProgressLine.shared
    line.begin(text)
    defer { line.hide() }
    return try await Interruption.guarding(
        stands: {
            let (done, total) = line.position ?? (0, 0)
            return stands(done, total)
        },
        cleanUp: cleanUp,
        { try await work { done, total in line.show(done, of: total) } })
}

/// The line on standard error: nothing where that is no terminal, nothing in the first second, and nothing more often
/// than ten times a second. Any thread.
final class ProgressLine: Sendable {
    /// There is one terminal.
    static let shared = ProgressLine()

    private struct State {
        var text: ProgressText?
        var start = ContinuousClock.now
        var shown: ContinuousClock.Instant?
        /// The columns that the line takes now; 0 when it is not there.
        var columns = 0
        var done: UInt64 = 0
        var total: UInt64 = 0
    }

    private let state = Mutex(State())
    /// Work that is done sooner shows nothing.
    private static let delay = Duration.seconds(1)
    private static let interval = Duration.milliseconds(100)

    /// What has been done of the work, and how much there is; nil before it has begun.
    var position: (done: UInt64, total: UInt64)? {
        state.withLock { $0.text == nil ? nil : ($0.done, $0.total) }
    }

    /// Other work begins.
    func begin(_ text: ProgressText) {
        hide()
        state.withLock { $0 = State(text: text) }
    }

    /// Does not return once the process is interrupted.
    func show(_ done: UInt64, of total: UInt64) {
        Interruption.park()
        state.withLock { state in
            (state.done, state.total) = (done, total)
            guard Terminal.showsProgress, let text = state.text else { return }
            let now = ContinuousClock.now
            let elapsed = state.start.duration(to: now)
            guard elapsed >= Self.delay, state.shown.map({ $0.duration(to: now) >= Self.interval }) ?? true else {
                return
            }
            state.shown = now
            write(text.line(done: done, total: total, seconds: elapsed / .seconds(1), width: Self.width), &state)
        }
    }

    /// Shows a line of other words, at once and whatever it says; nothing where there is no terminal.
    func show(_ line: String) {
        guard Terminal.showsProgress else { return }
        state.withLock { write(cut(line, Self.width, .now), &$0) }
    }

    /// Leaves the line where it is: what is printed next stands below it.
    func leave() {
        state.withLock { state in
            guard state.columns > 0 else { return }
            state.columns = 0
            _ = StandardStreams.write([UInt8(ascii: "\n")], to: STDERR_FILENO)
        }
    }

    /// Takes the line away, so that something else may be printed.
    func hide() {
        state.withLock { state in
            guard state.columns > 0 else { return }
            write("", &state)
        }
    }

    private static var width: Int { (StandardStreams.columns(STDERR_FILENO) ?? 80) - 1 }

    private func write(_ line: String, _ state: inout State) {
        let taken = columns(line)
        let rest = String(repeating: " ", count: max(0, state.columns - taken))
        // Behind the echo of a key, such as ^C, too.
        let text = line.isEmpty ? "\r" + rest + "  \r" : "\r" + line + rest
        state.columns = taken
        _ = StandardStreams.write(Array(text.utf8), to: STDERR_FILENO)
    }
}
