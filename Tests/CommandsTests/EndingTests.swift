// How the process ends: one line and a code that scripts can rely on.

import ArgumentParser
import Commands
import Daemon
import Log
import Projection
import Testing

@Suite struct EndingTests {
    @Test(arguments: [
        (LogError.refused("c"), FailureCode.data), (.version("c"), .data), (.locked("c"), .inputOutput),
        (.denied("c"), .notPermitted), (.full("c"), .inputOutput), (.io("c"), .inputOutput),
    ])
    func ofTheLog(_ error: LogError, _ code: FailureCode) {
        let ending = Ending(Failure(error))
        #expect(ending.code == code.rawValue)
        #expect(ending.message == "tidings: \(error)")
        #expect(ending.output.isEmpty && !ending.message.contains("\n"))
    }

    @Test(arguments: [
        (ControlError.noDaemon("d"), FailureCode.unreachable), (.noAnswer("d", seconds: 10), .unreachable),
        (.refused("busy"), .unreachable), (.notPermitted("d"), .notPermitted),
    ])
    func ofTheDaemonsAnswer(_ error: ControlError, _ code: FailureCode) {
        let ending = Ending(Failure(error))
        #expect(ending == Ending(Failure(error.description, code)))
        #expect(ending.code == code.rawValue)
    }

    @Test func ofTheConfiguration() async throws {
        do {
            _ = try await DaemonConfiguration.load(flags: ["listen.tcp.port": "x"], environment: [:])
            Issue.record("a port that is none was taken")
        } catch let error as ConfigurationError {
            let ending = Ending(Failure(error))
            #expect(ending.code == FailureCode.configuration.rawValue)
            #expect(ending.message.hasPrefix("tidings: configuration: listen.tcp.port = x (flag) must be a port"))
        }
    }

    /// What has been printed already is not followed by another line.
    @Test(arguments: [1, 65]) func aCodeAloneSaysNothing(_ code: Int32) {
        let ending = Ending(ExitCode(code))
        #expect(ending.code == code && ending.message.isEmpty && ending.output.isEmpty)
    }

    @Test func codesAreDifferent() {
        let codes: [FailureCode] = [
            .checkFailed, .usage, .data, .noInput, .unreachable, .inputOutput, .notPermitted, .configuration,
        ]
        #expect(codes.map(\.rawValue) == [1, 64, 65, 66, 69, 74, 77, 78])
    }
}
