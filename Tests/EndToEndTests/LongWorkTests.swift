// Long work, watched at a terminal and interrupted.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct LongWorkTests {
    /// Runs a command with a terminal of 80 columns as its standard error and a file as its output. When a file that is
    /// named appears, or else when it can take one, it gets a signal. Prints what the terminal got, and then has its
    /// status.
    private static let terminal = """
        import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        number, sign, output, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(output, "wb"), stderr=theirs)
        os.close(theirs)
        seen = b""
        def takes(pid, number):
            masks = []
            for name in os.listdir(f"/proc/{pid}/fdinfo"):
                try:
                    lines = open(f"/proc/{pid}/fdinfo/{name}").read().splitlines()
                except OSError:
                    continue
                masks += [int(line.split()[1], 16) for line in lines if line.startswith("sigmask:")]
            return any(mask >> number - 1 & 1 for mask in masks)
        while True:
            if select.select([ours], [], [], 0.002)[0]:
                try:
                    more = os.read(ours, 65536)
                except OSError:
                    break
                if not more:
                    break
                seen += more
            if number and (os.path.exists(sign) or not sign and takes(process.pid, number)):
                time.sleep(0.01)
                process.send_signal(number)
                number = 0
        print(seen.decode().replace("\\r", "\\n"))
        sys.exit(process.wait())
        """

    private func atTerminal(
        _ arguments: [String], signal: Int32 = 0, when sign: String = "", output: String = "/dev/null"
    ) async throws -> Finished {
        try await run(
            "/usr/bin/python3", ["-c", Self.terminal, "\(signal)", sign, output, Binary.tidings] + arguments)
    }

    /// A data folder with a log of two million events.
    private func folder() async throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path + "/data")
        let sent = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", "--devices", "500", "--events", "2000000", "--seed", "3")
        #expect(sent.status == 0, "\(sent)")
        #expect(await daemon.stop() == 0)
        return folder
    }

    @Test func whatIsInterruptedSaysWhatStands() async throws {
        let folder = try await folder()
        defer { folder.remove() }
        let data = folder.path + "/data"
        let before = try Data(contentsOf: URL(fileURLWithPath: data + "/summaries.sqlite"))

        let rebuild = try await atTerminal(
            ["rebuild", "--data", data], signal: SIGINT, when: data + "/summaries.sqlite.next-wal")
        #expect(rebuild.status == 130, "\(rebuild)")
        #expect(rebuild.output.contains("of 2,000,000 events: the old summaries stand"), "\(rebuild)")
        let left = try FileManager.default.contentsOfDirectory(atPath: data)
        #expect(!left.contains { $0.contains(".next") }, "\(left)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: data + "/summaries.sqlite")) == before)

        let verify = try await atTerminal(["log", "verify", "--data", data], signal: SIGTERM)
        #expect(verify.status == 143, "\(verify)")
        #expect(verify.output.contains("tidings: verify stopped after "), "\(verify)")

        // A pipe that nobody empties: the export stands still within it.
        let pipe = folder.path + "/pipe"
        _ = try await shell("mkfifo \(pipe)")
        let holder = try await shell(
            "exec 9<>\(pipe); \(Binary.tidings) log export --data \(data) >\(pipe) & sleep 1; kill -INT $!; wait $!; "
                + "echo $?")
        #expect(holder.output == "130\n", "\(holder)")
        #expect(holder.errors.contains("tidings: export stopped after"), "\(holder)")

        let copy = folder.path + "/copy"
        let backup = try await atTerminal(
            ["log", "backup", copy, "--data", data], signal: SIGINT,
            when: copy + "/log/00000000000000000000.tidings.partial")
        #expect(backup.status == 130, "\(backup)")
        #expect(backup.output.contains("tidings: backup stopped "), "\(backup)")
        #expect(
            !(try FileManager.default.contentsOfDirectory(atPath: copy + "/log")).contains { $0.contains("partial") })
        #expect(try await tidings("log", "backup", copy, "--data", data).status == 0)

        let restored = folder.path + "/restored"
        let restore = try await atTerminal(
            ["log", "restore", copy, "--data", restored, "--erasures-unknown"], signal: SIGINT,
            when: restored + "/lock")
        #expect(restore.status == 130, "\(restore)")
        #expect(restore.output.contains("nothing was restored"), "\(restore)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored) == ["lock"])
        #expect(try await tidings("log", "restore", copy, "--data", restored, "--erasures-unknown").status == 0)

        let salvaged = folder.path + "/salvaged"
        let salvage = try await atTerminal(
            ["log", "salvage", salvaged, "--data", data], signal: SIGINT,
            when: salvaged + "/log/00000000000000000000.tidings")
        #expect(salvage.status == 130, "\(salvage)")
        #expect(salvage.output.contains("\(salvaged) is incomplete; remove it and run it again"), "\(salvage)")
    }

    @Test func progressIsShownAtATerminalOnlyAndNeverAmongTheData() async throws {
        let folder = try await folder()
        defer { folder.remove() }
        let data = folder.path + "/data"
        let file = folder.path + "/events.ndjson"
        let export = try await atTerminal(["log", "export", "--data", data], output: file)
        #expect(export.status == 0, "\(export)")
        let lines = export.output.split(separator: "\n").filter { $0.contains("export") }
        #expect(!lines.isEmpty, "it takes longer than a second")
        for line in lines {
            #expect(
                line.contains(#/^export  [\d,]+ of 2,000,000 events  [\d.]+ %  [\d,]+\/s(  \d+:\d\d left)? *$/#),
                "\(line)"
            )
            #expect(line.count < 80)
        }
        let written = try await shell("wc -l <\(file); grep -c left \(file)")
        #expect(written.output.hasPrefix("2000000\n0"), "\(written)")
        let silent = try await tidings("log", "verify", "--data", data)
        #expect(silent.errors.isEmpty, "\(silent)")
    }
}
