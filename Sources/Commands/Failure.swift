// How a command fails: one line that names the thing, the cause and the remedy, and a sysexits code.

package import Access
package import Daemon
package import Log
package import Projection

/// The exit codes that are not 0, a contract with scripts (docs/operating.md).
package enum FailureCode: Int32 {
    case checkFailed = 1
    case usage = 64
    case data = 65
    case noInput = 66
    case unreachable = 69
    case inputOutput = 74
    case notPermitted = 77
    case configuration = 78
}

/// A command's failure.
package struct Failure: Error {
    package var message: String
    package var code: FailureCode

    package init(_ message: String, _ code: FailureCode) {
        self.message = message
        self.code = code
    }

    package init(_ error: LogError) {
        let code: FailureCode =
            switch error {
            case .corrupt, .version, .outOfRange, .refused, .inTheWay: .data
            case .full, .io, .locked, .closed, .notClosed: .inputOutput
            case .denied: .notPermitted
            }
        self.init(error.description, code)
    }

    package init(_ error: ProjectionError) {
        let code: FailureCode =
            switch error {
            case .storage, .full, .missing, .log, .notClosed: .inputOutput
            case .denied: .notPermitted
            case .mismatch, .horizon, .damaged: .data
            case .window: .usage
            }
        self.init(error.description, code)
    }

    package init(_ error: ControlError) {
        let code: FailureCode =
            switch error {
            case .noDaemon, .noAnswer, .refused: .unreachable
            case .notPermitted: .notPermitted
            }
        self.init(error.description, code)
    }

    package init(_ error: AccessError) {
        switch error {
        case .storage(let cause): self.init(cause)
        case .refused: self.init(error.description, .data)
        case .masterKey: self.init(error.description, .configuration)
        }
    }

    package init(_ error: ForgettingError) {
        switch error {
        case .configuration: self.init(error.description, .configuration)
        case .storage: self.init(error.description, .inputOutput)
        case .impossible: self.init(error.description, .data)
        }
    }

    /// What a command fails with in the place of an error of one of the rooms; any other error stays as it is.
    package static func of(_ error: any Error) -> any Error {
        switch error {
        case let error as LogError: Failure(error)
        case let error as ProjectionError: Failure(error)
        case let error as ForgettingError: Failure(error)
        case let error as ConfigurationError: Failure(error)
        default: error
        }
    }

    package init(_ error: ConfigurationError) { self.init(error.description, .configuration) }
}
