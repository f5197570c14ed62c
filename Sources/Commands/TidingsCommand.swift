// The whole command line: what the arguments name is run, and what it fails with becomes one line and an exit code.

package import ArgumentParser
import Daemon
import Foundation

/// The root of all commands.
package struct TidingsCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "tidings",
        abstract: "Collects customer-preference events from connected products and answers what customers prefer now.",
        discussion: """
            Try it:  tidings demo
            By hand: tidings serve &
                     printf '{"product":"kettle","device":"k-1","type":"feature.used","aspect":"boil"}\\n' \
            | nc -q1 127.0.0.1 7411
                     tidings summary kettle

            Exit codes: 0 ok, 1 a check failed, 64 usage, 65 data, 66 no input, 69 daemon unreachable, 74 I/O, \
            77 not permitted, 78 configuration, 130 and 143 interrupted.
            """,
        version: tidingsVersion,
        subcommands: [
            ServeCommand.self, SendCommand.self, SummaryCommand.self, LogCommand.self, RebuildCommand.self,
            StatusCommand.self, TopCommand.self, ReloadCommand.self, CheckCommand.self, DeviceCommand.self,
            TokenCommand.self, ConsentCommand.self, ExportCommand.self, ForgetCommand.self, RequestsCommand.self,
            NotifyCommand.self,
            AskCommand.self, ReplyCommand.self, SetCommand.self, UnsetCommand.self, OutboxCommand.self,
            FeedbackCommand.self, DemoCommand.self,
        ])

    @Flag(help: "With --version: also what the program was built of and tested with.")
    var verbose = false

    package init() {}

    package func validate() throws {
        guard !verbose else { throw ValidationError("--verbose goes with --version, and with no command") }
    }

    /// Runs the command that the process's arguments name. Ends the process if that fails.
    package static func main() async {
        StandardStreams.setUp()
        // Whatever is made belongs to this user alone.
        umask(0o077)
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            if Set(arguments) == ["--version", "--verbose"] { return printOut(componentsText()) }
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Interruption.park()
            let ending = Ending(error)
            if !ending.output.isEmpty { printOut(ending.output) }
            if !ending.message.isEmpty { printError(ending.message) }
            Foundation.exit(ending.code)
        }
    }
}

/// How the process ends because of what a command has thrown.
package struct Ending: Equatable {
    /// For standard output: help and the version, which are what was asked for.
    package var output = ""
    /// For standard error, without a line end; empty when everything has been said.
    package var message = ""
    package var code: Int32

    package init(_ error: any Error) {
        if let failure = error as? Failure {
            (message, code) = ("tidings: \(failure.message)", failure.code.rawValue)
            return
        }
        let text = TidingsCommand.fullMessage(for: error)
        code = TidingsCommand.exitCode(for: error).rawValue
        guard !text.isEmpty else { return }
        if code == ExitCode.success.rawValue { output = text + "\n" } else { message = text }
    }
}
