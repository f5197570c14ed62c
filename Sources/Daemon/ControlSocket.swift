// How the commands talk to a running daemon: a Unix socket in the data folder, one JSON line each way.

import Foundation
import NIOCore
import NIOPosix
package import Presentation

/// A request to the daemon.
package struct ControlRequest: Codable, Sendable {
    package enum Command: String, Codable, Sendable {
        /// The answer is a `DaemonStatus`.
        case status
        /// Write all summaries that are due; the answer comes when summaries.sqlite has everything stored before.
        case checkpoint
        /// Read the configuration again; the answer is a `ReloadReport`.
        case reload
        /// The same; the answer comes when what is applied is in force.
        case reloadAndWait = "reload_and_wait"
        /// Read keys and tokens again; the answer is an `AccessStanding`, and comes when they are in force.
        case access
        /// Forget somebody, as `forget` says; the answer is a `ForgetReport`.
        case forget
        /// Note a use in the log, as `audit` says; the answer, `AuditAnswer`, comes when that is durable.
        case audit
        /// Send a message, as `message` says; the answer is a `MessageAnswer`, and comes when it is known whom it
        /// goes to.
        case message
        /// End messages, as `cancel` says; the answer is a `MessageAnswer`.
        case cancel
    }

    package var command: Command
    package var forget: ForgetRequest?
    package var audit: AuditRequest?
    package var message: MessageOrder?
    package var cancel: CancelOrder?

    package init(_ command: Command) { self.command = command }

    package init(_ forget: ForgetRequest) { (command, self.forget) = (.forget, forget) }

    package init(_ audit: AuditRequest) { (command, self.audit) = (.audit, audit) }

    package init(_ message: MessageOrder) { (command, self.message) = (.message, message) }

    package init(_ cancel: CancelOrder) { (command, self.cancel) = (.cancel, cancel) }
}

/// Cuts requests out of bytes that come in any pieces.
package struct ControlRequests: Sendable {
    private var line: [UInt8] = []

    package init() {}

    /// The requests that these bytes complete.
    ///
    /// - Throws: an error for a line that is too long or no request; the connection is then of no more use.
    package mutating func take(_ bytes: some Sequence<UInt8>) throws -> [ControlRequest] {
        var requests: [ControlRequest] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                requests.append(try JSONDecoder().decode(ControlRequest.self, from: Data(line)))
                line.removeAll(keepingCapacity: true)
            } else {
                guard line.count < DaemonLimits.requestBytes else { throw CocoaError(.fileReadTooLarge) }
                line.append(byte)
            }
        }
        return requests
    }
}

/// The daemon's end: answers one request a line until the client closes.
struct ControlSocket: Sendable {
    let dataDirectory: String
    let group: MultiThreadedEventLoopGroup
    /// Answers a request with a value that will be sent as JSON.
    let answer: @Sendable (ControlRequest) async -> any Encodable & Sendable

    /// Binds the socket and serves it until the task is cancelled. Only the owner of the data folder can open it.
    func run() async throws {
        let address = try ControlAddress(dataDirectory: dataDirectory)
        defer {
            // So that nobody takes it for a daemon that does not let them in.
            try? FileManager.default.removeItem(atPath: address.path)
            address.close()
        }
        // A `NIOAsyncChannel` that is let go unserved is a trap, and one that was accepted in the moment of a stop
        // would be let go. So it is made by the task that serves the connection, which is not read before.
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .bind(unixDomainSocketPath: address.path, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeSucceededFuture(channel)
            }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: address.path)
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { try? await serve(connection) }
                }
            }
        }
    }

    private func serve(_ channel: any Channel) async throws {
        let connection = try await channel.eventLoop.submit {
            // Whoever waited in vain has hung up.
            guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
            let connection = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            try channel.syncOptions?.setOption(.autoRead, value: true)
            return connection
        }.get()
        try await connection.executeThenClose { inbound, outbound in
            var requests = ControlRequests()
            for try await bytes in inbound {
                for request in try requests.take(bytes.readableBytesView) {
                    let encoder = JSONEncoder()
                    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                    var answer = try encoder.encode(await answer(request))
                    answer.append(UInt8(ascii: "\n"))
                    try await outbound.write(ByteBuffer(bytes: answer))
                }
            }
        }
    }
}
