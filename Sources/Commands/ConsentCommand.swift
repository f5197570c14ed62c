// tidings consent: what one customer has consented to.

import ArgumentParser
import Daemon
import Events
import Ingest
import Log
import Presentation
import Projection

struct ConsentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent",
        abstract: "Show what a customer has consented to, and all that was said about it.",
        discussion: """
            Examples: tidings consent c-1042
                      tidings consent c-1042 --product kettle
                      tidings consent c-1042 --format json >record.json

            The table says what holds now. JSON is the record with the fields of ISO/IEC TS 27560, as JSON-LD; CSV has \
            every event. Works while the daemon runs, and when it does not.
            """)

    @Argument(help: "The customer's name, as devices send it.")
    var customer: String

    @Option(help: "Only consents to this product.")
    var product: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let configuration = try await data.load()
        for warning in configuration.warnings { printError("tidings: \(warning)") }
        let directory = configuration.dataDirectory
        let log = try openLog(directory)
        let history: ConsentHistory
        let isWhole: Bool
        do {
            (history, isWhole) = try await showingProgress(
                ProgressText("consent", .events), stands: { _, _ in "nothing was printed" },
                { progress in try await read(log, directory, progress) })
        } catch let error as LogError {
            throw Failure(error)
        }
        let context = ConsentContext(
            subject: customer, controller: configuration.controller, jurisdiction: configuration.jurisdiction,
            retentionDays: configuration.retentionAge.map { Int($0.components.seconds / 86_400) },
            now: wallClock())
        printOut(renderConsents(history, context, as: format, style: .now))
        guard isWhole else { throw ExitCode(FailureCode.data.rawValue) }
    }

    /// - Returns: what the log has of the customer, and whether all of it could be read.
    private func read(
        _ log: some EventLog, _ directory: String, _ progress: (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws -> (ConsentHistory, isWhole: Bool) {
        let words = try await log.vocabulary()
        guard let id = words.find(customer: Array(customer.utf8).span) else {
            // Neither the name that was asked for nor one like it is repeated: names are private.
            throw Failure("no event names this customer; a name is written as the device sends it", .data)
        }
        var history = ConsentHistory(of: id, product: product)
        if await log.start > .zero, let reader = try? SummaryReader(path: directory + "/" + Projector.fileName) {
            for consent in (try? reader.consents()) ?? [] { history.add(consent, words) }
        }
        let lines = DamageLines()
        for damage in log.openingDamages { lines.note(damage) }
        try await log.scan(report: lines.note) { blocks, done, total in
            for block in blocks {
                for (index, event) in block.batch.events.enumerated() where event.customer == id {
                    history.add(event, of: block.batch, at: block.firstOffset + index, words)
                }
            }
            progress(done, total)
        }
        lines.finish()
        return (history, lines.isEmpty)
    }
}
