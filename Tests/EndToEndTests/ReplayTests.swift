// What somebody has recorded on the way and sends once more, to a daemon that was killed in between: it counts once.

import Foundation
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct ReplayTests {
    private func status(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
    }

    private func head(_ daemon: DaemonProcess) async throws -> Int? { try await status(daemon)["head"] as? Int }

    private func ask(_ datagram: [UInt8], _ daemon: DaemonProcess) throws -> [UInt8] {
        let socket = try #require(LoopbackSocket(port: daemon.udpPort, isDatagram: true))
        defer { socket.close() }
        #expect(socket.send(datagram))
        return socket.receiveBytes(wait: .seconds(3)) ?? []
    }

    private func isAck(_ answer: [UInt8]) throws -> Bool {
        let header = try DatagramHeader.read(answer.span)
        return header.type == .ack
    }

    @Test func aDatagramAfterARestart() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let device = try await SignedDevice(data: folder.path)
        let epoch = SignedDevice.epoch
        let recorded = device.datagram(epoch: epoch)
        let first = try await DaemonProcess(data: folder.path, "--auth", "require")
        #expect(try isAck(try ask(recorded, first)))
        #expect(try await head(first) == 1)
        await first.kill()

        let second = try await DaemonProcess(data: folder.path, "--auth", "require")
        #expect(try isAck(try ask(recorded, second)))
        var seen = try await status(second)
        #expect(seen["head"] as? Int == 1)
        let counts = (seen["transports"] as? [String: [String: Any]])?["udp"]
        #expect(counts?["duplicate"] as? Int == 1 && counts?["committed"] as? Int == 0, "\(counts ?? [:])")
        // One that was held back, of a run of the device that was over before the daemon heard of it: the daemon has
        // no memory of its numbers, and the epoch alone tells.
        let answer = try ask(device.datagram(epoch: epoch - 9), second)
        let refused = try Reject(decoding: answer.span.extracting(DatagramHeader.body(count: answer.count)))
        #expect(refused.code == 4013 && refused.number == UInt64(epoch), "\(refused)")
        seen = try await status(second)
        let reasons = (seen["transports"] as? [String: [String: Any]])?["udp"]?["refused"] as? [String: Int]
        #expect(seen["head"] as? Int == 1 && reasons == ["bad_identity": 1], "\(reasons ?? [:])")
        #expect(try isAck(try ask(device.datagram(epoch: epoch + 1), second)))
        #expect(try await head(second) == 2)
        #expect(await second.stop() == 0, "\(second.log)")
    }

    @Test func aConnectionAfterARestart() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let device = try await SignedDevice(data: folder.path)
        let first = try await DaemonProcess(data: folder.path, "--auth", "require")
        let socket = try #require(LoopbackSocket(port: first.tcpPort))
        #expect(socket.send(device.greeting))
        let welcome = try #require(try bodies(of: .welcome, in: socket.receiveBytes(wait: .seconds(3)) ?? []).first)
        let recorded = device.conversation(challenge: try Welcome(decoding: welcome.span).nonce)
        #expect(socket.send(Array(recorded.dropFirst(device.greeting.count))))
        #expect(try await eventually { try await head(first) == 1 })
        socket.close()
        await first.kill()

        let second = try await DaemonProcess(data: folder.path, "--auth", "require")
        let again = try #require(LoopbackSocket(port: second.tcpPort))
        defer { again.close() }
        #expect(again.send(recorded))
        var answer: [UInt8] = []
        while let more = again.receiveBytes(wait: .seconds(3)), !more.isEmpty { answer += more }
        #expect(try errorCode(in: answer) == 4010)
        let seen = try await status(second)
        let faults = seen["credential_faults"] as? [[String: Any]]
        #expect(seen["head"] as? Int == 1)
        #expect(faults?.map { $0["fault"] as? String } == ["wrong"], "\(faults ?? [])")
        #expect(await second.stop() == 0, "\(second.log)")
    }
}
