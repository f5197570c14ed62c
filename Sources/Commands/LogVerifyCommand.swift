// tidings log verify: every checksum and the hash chain, computed anew.

import ArgumentParser
import Log
import Presentation

struct LogVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every block, checksum and the hash chain of the log.",
        discussion: """
            Examples: tidings log verify --data ./tidings-data
                      tidings log verify --head 4711:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b

            Names each damaged place: segment, block, events, cause. Exits 1 when something is damaged, or when \
            nothing proves that the log before --head is as it was.
            """)

    @Option(help: "A chain head that `log stat` or `status` printed earlier: HASH or OFFSET:HASH.")
    var head: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard let head, ChainClaim(head) == nil else { return }
        throw ValidationError("--head must be 64 hex digits, or OFFSET:HASH as `tidings log stat` prints it")
    }

    func run() async throws {
        let log = try openLog(try await data.directory())
        let report: VerifyReport
        do { report = try await verify(log) } catch let error as LogError { throw Failure(error) }
        printOut(renderVerification(report, as: format))
        guard report.isClean, report.claim?.isProven ?? true else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }

    private func verify(_ log: some EventLog) async throws -> VerifyReport {
        try await showingProgress(
            ProgressText("verify", .events),
            stands: { done, total in
                "verify stopped after \(grouped(done)) of \(grouped(total)) events: what was found is not told, and "
                    + "nothing was changed; run it again"
            },
            { progress in try await log.verify(claim: head.flatMap { ChainClaim($0) }, progress: progress) })
    }
}
