// Credentials on connections: proofs, tokens, whose events they are for, and what is told of bad ones.

import Admission
import Events
import Testing
import Transport
import Wire

private let nonce = Array(repeating: UInt8(5), count: 16)

private func frame(_ type: FrameType, _ body: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = []
    writeFrame(type, body: body.span, into: &bytes)
    return bytes
}

private func hello(_ source: String = "kettle/k-1", key: UInt32 = 0, token: String = "", nonce: [UInt8] = []) -> [UInt8]
{
    var hello = Hello()
    hello.source = Array(source.utf8)
    (hello.keyID, hello.token, hello.nonce, hello.epoch) = (key, token, nonce, 7)
    return hello.encode()
}

private func batch(_ seq: UInt64 = 1, device: String? = nil) -> [UInt8] {
    var writer = BatchWriter()
    let reference = device.map { writer.reference($0) } ?? 0
    writer.begin(firstSeq: seq, time: Timestamp(rawValue: 1_795_132_800_000), device: reference)
    var event = OutgoingEvent(kind: .featureUsed)
    event.aspect = writer.reference("lid")
    writer.put(event)
    var body: [UInt8] = []
    writer.finish(into: &body)
    return frame(.batch, body)
}

private func makeBench(
    _ mode: AuthMode = .require, isPrivate: Bool = false, _ access: AccessList = TestKeys.list()
) -> Bench {
    let bench = Bench(settings: .auth(mode))
    bench.ingest.change(access: access)
    bench.ingest.isPrivate = isPrivate
    bench.ingest.sender = SenderAddress(ipv4: 0xc000_0207)
    return bench
}

@Suite struct ProofTests {
    /// Sends HELLO, and PROOF for the nonce that comes back, made with a key.
    private func greet(_ bench: Bench, key: UInt32, with secret: DeviceKey, source: String = "kettle/k-1") throws {
        let body = hello(source, key: key, nonce: nonce)
        bench.feed(streamMagic + frame(.hello, body))
        let answers = try bench.takeFrames()
        try #require(answers.map(\.0) == [.welcome])
        let answer = answers[0].1
        let welcome = try Welcome(decoding: answer.span)
        #expect(welcome.nonce.count == 32 && welcome.durable == 0 && welcome.maxFrameBytes == 0)
        bench.feed(frame(.proof, secret.proof(nonce: welcome.nonce, ownNonce: nonce, hello: body)))
    }

    @Test func aProvedKeyMaySend() throws {
        let bench = makeBench()
        try greet(bench, key: 7, with: TestKeys.key(7))
        let greeting = try bench.takeFrames()[0].1
        let last = try Welcome(decoding: greeting.span)
        #expect(last.maxFrameBytes > 0)
        bench.feed(batch())
        bench.commit()
        #expect(try bench.takeAcks().map(\.durable) == [1])
        #expect(bench.ingest.principal.isKnown)
    }

    @Test(arguments: [(7, 8), (8, 7), (99, 7), (7, 99)] as [(UInt32, UInt32)])
    func anotherKeysProofIsRefused(_ named: UInt32, _ used: UInt32) throws {
        for mode in AuthMode.allCases {
            let bench = makeBench(mode)
            try greet(bench, key: named, with: TestKeys.key(used))
            #expect(bench.last == .ends)
            #expect(try bench.takeErrors() == [.unauthorized])
            #expect(bench.intake.events.isEmpty)
        }
    }

    @Test func aRevokedOrReplacedKeyIsRefused() throws {
        for access in [TestKeys.list(without: 7), TestKeys.list(generation: 1)] {
            let bench = makeBench(.require, isPrivate: false, access)
            try greet(bench, key: 7, with: TestKeys.key(7))
            #expect(try bench.takeErrors() == [.unauthorized])
        }
    }

    /// What was recorded of one connection is no proof on another.
    @Test func aRecordedConnectionCannotBePlayedAgain() throws {
        let first = makeBench()
        let body = hello(key: 7, nonce: nonce)
        first.feed(streamMagic + frame(.hello, body))
        let answer = try first.takeFrames()[0].1
        let given = try Welcome(decoding: answer.span).nonce
        let proof = frame(.proof, TestKeys.key(7).proof(nonce: given, ownNonce: nonce, hello: body))
        first.feed(proof + batch())
        first.commit()
        #expect(first.intake.committed.count == 1)
        let second = makeBench()
        second.feed(streamMagic + frame(.hello, body) + proof + batch())
        #expect(second.last == .ends)
        #expect(second.intake.events.isEmpty)
        #expect(second.intake.refusals == [.unauthorized])
    }

    @Test func nothingIsTakenBeforeTheProof() throws {
        for mode in AuthMode.allCases {
            let bench = makeBench(mode)
            bench.feed(streamMagic + frame(.hello, hello(key: 7, nonce: nonce)) + batch())
            #expect(bench.last == .ends)
            #expect(try bench.takeErrors() == [.unauthorized])
            #expect(bench.intake.events.isEmpty)
        }
    }

