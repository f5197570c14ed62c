// Every command, when what it prints cannot be written.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct StandardOutputTests {
    /// Each as its arguments, without `--data`; with `needsDaemon` only while one runs.
    private static let commands: [(line: String, takesData: Bool, needsDaemon: Bool)] = [
        ("summary", true, false), ("summary kettle", true, false), ("summary kettle --format json", true, false),
        ("summary --format csv", true, false), ("log tail", true, false), ("log tail --format csv", true, false),
        ("log stat", true, false), ("log stat --format json", true, false), ("log verify", true, false),
        ("log export", true, false), ("log export --format csv", true, false), ("rebuild", true, false),
        ("rebuild --format json", true, false), ("status", true, true), ("status --format json", true, true),
        ("status --format csv", true, true), ("check config", false, false),
        ("check config --format json", false, false), ("check config --format csv", false, false),
        ("check config --template", false, false), ("--help", false, false), ("--version", false, false),
        ("help log", false, false), ("summary --help", false, false), ("log export --help", false, false),
        ("--generate-completion-script bash", false, false), ("demo --seconds 1 --devices 5", false, false),
    ]

    @Test func aFullDiskIsOneLineAnd74AndAReaderThatLeftIsNothing() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let daemon = try await DaemonProcess(data: folder.path + "/data")
        let kettle = #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"#
        _ = try await shell("printf '\(kettle)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
        for command in Self.commands where command.needsDaemon { try await check(command.line, folder, " --data") }
        #expect(await daemon.stop() == 0)
        for command in Self.commands where !command.needsDaemon {
            try await check(command.line, folder, command.takesData ? " --data" : "")
        }
        for (number, command) in ["log backup \(folder.path)/copy", "log salvage \(folder.path)/salvaged"].enumerated()
        {
            try await check(command, folder, " --data", again: number == 0 ? "/copy" : "/salvaged")
        }
    }

    /// Runs a line of the shell with a standard output that nobody reads any more, and prints its messages.
    private static let withoutReader = """
        import os, signal, subprocess, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(["/bin/sh", "-c", sys.argv[1]], stdout=writing, stderr=subprocess.PIPE, timeout=30)
        sys.stdout.write(done.stderr.decode())
        sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)
        """

    /// - Parameter again: what to remove of the folder before each try.
    private func check(_ command: String, _ folder: TemporaryFolder, _ data: String, again: String? = nil) async throws
    {
        let line =
            "cd \(folder.path); exec \(Binary.tidings) \(command)" + (data.isEmpty ? "" : "\(data) \(folder.path)/data")
        func forget() { if let again { try? FileManager.default.removeItem(atPath: folder.path + again) } }
        func messages(_ errors: String) -> [Substring] {
            // The demonstration and a salvage say what they do on standard error.
            errors.split(separator: "\n").filter { $0.hasPrefix("tidings: ") || $0.contains("***") }
        }
        forget()
        let full = try await shell("(\(line)) >/dev/full")
        #expect(full.status == 74, "\(command): \(full)")
        #expect(
            messages(full.errors) == ["tidings: cannot write to standard output: No space left on device"], "\(command)"
        )
        forget()
        let closed = try await shell("(\(line)) >&-")
        #expect(closed.status == 74, "\(command): \(closed)")
        #expect(
            messages(closed.errors) == ["tidings: cannot write to standard output: Bad file descriptor"], "\(command)")
        forget()
        // The reader is gone before anything is written.
        let left = try await run("/usr/bin/python3", ["-c", Self.withoutReader, line])
        #expect(left.status == 0, "\(command): \(left)")
        #expect(messages(left.output) == [], "\(command)")
    }
}
