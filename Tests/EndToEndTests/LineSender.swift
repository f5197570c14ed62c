// A device that speaks JSON lines over a plain socket and remembers what was acknowledged.

import Foundation
import Glibc

/// Sends numbered events until its task is cancelled or the connection breaks.
struct LineSender: Sendable {
    var port: Int
    var device: String

    struct Result: Sendable {
        var sent = 0
        /// The highest cumulative ack that was read.
        var acked = 0
    }

    func run() async throws -> Result {
        var result = Result()
        guard let socket = LoopbackSocket(port: port) else { return result }
        defer { socket.close() }
        var answers = ""
        while !Task.isCancelled {
            var lines = ""
            for _ in 0..<50 {
                result.sent += 1
                lines +=
                    "{\"product\":\"oven\",\"device\":\"\(device)\",\"id\":\(result.sent),\"type\":\"preference.set\","
                lines += "\"aspect\":\"fan.mode\",\"value\":\"m\(result.sent % 5)\"}\n"
            }
            guard socket.send(lines) else { break }
            guard let text = socket.receive(wait: .milliseconds(2)) else { break }
            answers += text
            result.acked = max(result.acked, lastAck(answers))
            await Task.yield()
        }
        while let text = socket.receive(wait: .milliseconds(20)), !text.isEmpty { answers += text }
        result.acked = max(result.acked, lastAck(answers))
        return result
    }

    private func lastAck(_ answers: String) -> Int {
        let complete = answers.lastIndex(of: "\n").map { answers[..<$0] } ?? ""
        return complete.split(separator: "\n").compactMap { line in
            line.firstMatch(of: /\{"ack":(\d+)\}/).flatMap { Int($0.1) }
        }.max() ?? 0
    }
}

/// A blocking TCP or UDP socket to this machine, for tests.
struct LoopbackSocket: Sendable {
    private let descriptor: Int32

    init?(port: Int, isDatagram: Bool = false) {
        descriptor = socket(AF_INET, Int32((isDatagram ? SOCK_DGRAM : SOCK_STREAM).rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        // SAFETY: the pointer is used only during the call and has the size that is passed.
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { return nil }
    }

    /// Sends all of the bytes; false when the peer is gone.
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the buffer lives for the length of the call.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// What can be read within `wait`; nil when the peer has closed.
    func receive(wait: Duration) -> String? {
        receiveBytes(wait: wait).map { String(decoding: $0, as: UTF8.self) }
    }

    func receiveBytes(wait: Duration) -> [UInt8]? {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(wait.components.seconds * 1_000 + wait.components.attoseconds / 1_000_000_000_000_000)
        // SAFETY: one pollfd, for the length of the call.
        guard unsafe Glibc.poll(&poll, 1, milliseconds) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        // SAFETY: the buffer lives for the length of the call and has the size that is passed.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    func closeWriting() { _ = shutdown(descriptor, Int32(SHUT_WR)) }
    func close() { _ = Glibc.close(descriptor) }
}
