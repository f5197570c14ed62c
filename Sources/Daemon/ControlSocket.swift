// How the commands talk to a running daemon: a Unix socket in the data folder, one JSON line each way.

package import Foundation
import NIOCore
import NIOPosix

/// A request to the daemon.
package struct ControlRequest: Codable, Sendable {
    package enum Command: String, Codable, Sendable {
        /// The answer is a `DaemonStatus`.
        case status
        /// Write all summaries that are due; the answer comes when summaries.sqlite has everything stored before.
        case checkpoint
    }

    package var command: Command

    package init(_ command: Command) { self.command = command }
}

/// The socket's path; only the owner of the data folder can open it.
package func controlSocketPath(dataDirectory: String) -> String { dataDirectory + "/control.sock" }

/// The daemon's end: answers one request a line until the client closes.
struct ControlSocket: Sendable {
    /// Lines longer than this close the connection.
    private static let requestBytes = 4_096

    let path: String
    let group: MultiThreadedEventLoopGroup
    /// Answers a request with a value that will be sent as JSON.
    let answer: @Sendable (ControlRequest) async -> any Encodable & Sendable

    /// Binds the socket and serves it until the task is cancelled.
    func run() async throws {
        let server = try await ServerBootstrap(group: group)
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { try? await serve(connection) }
                }
            }
        }
    }

    private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var pending = Data()
            for try await bytes in inbound {
                pending.append(contentsOf: bytes.readableBytesView)
                guard pending.count <= Self.requestBytes else { return }
                while let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = pending[..<newline]
                    pending = Data(pending[(newline + 1)...])
                    let request = try JSONDecoder().decode(ControlRequest.self, from: line)
                    var answer = try JSONEncoder().encode(await answer(request))
                    answer.append(UInt8(ascii: "\n"))
                    try await outbound.write(ByteBuffer(bytes: answer))
                }
            }
        }
    }
}

/// The commands' end.
package enum ControlClient {
    /// Sends one request and returns the answer's JSON.
    ///
    /// - Throws: a NIO or system error when no daemon serves this data folder.
    package static func ask(_ command: ControlRequest.Command, dataDirectory: String) async throws -> Data {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: controlSocketPath(dataDirectory: dataDirectory)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var request = try JSONEncoder().encode(ControlRequest(command))
            request.append(UInt8(ascii: "\n"))
            try await outbound.write(ByteBuffer(bytes: request))
            var answer = Data()
            for try await bytes in inbound {
                answer.append(contentsOf: bytes.readableBytesView)
                if answer.last == UInt8(ascii: "\n") { break }
            }
            return answer
        }
    }
}
