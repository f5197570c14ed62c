// What the arguments say: every command's help, its options, and what is told of wrong ones.

import ArgumentParser
import Commands
import Testing

/// A command with the words that it is called by.
struct CommandPath: Sendable, CustomTestStringConvertible {
    var words: [String]
    var type: any ParsableCommand.Type

    var testDescription: String { words.joined(separator: " ") }

    /// Every command that does something.
    static let all = leaves(TidingsCommand.self)

    private static func leaves(_ command: any ParsableCommand.Type, _ words: [String] = []) -> [CommandPath] {
        let subcommands = command.configuration.subcommands
        guard !subcommands.isEmpty else { return [CommandPath(words: words, type: command)] }
        return subcommands.flatMap { leaves($0, words + [$0.configuration.commandName ?? ""]) }
    }
}

/// How the process would end because of these arguments; nil when they name a command.
func outcome(of arguments: [String]) -> Ending? {
    do {
        _ = try TidingsCommand.parseAsRoot(arguments)
        return nil
    } catch {
        return Ending(error)
    }
}

@Suite struct CommandLineTests {
    /// Help is a command of its own, which ends with a text.
    private func helpEnding(_ words: [String]) -> Ending? {
        do {
            var help = try TidingsCommand.parseAsRoot(words + ["--help"])
            try help.run()
            return nil
        } catch {
            return Ending(error)
        }
    }

    @Test func allCommandsAreThere() {
        #expect(
            CommandPath.all.map(\.testDescription) == [
                "serve", "send", "summary", "log tail", "log stat", "log verify", "log export", "log backup",
                "log restore", "log salvage", "rebuild", "status", "top", "reload", "check config", "device add",
                "device list", "device show", "device revoke", "device restore", "device rotate", "token add",
                "token list", "token revoke", "consent", "export", "forget", "requests",
                "notify", "ask", "reply", "set", "unset", "outbox list", "outbox show", "outbox device",
                "outbox results", "outbox cancel", "outbox stat", "outbox verify", "feedback", "demo",
            ])
    }

    @Test(arguments: CommandPath.all) func helpHasAnExampleAndIsNoFailure(_ command: CommandPath) throws {
        let help = try #require(helpEnding(command.words))
        #expect(help.code == 0 && help.message.isEmpty)
        #expect(help.output.contains("Example"), "\(help.output)")
        #expect(help.output.contains("tidings \(command.testDescription)"), "the example is of another command")
        #expect(!help.output.contains("help: help"), "an option without an explanation")
    }

    /// Each is called in the way that its help shows.
    @Test(arguments: CommandPath.all) func theExamplesOfTheHelpAreAccepted(_ command: CommandPath) throws {
        let discussion = command.type.configuration.discussion
        let examples = discussion.split(separator: "\n").filter { $0.contains(#/^(Examples?:)? +tidings /#) }
            .map { $0[($0.firstRange(of: "tidings ")?.upperBound ?? $0.startIndex)...] }
        #expect(!examples.isEmpty)
        for example in examples {
            let words = example.split(separator: " ").prefix { !"<>|".contains($0.first ?? " ") }.map(String.init)
            #expect(outcome(of: words) == nil, "tidings \(example)")
            #expect(words.starts(with: command.words), "tidings \(example)")
        }
    }

    @Test(arguments: [
        (["nonsense"], "nonsense"), (["status", "--format", "xml"], "--format"), (["summary", "--since"], "--since"),
        (["send", "--port", "0"], "--port must be from 1 to 65535"),
        (["send", "--tcp-port", "70000"], "--tcp-port must be from 1 to 65535"),
        (["send", "--batch", "1001"], "--batch must be from 1 to 1000"),
        (["send", "--devices", "0"], "--devices must be from 1 to 10000000"),
        (["send", "--events=-1"], "--events must not be negative"),
        (["send", "--connections", "10001"], "--connections must be from 1 to 10000"),
        (["send", "--window", "0"], "--window must be from 1 to 65536"),
        (["send", "--rate", "0"], "--rate must be above 0"),
        (["send", "--transport", "udp", "--format", "json"], "json over udp cannot be acknowledged"),
        (["summary", "kettle", "--since", "yesterday"], "yesterday is not a day; write it as 2026-11-24"),
        (["summary", "--since", "2026-11-01"], "--since and --until need a product"),
        (["log", "tail", "-n", "1000001"], "-n must be from 0 to 1000000"),
        (["log", "verify", "--head", "12"], "--head must be 64 hex digits"),
        (["log", "backup"], "folder"), (["demo", "--seconds", "0"], "--seconds must be from 1 to 3600"),
        (["demo", "--devices", "100001"], "--devices must be from 1 to 100000"),
        (["--verbose"], "--verbose goes with --version"), (["status", "--verbose"], "--verbose goes with --version"),
    ])
    func wrongArgumentsAreNamed(_ arguments: [String], _ says: String) throws {
        let ending = try #require(outcome(of: arguments))
        #expect(ending.code == FailureCode.usage.rawValue)
        #expect(ending.message.contains(says), "\(ending.message)")
        #expect(ending.output.isEmpty)
    }

    @Test func theVersionAloneIsALine() throws {
        let ending = try #require(outcome(of: ["--version"]))
        #expect(ending.code == 0)
        #expect(ending.output.contains(#/^\d+\.\d+\.\d+(-dev)?\n$/#), "\(ending.output)")
    }

    @Test func theVersionInFullNamesEveryPart() {
        let lines = componentsText().split(separator: "\n")
        for name in ["tidings", "Swift", "SQLite", "zlib", "libdeflate"] {
            let version = lines.first { $0.hasPrefix("\(name) ") }?.dropFirst(name.count + 1)
            #expect(version?.first?.isNumber == true && version?.contains(".") == true, "\(name)")
        }
        #expect(lines.contains { $0.hasPrefix("processor ") })
        #expect(lines.filter { $0.hasPrefix("tested with ") }.count == testedPackages.count)
        #expect(lines.contains { $0.contains(#/^tested with swift-nio \d+\.\d+\.\d+$/#) })
    }
}
