// What the commands print: data on standard output, messages on standard error, and the end when that fails.

import Glibc
import Synchronization

/// Held while data is written, so that an interruption does not cut a line.
let outputLock = Mutex(())

/// Writes data to standard output. When that is not possible the process ends: quietly when nobody reads any more,
/// else with one line and the exit code for it.
func printOut(_ text: String) { printOut(bytes: Array(text.utf8)) }

func printOut(bytes: [UInt8]) {
    if Terminal.isOutput { ProgressLine.shared.hide() }
    let cause = outputLock.withLock { _ in
        Interruption.isRaised ? nil : StandardStreams.write(bytes, to: STDOUT_FILENO)
    }
    guard let cause else { return Interruption.park() }
    if cause == 0 { return }
    if cause == EPIPE { StandardStreams.exit(0) }
    printError("tidings: cannot write to standard output: \(StandardStreams.reason(cause))")
    StandardStreams.exit(FailureCode.inputOutput.rawValue)
}

/// Writes a line to standard error, if anybody listens there.
func printError(_ text: String) {
    ProgressLine.shared.hide()
    _ = StandardStreams.write(Array((text + "\n").utf8), to: STDERR_FILENO)
}