    @Test func aProofThatNobodyAskedForIsMalformed() throws {
        let bench = makeBench(.off)
        bench.feed(streamMagic + frame(.hello, hello()) + frame(.proof, Array(repeating: 1, count: 32)))
        #expect(try bench.takeErrors() == [.malformedFrame])
    }

    @Test(arguments: [0, 15, 65]) func nonceOfBadLength(_ count: Int) throws {
        let bench = makeBench()
        bench.feed(streamMagic + frame(.hello, hello(key: 7, nonce: Array(repeating: 1, count: count))))
        #expect(try bench.takeErrors() == [.malformedBody])
    }

    @Test func aDevicesKeyIsForItsDeviceAlone() throws {
        let bench = makeBench()
        try greet(bench, key: 8, with: TestKeys.key(8))
        #expect(try bench.takeErrors() == [.forbidden])
        let other = makeBench()
        try greet(other, key: 7, with: TestKeys.key(7))
        other.feed(batch(device: "kettle/k-2"))
        #expect(try other.takeErrors() == [.forbidden])
        #expect(other.intake.events.isEmpty)
    }

    @Test(arguments: ["a+b", "a#b", "a/b", "a:b", "a%b", "a%2Fb"])
    func lawfulNamesHaveKeys(_ name: String) throws {
        let access = AccessList(
            masters: MasterKeys(TestKeys.master), keys: [KeyEntry(id: 7, scope: TestKeys.device("x/y%:+#", name))],
            tokens: [])
        let bench = makeBench(.require, isPrivate: false, access)
        let source = String(
            decoding: deviceSource(product: Array("x/y%:+#".utf8)[...], name: Array(name.utf8)[...]), as: UTF8.self)
        try greet(bench, key: 7, with: TestKeys.key(7), source: source)
        #expect(try bench.takeFrames().map(\.0) == [.welcome])
        bench.feed(batch())
        bench.commit()
        #expect(bench.intake.committed.count == 1)
    }
}

@Suite struct HelloTokenTests {
    @Test func aTokenIsTakenWhereNobodyReadsAlong() throws {
        for token in [TestKeys.bearer(7), "tdg_kettle"] {
            let bench = makeBench(isPrivate: true)
            bench.feed(streamMagic + frame(.hello, hello(token: token)) + batch())
            #expect(try bench.takeFrames().map(\.0) == [.welcome])
            #expect(bench.intake.events.count == 1)
        }
        let apart = makeBench(isPrivate: true)
        let token = String(TestKeys.bearer(7).dropFirst(2))
        apart.feed(streamMagic + frame(.hello, hello(key: 7, token: token)))
        #expect(try apart.takeFrames().map(\.0) == [.welcome])
    }

    @Test func elsewhereItIsRefusedAndSaysWhy() throws {
        let bench = makeBench(.off)
        bench.feed(streamMagic + frame(.hello, hello(token: TestKeys.bearer(7))))
        let error = try bench.takeFrames()[0].1
        let told = try Reject(decoding: error.span).text
        #expect(told == CredentialFault.readable.explanation.description)
    }

    @Test(arguments: ["tdg_none", "tdg_old", "7.AAAA", "8", ""]) func wrongOnes(_ token: String) throws {
        let bench = makeBench(isPrivate: true)
        bench.feed(streamMagic + frame(.hello, hello(token: token)))
        #expect(try bench.takeErrors() == [.unauthorized])
    }

    /// A token of one product tells nothing of another, be that there or not.
    @Test func anotherProductIsRefusedAlike() throws {
        let answers = try ["oven/k-1", "never/heard-of"].map { source in
            let bench = makeBench(isPrivate: true)
            let other = Array("oven/k-1".utf8)
            let known = try readDevice(other.span, vocabulary: &bench.intake.vocabulary)
            #expect(known != .none)
            bench.feed(streamMagic + frame(.hello, hello(source, token: "tdg_kettle")))
            return bench.takeOutput()
        }
        #expect(answers[0] == answers[1])
        #expect(!answers[0].isEmpty)
    }

    @Test func aReaderMayNotSend() throws {
        let bench = makeBench(isPrivate: true)
        bench.feed(streamMagic + frame(.hello, hello(token: "tdg_reader")))
        #expect(try bench.takeErrors() == [.forbidden])
    }
}

