// tidings log: look at the log itself, and copy it; a command of its own for each task.

import ArgumentParser

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Look at the log and copy it: newest events, size, integrity, contents, backups.",
        subcommands: [
            LogTailCommand.self, LogStatCommand.self, LogVerifyCommand.self, LogExportCommand.self,
            LogBackupCommand.self, LogRestoreCommand.self,
            LogSalvageCommand.self,
        ])
}
