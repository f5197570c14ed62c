// The commands' end of the control socket: a question, its answer, and never a wait without end.

package import Foundation
import NIOCore
import NIOPosix
import Presentation
import SQLite

/// Why the daemon of a data folder gave no answer; one line with the remedy.
package enum ControlError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nobody listens.
    case noDaemon(String)
    /// Somebody listens and says nothing in time.
    case noAnswer(String, seconds: Int64)
    /// Who asks may not.
    case notPermitted(String)
    /// The daemon said that it could not do it, and why.
    case refused(String)

    package var description: String {
        switch self {
        case .noDaemon(let folder): "no daemon serves \(folder); start one with `tidings serve --data \(folder)`"
        case .noAnswer(let folder, let seconds):
            "the daemon at \(folder) does not answer (within \(seconds) s); look at its log and its disk"
        case .notPermitted(let folder): "not permitted to ask the daemon of \(folder); run as its user"
        case .refused(let cause): "the daemon answers: \(cause)"
        }
    }
}

/// The socket's address, however long the path of the data folder is.
///
/// The system takes no more than some hundred bytes for the address of a socket. So a longer path is gone by way of
/// the open folder, which the system offers under a short name.
struct ControlAddress {
    static let fileName = "control.sock"

    let path: String
    /// Keeps the folder open for as long as the address is in use.
    private let folder: FileHandle?

    /// - Throws: an error of the system when the folder cannot be opened.
    init(dataDirectory: String) throws {
        if dataDirectory.utf8.count <= DaemonLimits.socketFolderBytes {
            path = dataDirectory + "/" + Self.fileName
            folder = nil
        } else {
            let folder = try FileHandle(forReadingFrom: URL(fileURLWithPath: dataDirectory, isDirectory: true))
            path = "/proc/self/fd/\(folder.fileDescriptor)/\(Self.fileName)"
            self.folder = folder
        }
    }

    /// The folder is needed until here.
    func close() { try? folder?.close() }
}

/// What the daemon answers to `checkpoint`.
package struct Checkpointed: Codable, Sendable, Equatable {
    /// The offset up to which summaries.sqlite counts now.
    package var projected: UInt64
    /// The offset that the next event will get.
    package var head: UInt64
    /// "good", or why it is not further.
    package var projection: String

    package init(projected: UInt64, head: UInt64, projection: String) {
        (self.projected, self.head, self.projection) = (projected, head, projection)
    }
}

package enum ControlClient {
    /// Sends one request and returns the answer's JSON.
    ///
    /// - Throws: `ControlError`.
    package static func ask(
        _ command: ControlRequest.Command, dataDirectory: String, timeout: Duration = DaemonLimits.controlTimeout
    ) async throws -> Data {
        try await ask(ControlRequest(command), dataDirectory: dataDirectory, timeout: timeout)
    }

    /// The same, for a request that says more.
    package static func ask(
        _ command: ControlRequest, dataDirectory: String, timeout: Duration = DaemonLimits.controlTimeout
    ) async throws -> Data {
        let late = ControlError.noAnswer(dataDirectory, seconds: timeout.components.seconds)
        do {
            let answer = try await withThrowingTaskGroup(of: Data?.self) { group in
                group.addTask { try await exchange(command, dataDirectory) }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
            guard let answer else { throw late }
            // A daemon that stops, or dies, closes without a word.
            guard answer.last == UInt8(ascii: "\n") else { throw ControlError.noDaemon(dataDirectory) }
            // The report of a reload may have an error, too, and is no refusal to answer.
            if (try? JSONDecoder().decode(ReloadReport.self, from: answer)) == nil,
                let failure = try? JSONDecoder().decode(RequestFailure.self, from: answer)
            {
                throw ControlError.refused(failure.error)
            }
            return answer
        } catch let error as ControlError {
            throw error
        } catch {
            throw explained(error, dataDirectory, late)
        }
    }

    /// Has the summaries written, so that what is read next is of now. Returns one line when that was not possible, or
    /// not to the end, although a daemon is there.
    package static func freshen(dataDirectory: String) async -> String? {
        do {
            let answer = try await ask(.checkpoint, dataDirectory: dataDirectory)
            let state = try JSONDecoder().decode(Checkpointed.self, from: answer)
            guard state.projected < state.head else { return nil }
            let cause = state.projection == "good" ? "the daemon is still reading the log" : state.projection
            return "\(state.head - state.projected) newer events are not counted yet: \(cause)"
        } catch ControlError.noDaemon {
            return nil
        } catch {
            return "\(error); what follows is as of the last checkpoint"
        }
    }

    private static func exchange(_ request: ControlRequest, _ dataDirectory: String) async throws -> Data {
        let address = try ControlAddress(dataDirectory: dataDirectory)
        defer { address.close() }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: address.path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var line = try JSONEncoder().encode(request)
            line.append(UInt8(ascii: "\n"))
            try await outbound.write(ByteBuffer(bytes: line))
            var answer = Data()
            for try await bytes in inbound {
                answer.append(contentsOf: bytes.readableBytesView)
                if answer.last == UInt8(ascii: "\n") { break }
            }
            return answer
        }
    }

    private static func explained(_ error: any Error, _ folder: String, _ late: ControlError) -> ControlError {
        let cause = error as? IOError
        let code = (error as NSError).domain == NSCocoaErrorDomain ? (error as NSError).code : 0
        switch cause?.errnoCode ?? 0 {
        case EACCES, EPERM:
            // Of a daemon that was killed the socket is left; nobody holds the lock, if that may be looked at.
            let lock = folder + "/lock"
            let isLeft = FileAccess.look(at: lock) == .there && FileAccess.isUnlocked(lock)
            return isLeft ? .noDaemon(folder) : .notPermitted(folder)
        // So many wait already that the system takes no more.
        case EAGAIN: return late
        default:
            return code == CocoaError.fileReadNoPermission.rawValue ? .notPermitted(folder) : .noDaemon(folder)
        }
    }
}
