// tidings forget --text-match: what others have said that mentions somebody.

import ArgumentParser
import Events
import Log
import Presentation

/// Lists the texts of others that mention one of the names; changes nothing.
func printTextMatches(_ names: [String], in directory: String, as format: OutputFormat) async throws {
    let log = try openLog(directory)
    var audit = Audit(.forgetTextMatch, in: directory)
    let lines = DamageLines()
    do throws(LogError) {
        let vocabulary = try await log.vocabulary()
        let head = await log.head
        // Of several names it is noted without saying of whom.
        if names.count == 1 { audit.customer = vocabulary.find(customer: Array(names[0].utf8).span) ?? .none }
        await audit.noteInDaemon()
        var search = TextMatchSearch(names, vocabulary)
        try await log.scan(until: head, report: lines.note) { blocks, _, _ in
            for block in blocks {
                for (index, event) in block.batch.events.enumerated() where event.textLength > 0 {
                    search.add(event, in: block.batch, at: block.firstOffset + index)
                }
            }
        }
        printOut(renderTextMatches(search.matches, as: format, style: .now))
        try await log.close()
    } catch {
        throw Failure(error)
    }
    lines.finish()
    await audit.noteAtRest(isLogWhole: lines.isEmpty)
    guard lines.isEmpty else { throw ExitCode(FailureCode.data.rawValue) }
}
