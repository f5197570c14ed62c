// The real binary, started on real sockets and a real folder.

import Foundation
import Testing

/// A command that ended.
struct Finished: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// Where the binaries of this build are.
enum Binary {
    /// The folder of the test bundle, which is also that of the `tidings` executable.
    static let folder: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (bundle as NSString).deletingLastPathComponent
    }()

    static var tidings: String { folder + "/tidings" }

    /// The checkout that these tests belong to.
    static let checkout = (#filePath as NSString).deletingLastPathComponent + "/../.."
}

/// The environment of a summary that tells everything also of few devices.
let showsSmallGroups = ["TIDINGS_PRIVACY_LEAST_GROUP": "1"]

/// Runs a program to its end and returns what it printed; `input` is its standard input.
func run(
    _ program: String, _ arguments: [String], input: Data? = nil, environment: [String: String] = [:]
) async throws -> Finished {
    let folder = TemporaryFolder()
    defer { folder.remove() }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TIDINGS_") }
        .merging(environment) { $1 }
    let (output, errors, source) = (folder.path + "/out", folder.path + "/err", folder.path + "/in")
    for path in [output, errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    _ = FileManager.default.createFile(atPath: source, contents: input ?? Data())
    let handles = [
        try FileHandle(forWritingTo: URL(fileURLWithPath: output)),
        try FileHandle(forWritingTo: URL(fileURLWithPath: errors)),
        try FileHandle(forReadingFrom: URL(fileURLWithPath: source)),
    ]
    (process.standardOutput, process.standardError, process.standardInput) = (handles[0], handles[1], handles[2])
    try process.run()
    let status = await exitStatus(of: process)
    for handle in handles { try handle.close() }
    return Finished(
        status: status, output: try String(contentsOfFile: output, encoding: .utf8),
        errors: try String(contentsOfFile: errors, encoding: .utf8))
}

/// Waits for a process by asking, for a termination handler is not always called; -1 when it is gone unnoticed.
func exitStatus(of process: Process) async -> Int32 {
    var looksSinceGone = 0
    while process.isRunning {
        if kill(process.processIdentifier, 0) != 0 { looksSinceGone += 1 }
        // Gone, and its status is still on its way to Foundation's queue, or lost: on a busy machine it takes a while.
        if looksSinceGone > 1_000 { return -1 }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return process.terminationStatus
}

/// Runs `tidings` with the given arguments.
func tidings(
    _ arguments: String..., input: Data? = nil, environment: [String: String] = [:]
) async throws -> Finished {
    try await run(Binary.tidings, arguments, input: input, environment: environment)
}

/// Runs a shell line as a terminal would: with no signal blocked (a thread of this process has most of them blocked,
/// and `nc -q` waits for SIGALRM), and for half a minute at most.
func shell(_ line: String) async throws -> Finished {
    let runner = """
        import signal, subprocess, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        sys.exit(subprocess.run(sys.argv[1], shell=True, timeout=30).returncode)
        """
    return try await run("/usr/bin/python3", ["-c", runner, line])
}

/// A folder of its own for one test.
struct TemporaryFolder: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "/tidings-test-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// A running `tidings serve`.
final class DaemonProcess {
    let data: String
    private let process = Process()
    private let errors: String
    private(set) var tcpPort = 0
    private(set) var udpPort = 0
    private(set) var httpPort = 0
    private(set) var mqttPort = 0

    /// Starts the daemon on free ports and waits until it listens.
    convenience init(data: String, environment: [String: String] = [:], _ arguments: String...) async throws {
        try await self.init(data: data, environment: environment, arguments: arguments)
    }

    init(data: String, environment: [String: String] = [:], arguments: [String]) async throws {
        self.data = data
        errors = data + "/daemon.log"
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        if !FileManager.default.fileExists(atPath: errors) {
            _ = FileManager.default.createFile(atPath: errors, contents: nil)
        }
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        let start = try log.seekToEnd()
        process.executableURL = URL(fileURLWithPath: Binary.tidings)
        process.arguments =
            ["serve", "--data", data, "--tcp-port", "0", "--udp-port", "0", "--http-port", "0"] + arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TIDINGS_") }
            .merging(environment) { $1 }
        process.standardError = log
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        try log.close()
        for _ in 0..<1_000 {
            if try readPorts(from: start) { return }
            guard process.isRunning else { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw StartFailure(log: (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "")
    }

    struct StartFailure: Error { var log: String }

    /// What the daemon has logged.
    var log: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    private func readPorts(from start: UInt64) throws -> Bool {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: errors))
        try handle.seek(toOffset: start)
        let text = String(decoding: handle.availableData, as: UTF8.self)
        try handle.close()
        for line in text.split(separator: "\n") {
            guard let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String],
                fields["message"] == "listening", let tcp = fields["tcp"], let udp = fields["udp"]
            else { continue }
            tcpPort = Int(tcp.split(separator: ":").last ?? "") ?? 0
            udpPort = Int(udp.split(separator: ":").last ?? "") ?? 0
            httpPort = Int(fields["http"]?.split(separator: ":").last ?? "") ?? 0
            mqttPort = Int(fields["mqtt"]?.split(separator: ":").last ?? "") ?? 0
            return true
        }
        return false
    }

    /// SIGTERM, and wait; returns the exit status.
    func stop() async -> Int32 {
        process.terminate()
        return await exit()
    }

    /// SIGKILL, and wait.
    func kill() async {
        Foundation.kill(pid, SIGKILL)
        _ = await exit()
    }

    /// Waits until it has ended by itself.
    func waitForEnd() async -> Int32 { await exit() }

    private func exit() async -> Int32 { await exitStatus(of: process) }
}

/// Runs a daemon on a fresh folder for the length of `body`, then stops it and checks that its counts balance.
func withDaemon(_ arguments: String..., body: (DaemonProcess) async throws -> Void) async throws {
    let folder = TemporaryFolder()
    let daemon = try await DaemonProcess(data: folder.path + "/data", arguments: arguments)
    do {
        try await body(daemon)
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
        #expect(fields["is_balanced"] as? Bool == true, "\(status.output)")
    } catch {
        _ = await daemon.stop()
        Issue.record("daemon log:\n\(daemon.log)")
        throw error
    }
    let code = await daemon.stop()
    #expect(code == 0, "\(daemon.log)")
    folder.remove()
}

/// Asks again and again until the condition holds or five seconds have passed.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<100 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(50))
    }
    return false
}
