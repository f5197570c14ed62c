// The one executable: commands parse, call a library, print.

import ArgumentParser
import CProgram
import Daemon
import Foundation

@main
struct Tidings: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidings",
        abstract: "Collects customer-preference events from connected products and answers what customers prefer now.",
        discussion: """
            Try it:  tidings demo
            By hand: tidings serve &
                     printf '{"product":"kettle","device":"k-1","type":"feature.used","aspect":"boil"}\\n' \
            | nc -q1 127.0.0.1 7411
                     tidings summary kettle

            Exit codes: 0 ok, 1 a check failed, 64 usage, 65 data, 69 daemon unreachable, 74 I/O, 77 not permitted, \
            78 configuration, 130 and 143 interrupted.
            """,
        version: tidingsVersion,
        subcommands: [
            Serve.self, Send.self, Summary.self, Log.self, Rebuild.self, Status.self, Check.self, Demo.self,
        ])

    /// Runs the command named by the arguments; failures print one line and end with a sysexits code.
    static func main() async {
        StandardStreams.setUp()
        tidings_set_up_heap()
        // Whatever is made belongs to this user alone.
        umask(0o077)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            Interruption.park()
            printError("tidings: \(failure.message)")
            Foundation.exit(failure.code.rawValue)
        } catch {
            Interruption.park()
            // Help and the version are what was asked for; everything else is a message.
            let (text, code) = (fullMessage(for: error), exitCode(for: error))
            if !text.isEmpty { code == .success ? printOut(text + "\n") : printError(text) }
            Foundation.exit(code.rawValue)
        }
    }
}
