// The steps of an erasure, in their order. Each can be done again: after a crash the next start goes on behind the last
// one that is on disk.

import Foundation

/// What is done to forget somebody.
package enum ForgetStep: String, CaseIterable, Sendable {
    /// The erasure list says so, on disk: from here on a crash does not undo it, whatever copy of the names comes back.
    case list
    /// The names are in nobody's memory that gives out numbers, and all that was taken before is in the log.
    case memory
    /// The names are deleted, with all that is kept with them.
    case names
    /// The log says that these numbers are of nobody any more.
    case event
    /// Their texts are gone from the summaries, which follow from that event.
    case texts
    /// Nothing is left to be done.
    case finish

    /// Where an erasure goes on that was begun: nil when it has to begin with the names.
    static var resumed: ArraySlice<ForgetStep> { [.event, .texts, .finish] }
}

/// Ends the process behind a step, as a power cut would; for tests of what a crash leaves.
struct CrashPoint: Sendable {
    static let variable = "TIDINGS_FORGET_CRASH"
    private let step: String?

    init(_ environment: [String: String] = ProcessInfo.processInfo.environment) { step = environment[Self.variable] }

    func pass(_ name: ForgetStep) {
        if step == name.rawValue { kill(getpid(), SIGKILL) }
    }
}
