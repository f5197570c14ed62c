// How a command fails: one line that names the thing, the cause and the remedy, and a sysexits code.

import Daemon
import Log
import Projection

/// The exit codes, a contract with scripts (docs/operating.md).
enum ExitStatus: Int32 {
    case checkFailed = 1
    case usage = 64
    case data = 65
    case unreachable = 69
    case inputOutput = 74
    case notPermitted = 77
    case configuration = 78
}

/// A command's failure.
struct Failure: Error {
    var message: String
    var code: ExitStatus

    init(_ message: String, _ code: ExitStatus) {
        self.message = message
        self.code = code
    }

    init(_ error: LogError) {
        let code: ExitStatus =
            switch error {
            case .corrupt, .version, .outOfRange, .refused, .inTheWay: .data
            case .full, .io, .locked, .closed, .notClosed: .inputOutput
            case .denied: .notPermitted
            }
        self.init(error.description, code)
    }

    init(_ error: ProjectionError) {
        let code: ExitStatus =
            switch error {
            case .storage, .full, .missing, .log, .notClosed: .inputOutput
            case .denied: .notPermitted
            case .mismatch, .horizon, .damaged: .data
            case .window: .usage
            }
        self.init(error.description, code)
    }

    init(_ error: ControlError) {
        let code: ExitStatus =
            switch error {
            case .noDaemon, .noAnswer, .refused: .unreachable
            case .notPermitted: .notPermitted
            }
        self.init(error.description, code)
    }

    init(_ error: ConfigurationError) { self.init(error.description, .configuration) }
}
