// tidings outbox stat and verify, and tidings feedback: sums, a check against the log, and what waits for a reply.

import ArgumentParser
import Daemon
import Log
import Presentation
import Projection

struct OutboxStatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat",
        abstract: "Sum up the messages of each product and kind.",
        discussion: """
            Example: tidings outbox stat --product kettle
            """)

    @Option(help: "Only of this product.")
    var product: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        try await OutboxQuery(data).print(.totals(product: product), as: format)
    }
}

struct OutboxVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare all messages and deliveries with the log.",
        discussion: """
            Example: tidings outbox verify --format json

            Folds the log anew, in memory, and changes nothing. Every message and every delivery must be as in the \
            summaries, the states of a message must add up to the devices that it was addressed to, and where the \
            daemon has chosen the devices of a customer, the log as of then must give the same ones. Exits 1 when \
            something differs.
            """)

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let query = try await OutboxQuery(data)
        let found: OutboxVerification
        do {
            let log = try openLog(query.directory)
            let reader = try SummaryReader(path: query.directory + "/" + Projector.fileName)
            found = try await verify(reader, log)
        } catch {
            throw Failure.of(error)
        }
        printOut(renderOutboxVerification(found, as: format))
        guard found.faults.isEmpty else { throw ExitCode(FailureCode.checkFailed.rawValue) }
    }

    private func verify(_ reader: SummaryReader, _ log: some EventLog) async throws -> OutboxVerification {
        try await showingProgress(
            ProgressText("verify", .events),
            stands: { done, total in
                "verify stopped after \(grouped(done)) of \(grouped(total)) events: what was found is not told, and "
                    + "nothing was changed; run it again"
            },
            { progress in try await reader.verifyOutbox(against: log, progress: progress) })
    }
}

struct FeedbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback",
        abstract: "Show the latest feedback of a product in words, and what was replied.",
        discussion: """
            Examples: tidings feedback kettle --unanswered
                      tidings feedback kettle --limit 20 --format json

            The first column is the event to reply to: tidings reply 66012 --text "$(<reply.txt)"
            Shows the latest texts, as many as the summaries keep; `tidings log export` has all of them.
            """)

    @Argument(help: "The product.")
    var product: String

    @Flag(help: "Only feedback that nobody has replied to.")
    var unanswered = false

    @Option(help: "How many, the newest first.")
    var limit = 50

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit is a number above 0") }
    }

    func run() async throws {
        let query = try await OutboxQuery(data)
        let question = OutboxQuestion.feedback(product: product, isUnanswered: unanswered, limit: limit)
        try await query.print(question, as: format)
    }
}
