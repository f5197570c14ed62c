// tidings export: everything that is kept of one customer, for that customer.

import ArgumentParser
import Events
import Ingest
import Log
import Presentation

/// Writes what is kept of a customer to standard output.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write everything that is kept of one customer, as one JSON document.",
        discussion: """
            Example: tidings export customer-17 >customer-17.json

            For a person who asks what is kept of them: every event with its text, what they consented to, who looked \
            at it, and their devices. It is read from the log, with the names and the sealing secret, so it must be \
            asked as the daemon's user; the daemon may run. What is damaged is left out and named on standard error; \
            the exit code is then 65, as for a customer who is not known or was forgotten. That it was asked for is \
            noted in the log (`tidings log tail --audit`).
            """)

    @Argument(help: "The customer's name, as devices send it.")
    var customer: String

    @OptionGroup var data: DataOptions

    func run() async throws {
        let directory = try await data.directory()
        let log = try openLog(directory, proving: true)
        var audit = Audit(.export, in: directory)
        let isWhole: Bool
        do {
            let vocabulary = try await log.vocabulary()
            let head = await log.head
            let person = vocabulary.find(customer: Array(customer.utf8).span)
            audit.customer = person ?? .none
            await audit.noteInDaemon()
            guard let person else {
                try await log.close()
                await audit.noteAtRest()
                throw Failure(
                    "no customer of this name is known: they never sent anything, or were forgotten; "
                        + "check how devices write the name", .data)
            }
            isWhole = try await showingProgress(
                ProgressText("export", .events),
                stands: { _, _ in "the document is not whole; ask again" },
                { progress in try await export(person, log, vocabulary, until: head, progress) })
            try await log.close()
        } catch let error as LogError {
            throw Failure(error)
        }
        await audit.noteAtRest(isLogWhole: isWhole)
        guard isWhole else { throw ExitCode(FailureCode.data.rawValue) }
    }

    /// - Returns: whether nothing was left out.
    private func export(
        _ person: CustomerID, _ log: some EventLog, _ vocabulary: Vocabulary, until head: Offset,
        _ progress: (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> Bool {
        var document = PersonExport(of: person, vocabulary: vocabulary, head: head, asOf: wallClock())
        let lines = DamageLines()
        for damage in log.openingDamages { lines.note(damage) }
        try await log.scan(until: head, report: lines.note) { blocks, done, total in
            for block in blocks {
                for (index, event) in block.batch.events.enumerated()
                where event.customer == person || event.kind == .audited {
                    document.append(event, in: block.batch, at: block.firstOffset + index)
                }
            }
            document.flush { printOut(bytes: $0) }
            progress(done, total)
        }
        document.finish()
        document.flush { printOut(bytes: $0) }
        lines.finish()
        return lines.isEmpty
    }
}
