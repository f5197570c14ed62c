// What a command that is watched leaves in the log: what was done and when, never the data, never a name.

import Daemon
import Events
import Log

/// A use that is to be noted once: by the running daemon, or in the folder when there is none.
///
/// A command goes on when neither is possible, and says so in a line.
struct Audit {
    private let use: AuditedUse
    private let directory: String
    /// The number of the customer that it is about.
    var customer = CustomerID.none
    /// Whether a daemon is there, which has noted it, or could not.
    private var isDaemonThere = false

    init(_ use: AuditedUse, in directory: String) { (self.use, self.directory) = (use, directory) }

    /// Has the use noted wherever that can be done.
    mutating func note() async {
        await noteInDaemon()
        await noteAtRest()
    }

    /// Has the daemon note it, if one runs: before anything is shown.
    mutating func noteInDaemon() async {
        isDaemonThere = true
        do {
            _ = try await ControlClient.ask(ControlRequest(AuditRequest(use, of: customer)), dataDirectory: directory)
        } catch ControlError.noDaemon {
            isDaemonThere = false
        } catch {
            sayNotNoted("\(error)")
        }
    }

    /// Notes it in the folder, if no daemon runs. To be called when the log is not being read any more: to note is to
    /// open it for writing, as a start of the daemon does.
    ///
    /// - Parameter isLogWhole: false when damage was found, which is left as it is.
    func noteAtRest(isLogWhole: Bool = true) async {
        guard !isDaemonThere else { return }
        if let cause = whyNothingIsAppended(directory) { return sayNotNoted(cause) }
        guard isLogWhole else { return sayNotNoted("it is damaged, and is left as it is") }
        do {
            let log = try openLogForWriting(directory)
            let pseudonyms: [Pseudonym] = customer == .none ? [] : [.customer(customer)]
            do { try await FolderAudit.note(use, of: pseudonyms, in: log) } catch {
                try? await log.close()
                throw error
            }
            try await log.close()
        } catch {
            sayNotNoted("\(error)")
        }
    }

    private func sayNotNoted(_ cause: String) {
        printError("tidings: that `\(use.rawValue)` was used is not noted in the log: \(cause)")
    }
}