@Suite struct AuthModeTests {
    @Test func withoutACredential() throws {
        let off = makeBench(.off)
        off.feed(streamMagic + frame(.hello, hello()) + batch())
        #expect(off.intake.events.count == 1)
        #expect(off.ingest.faults.all.isEmpty)
        let warned = makeBench(.warn)
        warned.feed(streamMagic + frame(.hello, hello()) + batch())
        #expect(warned.intake.events.count == 1)
        #expect(warned.ingest.faults.all.map(\.fault) == [.missing])
        guard case .device = warned.ingest.faults.all[0].sender else {
            Issue.record("not by its device")
            return
        }
        for bytes in [frame(.hello, hello()), batch(device: "kettle/k-1")] {
            let required = makeBench(.require)
            required.feed(streamMagic + bytes)
            #expect(required.last == .ends)
            let error = try #require(try required.takeFrames().first { $0.0 == .error }).1
            let told = try Reject(decoding: error.span).text
            #expect(told.contains("tidings device add"))
            #expect(required.intake.events.isEmpty)
        }
    }

    @Test func theListIsBounded() {
        var faults = CredentialFaults()
        for address in 0..<250 as Range<UInt32> {
            faults.add(.address(SenderAddress(ipv4: address)), .missing, at: Timestamp(rawValue: 1))
        }
        #expect(faults.all.count == CredentialFaults.limit)
        #expect(faults.others == 150)
        #expect(SenderAddress(ipv4: 0xc000_0207).description == "192.0.2.7")
    }
}

@Suite struct LineHelloTests {
    private let event =
        #"{"product":"kettle","device":"k-1","id":"1-1","type":"feature.used","aspect":"lid"}"# + "\n"

    private func hello(_ token: String, source: String = "kettle/k-1") -> String {
        #"{"hello":"\#(source)","token":"\#(token)"}"# + "\n"
    }

    @Test func theFirstLineSaysWhoSends() throws {
        for size in [Int.max, 1, 7] {
            let bench = makeBench(isPrivate: true)
            bench.feed(Array(("\n" + hello(TestKeys.bearer(7)) + event).utf8), by: size)
            bench.commit()
            #expect(bench.takeText() == "{\"ack\":2}\n{\"ack\":3}\n", "pieces of \(size)")
            #expect(bench.intake.committed.count == 1)
        }
    }

    @Test func withoutItNothingIsTaken() {
        let bench = makeBench(isPrivate: true)
        bench.feed(Array((event + event).utf8))
        #expect(bench.last == .ends)
        #expect(bench.takeText().hasPrefix(#"{"error":{"code":4010,"reason":"unauthorized","text":"no credential"#))
        #expect(bench.intake.events.isEmpty)
    }

    @Test(arguments: ["tdg_none", "tdg_old", "7.AAAA", "8", ""]) func wrongOnes(_ token: String) {
        let bench = makeBench(isPrivate: true)
        bench.feed(Array((hello(token) + event).utf8))
        #expect(bench.last == .ends)
        #expect(bench.takeText().hasPrefix(#"{"error":{"code":4010"#))
        #expect(bench.intake.events.isEmpty)
        #expect(bench.ingest.faults.all.map(\.fault) == [token.isEmpty ? .missing : .wrong])
    }

    @Test(arguments: ["oven/k-1", "never/heard-of"]) func aTokenOfAnotherProduct(_ source: String) {
        let bench = makeBench(isPrivate: true)
        bench.feed(Array((hello("tdg_kettle", source: source) + event).utf8))
        #expect(bench.last == .ends)
        #expect(bench.takeText().contains(#""code":4030"#))
        #expect(bench.intake.events.isEmpty)
    }

    @Test func anotherDevicesKey() {
        let bench = makeBench(isPrivate: true)
        bench.feed(Array(hello(TestKeys.bearer(8)).utf8))
        #expect(bench.takeText().contains("4030"))
        let later = makeBench(isPrivate: true)
        later.feed(Array((hello(TestKeys.bearer(8), source: "") + event).utf8))
        #expect(later.takeText().contains("4030"))
        #expect(later.intake.events.isEmpty)
    }

    @Test(arguments: [
        #"{"hello":1}"#, #"{"hello":"kettle/k-1","token":2}"#, #"{"hello":"a/b","hello":"a/b"}"#, #"{"hello":"a/b""#,
        #"{"hello":"a/b"} x"#, #"{"hello":"no-product","token":"tdg_kettle"}"#,
    ])
    func badOnesEndTheConnection(_ line: String) {
        let bench = makeBench(isPrivate: true)
        bench.feed(Array((line + "\n" + event).utf8))
        #expect(bench.last == .ends)
        #expect(bench.takeText().hasPrefix(#"{"error":{"code":40"#))
        #expect(bench.intake.events.isEmpty)
    }

    @Test func aLateHelloIsRefused() {
        let bench = makeBench(.off, isPrivate: true)
        bench.feed(Array((event + hello("tdg_kettle")).utf8))
        #expect(bench.takeText().contains("first line"))
        #expect(!bench.ingest.principal.isKnown)
    }

    @Test func onAnOpenConnectionATokenIsRefused() {
        let bench = makeBench(isPrivate: false)
        bench.feed(Array(hello(TestKeys.bearer(7)).utf8))
        #expect(bench.takeText().contains("others may read"))
    }
}
