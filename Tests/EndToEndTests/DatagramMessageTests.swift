// Messages over signed datagrams with the real daemon, by the client that products in Swift use.

import Foundation
import Testing
import TidingsClient

@Suite(.serialized, .timeLimit(.minutes(2))) struct DatagramMessageTests {
    private func count(_ daemon: DaemonProcess, _ message: String, _ state: String) async throws -> Int? {
        let shown = try await tidings("outbox", "show", message, "--data", daemon.data, "--format", "json")
        let object = try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any]
        return object?[state] as? Int
    }

    private func set(_ daemon: DaemonProcess, _ aspect: String, _ value: String) async throws {
        let done = try await tidings("set", "kettle/k-1", aspect, value, "--data", daemon.data)
        #expect(done.status == 0, "\(done)")
    }

    @Test func aDeviceWithAKeyGetsItsSettingsWhenItAsks() async throws {
        try await withDaemon { daemon in
            let added = try await tidings("device", "add", "kettle/k-1", "--data", daemon.data, "--format", "json")
            let printed = try JSONSerialization.jsonObject(with: Data(added.output.utf8)) as? [String: [[String: Any]]]
            let one = try #require(printed?["keys"]?.first, "\(added)")
            let credential = try #require(
                SenderCredential(keyID: UInt32(one["key_id"] as? Int ?? 0), key: one["key"] as? String ?? ""))
            let device = TidingsDatagrams(
                host: "127.0.0.1", port: daemon.udpPort, credential: credential,
                epoch: TidingsDatagrams.epoch(after: 0, unixSeconds: Int64(Date().timeIntervalSince1970)),
                firstPauseMilliseconds: 200, messagesFor: ("kettle", "k-1"))
            try await device.send([
                TidingsEvent(product: "kettle", device: "k-1", kind: .featureUsed, aspect: "boil")
            ])
            await device.flush()
            try await set(daemon, "temperature", "88")
            try await set(daemon, "keep_warm", "true")
            var heard: [TidingsMessage] = []
            let asking = Task {
                var told: Set<Int> = []
                while !Task.isCancelled {
                    if let waiting = try await device.poll() { told.insert(waiting) }
                    try? await Task.sleep(for: .milliseconds(200))
                }
                return told
            }
            for await message in device.messages {
                heard.append(message)
                try await device.send([message.receipt(.applied)])
                if heard.count == 2 { break }
            }
            await device.flush()
            // The number that waits is up to a second old.
            try await Task.sleep(for: .seconds(2))
            asking.cancel()
            let told = try await asking.value
            #expect(told.contains(0) && told.max() ?? 0 > 0, "\(told)")
            #expect(heard.map(\.aspect) == ["temperature", "keep_warm"])
            #expect(heard.map(\.value) == [.whole(88), .flag(true)])
            for message in ["m1", "m2"] {
                let applied = try await eventually { try await count(daemon, message, "applied") == 1 }
                #expect(applied, "\(message)")
            }
            await device.close()
        }
    }
}
