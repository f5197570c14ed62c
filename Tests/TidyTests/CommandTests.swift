// Every command is named to those who read the documents.

import ArgumentParser
import Commands
import Testing

@Suite struct CommandTests {
    /// The commands that do something, each with the words that it is called by.
    private static func leaves(_ command: any ParsableCommand.Type, _ path: [String] = []) -> [[String]] {
        let subcommands = command.configuration.subcommands
        guard !subcommands.isEmpty else { return [path] }
        return subcommands.flatMap { leaves($0, path + [$0.configuration.commandName ?? ""]) }
    }

    @Test func everyCommandIsInTheDocuments() {
        let commands = Self.leaves(TidingsCommand.self).map { $0.joined(separator: " ") }
        #expect(commands.count > 10 && commands.contains("log tail"))
        let paths = ["README.md", "docs/operating.md", "docs/summaries.md"]
        let documents = paths.map { Repository.read($0).text }.joined()
        for command in commands { #expect(documents.contains(command), "no document names \(command)") }
    }
}
