// A thousand wrong credentials a second, by every way in: refused, counted, told in one line of the log, in memory that
// does not grow, and no burden on those whose credential is right.

import Foundation
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(3))) struct WrongCredentialTests {
    enum Way: String, CaseIterable, Sendable { case lines, frames, posts, questions, datagrams }

    private static let attempts = 1_000

    /// Shows a wrong credential once.
    ///
    /// - Returns: whether that was refused as it should be.
    private static func attempt(_ way: Way, _ forged: [UInt8], tcp: Int, http: Int) throws -> Bool {
        let isHTTP = way == .posts || way == .questions
        guard let socket = LoopbackSocket(port: isHTTP ? http : tcp) else { return false }
        defer { socket.close() }
        guard socket.send(forged) else { return false }
        let answer = socket.receiveBytes(wait: .seconds(5)) ?? []
        switch way {
        case .lines: return String(decoding: answer, as: UTF8.self).contains(#""code":4010"#)
        case .frames: return try errorCode(in: answer) == 4010
        case .posts, .questions: return String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 401 ")
        case .datagrams: return true
        }
    }

    /// What is sent by one who does not have the device's key.
    private static func forged(_ way: Way, _ device: SignedDevice) throws -> [UInt8] {
        let event = #"{"source":"kettle/k-1","type":"feature.used","aspect":"lid"}"#
        let fields = "Host: localhost\r\nAuthorization: Bearer tdg_guess\r\nContent-Type: application/json\r\n"
        switch way {
        case .lines: return Array("{\"hello\":\"kettle/k-1\",\"token\":\"1.guess\"}\n\(event)\n".utf8)
        case .frames:
            var (bytes, hello) = (streamMagic, Hello())
            (hello.source, hello.token) = (Array("kettle/k-1".utf8), "tdg_guess")
            writeFrame(.hello, body: hello.encode().span, into: &bytes)
            return bytes
        case .posts:
            let head = "POST /v1/events HTTP/1.1\r\n\(fields)Content-Length: \(event.utf8.count)\r\n\r\n"
            return Array((head + event).utf8)
        case .questions: return Array("GET /health/ready HTTP/1.1\r\n\(fields)\r\n".utf8)
        case .datagrams:
            let guess = try #require(DeviceKey(Array(repeating: 1, count: 32)))
            return device.datagram(epoch: SignedDevice.epoch, signedBy: guess)
        }
    }

    /// As many as a second allows, for as long as it takes; returns how many were not refused.
    private static func flood(_ way: Way, _ device: SignedDevice, tcp: Int, udp: Int, http: Int) async throws -> Int {
        let forged = try Self.forged(way, device)
        let datagrams = try #require(LoopbackSocket(port: udp, isDatagram: true))
        defer { datagrams.close() }
        let start = ContinuousClock.now
        var wrong = 0
        for number in 0..<attempts {
            try await Task.sleep(until: start + .milliseconds(number))
            let isRefused =
                way == .datagrams ? datagrams.send(forged) : try attempt(way, forged, tcp: tcp, http: http)
            if !isRefused { wrong += 1 }
        }
        if way == .datagrams, let answer = datagrams.receiveBytes(wait: .milliseconds(100)), !answer.isEmpty {
            wrong += 1
        }
        return wrong
    }

    /// How long each of some acks took, for a device that has shown its token.
    private static func acks(_ count: Int, of device: SignedDevice, port: Int, firstID: Int) async throws -> [Duration]
    {
        let socket = try #require(LoopbackSocket(port: port))
        defer { socket.close() }
        #expect(socket.send("{\"hello\":\"kettle/k-1\",\"token\":\"\(device.token)\"}\n"))
        var (times, answers) = ([Duration](), "")
        for number in 0..<count {
            let start = ContinuousClock.now
            #expect(
                socket.send(
                    #"{"source":"kettle/k-1","id":\#(firstID + number),"type":"feature.used","aspect":"lid"}"# + "\n"))
            while !answers.contains("{\"ack\":\(number + 2)}") {
                answers += try #require(socket.receive(wait: .seconds(5)))
            }
            times.append(start.duration(to: .now))
            try await Task.sleep(for: .milliseconds(8))
        }
        return times.sorted()
    }

    private func status(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
    }

    /// How often something was wrong with a credential.
    private func faults(_ daemon: DaemonProcess) async throws -> Int {
        let lines = try await status(daemon)["credential_faults"] as? [[String: Any]]
        return (lines ?? []).filter { $0["fault"] as? String == "wrong" }.reduce(0) { $0 + ($1["count"] as? Int ?? 0) }
    }

    private func residentKilobytes(_ daemon: DaemonProcess) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/status", encoding: .utf8)
        return try #require(text.firstMatch(of: /VmRSS:\s+(\d+)/).flatMap { Int($0.1) })
    }

    @Test(arguments: Way.allCases) func aThousandASecond(_ way: Way) async throws {
        try await withDaemon("--auth", "require") { daemon in
            let device = try await SignedDevice(data: daemon.data)
            let (tcp, udp, http) = (daemon.tcpPort, daemon.udpPort, daemon.httpPort)
            let audited = try #require(try await status(daemon)["head"] as? Int)
            let quiet = try await Self.acks(40, of: device, port: tcp, firstID: 1)
            _ = try await Self.flood(way, device, tcp: tcp, udp: udp, http: http)
            let before = try residentKilobytes(daemon)
            async let loud = Self.acks(80, of: device, port: tcp, firstID: 1_001)
            #expect(try await Self.flood(way, device, tcp: tcp, udp: udp, http: http) == 0)
            let busy = try await loud
            #expect(try await eventually { try await faults(daemon) == 2 * Self.attempts })
            #expect(try await status(daemon)["head"] as? Int == 120 + audited)
            let told = daemon.log.split(separator: "\n").filter { $0.contains(#""reason":"unauthorized""#) }
            #expect(told.count == 1, "\(daemon.log)")
            #expect(try residentKilobytes(daemon) - before < 8 << 10)
            // On a machine that does other things too, the half of the acks that came soonest tells.
            #expect(busy[40] < quiet[20] * 2 + .milliseconds(5), "\(quiet[20]), then \(busy[40])")
            #expect(busy[79] < .seconds(1))
        }
    }
}
