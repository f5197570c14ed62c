// A device with a key that makes its bytes by hand, so that a test can send them twice.

import Events
import Foundation
import Testing
import Wire

/// Kettle `kettle/k-1`, and the key that a daemon's folder has given it.
struct SignedDevice: Sendable {
    let id: UInt32
    let key: DeviceKey
    let token: String
    private static let nonce = Array(repeating: UInt8(5), count: 16)

    /// Gives the device a key.
    init(data: String) async throws {
        let added = try await tidings("device", "add", "kettle/k-1", "--data", data, "--format", "json")
        let printed = try JSONSerialization.jsonObject(with: Data(added.output.utf8)) as? [String: [[String: Any]]]
        let one = try #require(printed?["keys"]?.first, "\(added)")
        id = try #require((one["key_id"] as? Int).flatMap { UInt32(exactly: $0) })
        token = try #require(one["token"] as? String)
        let text = try #require(one["key"] as? String).replacing("-", with: "+").replacing("_", with: "/") + "="
        let bytes = try #require(Data(base64Encoded: text))
        key = try #require(DeviceKey([UInt8](bytes)))
    }

    /// Seconds since 2000.
    static var epoch: UInt32 { UInt32((now.rawValue - Limits.earliestTime.rawValue) / 1_000) }
    private static var now: Timestamp { Timestamp(rawValue: Int64(Date().timeIntervalSince1970 * 1_000)) }

    private func body(epoch: UInt32, seq: UInt64) -> [UInt8] {
        var writer = BatchWriter()
        let source = writer.reference("kettle/k-1")
        writer.begin(epoch: epoch, firstSeq: seq, time: Self.now, device: source)
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("lid")
        _ = writer.add(event, skipping: 0)
        var body: [UInt8] = []
        writer.finish(into: &body)
        return body
    }

    /// One event in a datagram that is signed with the device's key, or with another.
    func datagram(epoch: UInt32, seq: UInt64 = 1, signedBy other: DeviceKey? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        let body = body(epoch: epoch, seq: seq)
        DatagramHeader(type: .batch, keyID: id, epoch: epoch, counter: 5).write(body: body.span, into: &bytes)
        (other ?? key).signer.sign(&bytes, from: 0)
        return bytes
    }

    /// What the device says on a connection: its name, the proof that the daemon asks for, and one event.
    ///
    /// - Parameter challenge: the daemon's, of its WELCOME.
    func conversation(challenge: [UInt8]) -> [UInt8] {
        var bytes = greeting
        let proof = key.proof(nonce: challenge, ownNonce: Self.nonce, hello: hello)
        writeFrame(.proof, body: proof.span, into: &bytes)
        writeFrame(.batch, body: body(epoch: 7, seq: 1).span, into: &bytes)
        return bytes
    }

    var greeting: [UInt8] {
        var bytes = streamMagic
        writeFrame(.hello, body: hello.span, into: &bytes)
        return bytes
    }

    private var hello: [UInt8] {
        var hello = Hello()
        hello.source = Array("kettle/k-1".utf8)
        (hello.keyID, hello.nonce, hello.epoch) = (id, Self.nonce, 7)
        return hello.encode()
    }
}

/// The bodies of the frames in what a daemon has answered, by their kind.
func bodies(of type: FrameType, in bytes: [UInt8]) throws -> [[UInt8]] {
    var bodies: [[UInt8]] = []
    var at = 0
    while let frame = try readFrame(bytes.span, at: at) {
        at = frame.end
        if frame.type == type { bodies.append(Array(bytes[frame.body])) }
    }
    return bodies
}

/// The code of the first ERROR frame; nil without one.
func errorCode(in bytes: [UInt8]) throws -> UInt32? {
    guard let body = try bodies(of: .error, in: bytes).first else { return nil }
    return try Reject(decoding: body.span).code
}
