// What comes down to clients of MQTT, without sockets.

import Admission
import Events
import Testing
import Transport
import Wire

private typealias MQTTBench = SessionBench<MQTTSession>
private let old = MQTTClientPackets()
private let new = MQTTClientPackets(isVersion5: true)
private let json = Array(#"{"id":"m17-9f31c2aa"}"#.utf8)

extension MQTTClientPackets {
    fileprivate func acknowledge(_ id: UInt16, reason: UInt8? = nil) -> [UInt8] {
        Self.packet(0x40, [UInt8(id >> 8), UInt8(id & 0xff)] + (reason.map { [$0] } ?? []))
    }

    fileprivate func unsubscribe(_ filter: String) -> [UInt8] {
        Self.packet(0xa2, [0, 5] + (isVersion5 ? [0] : []) + Self.string(filter))
    }
}

extension SessionBench<MQTTSession> {
    /// A connection with a subscription of what comes down to a device.
    fileprivate static func subscribed(
        _ packets: MQTTClientPackets, qos: UInt8 = 1, filter: String = "tidings/v1/oven/o-1/down/#",
        properties: [UInt8] = [], clean: Bool = true
    ) -> SessionBench<MQTTSession> {
        let bench = SessionBench<MQTTSession>()
        bench.feed(packets.connect("c", clean: clean, properties: properties) + packets.subscribe(filter, qos: qos))
        _ = bench.takeOutput()
        return bench
    }

    /// The devices that the connection has asked for in the last read.
    fileprivate func takeServed() -> [DeviceID] { ingest.takeServed() }

    fileprivate func push(
        _ number: UInt32 = 17, to device: DeviceID = DeviceID(rawValue: 1), expires: Timestamp? = nil
    ) -> Bool {
        var message = DownEnvelope(
            MessageID(number: number, tag: 0x9f31_c2aa), .setting, expires: expires, json: json)
        message.device = device
        return session.push(message, in: ingest, output: &output)
    }
}

private func receipt(_ number: UInt32, _ stage: ReceiptStage = .received) -> TransportReceipt {
    TransportReceipt(DeviceID(rawValue: 1), MessageID(number: number, tag: 0x9f31_c2aa), stage)
}

private func message(_ first: UInt8, _ number: Int, _ middle: [UInt8]) -> [UInt8] {
    let topic = MQTTClientPackets.string("tidings/v1/oven/o-1/down/m\(number)-9f31c2aa")
    return MQTTClientPackets.packet(first, topic + middle + json)
}

@Suite struct MQTTDownTests {
    @Test func aSubscriptionIsAnsweredAndAsksForTheDevice() {
        let bench = MQTTBench.connected()
        #expect(!bench.push() && bench.output.isEmpty)
        bench.feed(old.subscribe("tidings/v1/oven/o-1/down/#"))
        #expect(bench.takeOutput() == [0x90, 3, 0, 9, 1])
        #expect(bench.takeServed() == [DeviceID(rawValue: 1)])
        #expect(bench.push())
        #expect(bench.takeOutput() == message(0x32, 17, [0, 1]))
        // It is under way: nothing is sent twice on one connection.
        #expect(!bench.push() && bench.output.isEmpty)
        #expect(bench.ingest.takeReceipts().isEmpty)
        bench.feed(old.acknowledge(1) + old.acknowledge(1) + old.acknowledge(700))
        #expect(bench.ingest.takeReceipts() == [receipt(17)])
        // Another device's message is not for this subscription.
        #expect(!bench.push(18, to: DeviceID(rawValue: 2)) && bench.output.isEmpty)
        bench.feed(old.unsubscribe("tidings/v1/oven/o-1/down/#"))
        _ = bench.takeOutput()
        #expect(!bench.push(19) && bench.output.isEmpty)
    }

    @Test func oneConnectionMayAskForSeveralDevices() {
        let bench = MQTTBench.connected()
        bench.feed(
            old.subscribe("tidings/v1/oven/o-1/down/#") + old.subscribe("tidings/v1/oven/o%2F2/down/+", qos: 0)
                + old.subscribe("tidings/v1/oven/o-3/state"))
        _ = bench.takeOutput()
        #expect(bench.takeServed() == [DeviceID(rawValue: 1), DeviceID(rawValue: 2)])
        #expect(bench.push(17, to: DeviceID(rawValue: 2)))
        let topic = MQTTClientPackets.string("tidings/v1/oven/o%2F2/down/m17-9f31c2aa")
        #expect(bench.takeOutput() == MQTTClientPackets.packet(0x30, topic + json))
        #expect(bench.push(17))
        #expect(bench.takeOutput() == message(0x32, 17, [0, 1]))
        #expect(!bench.push(17, to: DeviceID(rawValue: 3)))
    }

    @Test func withoutAnAcknowledgementNothingIsLearnt() {
        let bench = MQTTBench.subscribed(old, qos: 0)
        #expect(bench.push())
        #expect(bench.takeOutput() == message(0x30, 17, []))
        // It may be offered again.
        #expect(bench.push())
        #expect(bench.takeOutput() == message(0x30, 17, []))
        bench.feed(old.acknowledge(1))
        #expect(bench.ingest.takeReceipts().isEmpty)
    }

    @Test func version5IsToldWhatItIsAndForHowLong() {
        let bench = MQTTBench.connected(version5: true)
        // Subscription Identifier 200.
        var subscribe = new.subscribe("tidings/v1/oven/o-1/down/#")
        subscribe.replaceSubrange(4...4, with: [3, 0x0b, 0xc8, 0x01])
        subscribe[1] += 3
        bench.feed(subscribe)
        #expect(bench.takeOutput() == [0x90, 4, 0, 9, 0, 1])
        let now = bench.intake.now.rawValue
        #expect(bench.push(17, expires: Timestamp(rawValue: now + 59_001)))
        let properties: [UInt8] =
            [1, 1, 2, 0, 0, 0, 60, 3] + MQTTClientPackets.string("application/json") + [0x26]
            + MQTTClientPackets.string("type") + MQTTClientPackets.string("setting") + [0x0b, 0xc8, 0x01]
        #expect(bench.takeOutput() == message(0x32, 17, [0, 1, UInt8(properties.count)] + properties))
        #expect(!bench.push(18, expires: Timestamp(rawValue: now)) && bench.output.isEmpty)
    }

    @Test(arguments: [(UInt8(0), ReceiptStage.received), (0x10, .received), (0x80, .refused), (0x99, .refused)])
    func theReasonOfAnAcknowledgementCounts(_ reason: UInt8, _ stage: ReceiptStage) {
        let bench = MQTTBench.subscribed(new)
        #expect(bench.push())
        bench.feed(new.acknowledge(1, reason: reason))
        #expect(bench.ingest.takeReceipts() == [receipt(17, stage)])
        #expect(bench.last == .needsMore)
    }

    @Test func receiveMaximumHolds() {
        let bench = MQTTBench.subscribed(new, properties: [0x21, 0, 1])
        #expect(bench.push(17) && !bench.push(18))
        _ = bench.takeOutput()
        bench.feed(new.acknowledge(1))
        #expect(bench.push(18))
        #expect(String(decoding: bench.takeOutput(), as: UTF8.self).contains("/down/m18-9f31c2aa"))
        // What is not acknowledged does not count.
        let lossy = MQTTBench.subscribed(new, qos: 0, properties: [0x21, 0, 1])
        #expect(lossy.push(17) && lossy.push(18))
    }

    @Test func withoutAWordOfTheClientSoManyAreUnderWay() {
        let bench = MQTTBench.subscribed(old)
        for number in 1...UInt32(MQTTLimits.underWay) { #expect(bench.push(number)) }
        #expect(!bench.push(1_000))
        bench.feed(old.acknowledge(3))
        #expect(bench.push(1_000))
        #expect(bench.ingest.takeReceipts() == [receipt(3)])
    }

    @Test func maximumPacketSizeHolds() {
        // 1 + 1 bytes before 39 of the topic, 2 of the number, 1 and 37 of properties, 21 of JSON.
        for (size, isSent) in [(UInt8(101), false), (102, true)] {
            let bench = MQTTBench.subscribed(new, properties: [0x27, 0, 0, 0, size])
            #expect(bench.push() == isSent)
            #expect(bench.takeOutput().count == (isSent ? 102 : 0))
        }
    }

    @Test func anIDOfItsOwnIsTakenAlone() {
        let bench = MQTTBench.subscribed(old, filter: "tidings/v1/oven/o-1/down/m18-9f31c2aa")
        #expect(bench.takeServed() == [DeviceID(rawValue: 1)])
        #expect(!bench.push(17) && bench.push(18))
    }

    @Test func aKeptSessionNeedsNoSecondSubscription() {
        let first = MQTTBench.subscribed(old, clean: false)
        _ = first.takeServed()
        #expect(first.push(17) && first.push(18))
        first.feed(old.acknowledge(1))
        #expect(first.ingest.takeReceipts() == [receipt(17)])
        first.session.ends(in: first.ingest, as: first.peer)
        #expect(!first.push(19))

        var now: Uptime = 1_000_000_000
        let second = MQTTBench(beside: first)
        second.ingest.uptime = { now }
        second.feed(old.connect("c", clean: false))
        #expect(second.takeOutput() == [0x20, 2, 1, 0])
        #expect(second.takeServed() == [DeviceID(rawValue: 1)])
        // Its program gets a moment to be ready, or says that it is.
        #expect(!second.push(18))
        now += MQTTLimits.resumeNanoseconds
        #expect(second.push(18))
        // The number that it had, and that it may be a repetition.
        #expect(second.takeOutput() == message(0x3a, 18, [0, 2]))
        #expect(second.push(19))
        #expect(second.takeOutput() == message(0x32, 19, [0, 3]))
        second.feed(old.acknowledge(2) + old.acknowledge(3))
        #expect(second.ingest.takeReceipts() == [receipt(18), receipt(19)])
        second.session.ends(in: second.ingest, as: second.peer)

        let third = MQTTBench(beside: first)
        third.feed(old.connect("c", clean: false) + old.subscribe("tidings/v1/oven/o-1/down/#"))
        _ = third.takeOutput()
        #expect(third.push(20))
        third.session.ends(in: third.ingest, as: third.peer)
        let clean = MQTTBench(beside: first)
        _ = clean.takeServed()
        clean.feed(old.connect("c"))
        #expect(clean.takeOutput() == [0x20, 2, 0, 0] && clean.takeServed().isEmpty)
        #expect(!clean.push(21))
    }

    @Test func whatAnEarlierConnectionLeftIsBounded() {
        let bench = MQTTBench()
        var now: Uptime = 0
        bench.ingest.uptime = { now }
        for round in 0..<5 {
            let client = MQTTBench(beside: bench)
            client.feed(old.connect("c", clean: false) + old.subscribe("tidings/v1/oven/o-1/down/#"))
            for number in 1...UInt32(MQTTLimits.underWay) {
                #expect(client.push(UInt32(round * 1_000) + number), "\(round) \(number)")
            }
            client.session.ends(in: client.ingest, as: client.peer)
            now += 10_000_000_000
        }
    }

    @Test func onlyWhoMayNamesADevice() {
        let bench = MQTTBench(settings: .auth(.require))
        bench.ingest.isPrivate = true
        bench.ingest.change(access: TestKeys.list())
        bench.feed(new.connect(username: "x", password: TestKeys.bearer(7)))
        bench.feed(new.subscribe("tidings/v1/kettle/k-2/down/#"))
        #expect(bench.takeOutput().suffix(6) == [0x90, 4, 0, 9, 0, 0x87])
        #expect(bench.takeServed().isEmpty && bench.intake.refusals == [.forbidden])
        bench.ingest.principal = .anybody
    }
}

@Suite struct MQTTStateTests {
    private let filter = "tidings/v1/oven/o-1/state"

    private func push(_ bench: SessionBench<MQTTSession>, _ version: Int) -> Bool {
        bench.session.push(
            StateEnvelope(DeviceID(rawValue: 1), json: document(version)), in: bench.ingest, output: &bench.output)
    }

    private func document(_ version: Int) -> [UInt8] { Array(#"{"settings":{},"version":\#(version)}"#.utf8) }

    private func packet(_ first: UInt8, _ version: Int, id: UInt8? = nil) -> [UInt8] {
        MQTTClientPackets.packet(
            first, MQTTClientPackets.string(filter) + (id.map { [0, $0] } ?? []) + document(version))
    }

    @Test func theDocumentAnswersTheSubscriptionAndComesAgainWhenItChanges() {
        let bench = MQTTBench.connected()
        #expect(push(bench, 1) && bench.output.isEmpty)
        bench.feed(old.subscribe(filter))
        #expect(bench.takeOutput() == [0x90, 3, 0, 9, 1])
        #expect(bench.ingest.takeWatched() == [DeviceID(rawValue: 1)] && bench.takeServed().isEmpty)
        #expect(push(bench, 1))
        #expect(bench.takeOutput() == packet(0x33, 1, id: 1))
        // The same again is nothing new; another one waits for the acknowledgement of this one.
        #expect(push(bench, 1) && !push(bench, 2) && bench.output.isEmpty)
        bench.feed(old.acknowledge(1))
        #expect(bench.ingest.takeReceipts().isEmpty)
        #expect(push(bench, 2))
        #expect(bench.takeOutput() == packet(0x32, 2, id: 2))
        // Who subscribes again is told again.
        bench.feed(old.acknowledge(2) + old.subscribe(filter, qos: 0))
        _ = bench.takeOutput()
        #expect(push(bench, 2))
        #expect(bench.takeOutput() == packet(0x31, 2))
        bench.feed(old.unsubscribe(filter))
        _ = bench.takeOutput()
        #expect(push(bench, 3) && bench.output.isEmpty)
    }

    /// Retain Handling 0 to 2, and Retain As Published.
    @Test func version5SaysWhatIsSentOfWhatIsRetained() {
        for (options, first, second) in [(UInt8(0), 1, 1), (0x10, 1, 0), (0x20, 0, 0), (0x08, 1, 1)] {
            let bench = MQTTBench.connected(version5: true)
            for (turn, sent) in [first, second].enumerated() {
                bench.feed(new.subscribe(filter, qos: options))
                _ = bench.takeOutput()
                #expect(push(bench, 1))
                let output = bench.takeOutput()
                #expect(output.isEmpty == (sent == 0), "\(options), \(turn)")
                if sent == 1 { #expect(output[0] == 0x31) }
            }
            #expect(push(bench, 2))
            #expect(bench.takeOutput()[0] == (options == 0x08 ? 0x31 : 0x30))
        }
    }

    @Test func aKeptSessionIsToldWhatHasChanged() {
        let first = MQTTBench()
        first.feed(old.connect("c", clean: false) + old.subscribe(filter))
        _ = (first.takeOutput(), first.ingest.takeWatched())
        #expect(push(first, 1))
        first.session.ends(in: first.ingest, as: first.peer)
        var now: Uptime = 0
        for version in [1, 2] {
            let later = MQTTBench(beside: first)
            later.ingest.uptime = { now }
            later.feed(old.connect("c", clean: false))
            #expect(later.takeOutput() == [0x20, 2, 1, 0])
            #expect(later.ingest.takeWatched() == [DeviceID(rawValue: 1)])
            #expect(!push(later, version))
            now += 10_000_000_000
            #expect(push(later, version))
            #expect(later.takeOutput() == (version == 1 ? [] : packet(0x32, 2, id: 2)))
            later.session.ends(in: later.ingest, as: later.peer)
        }
    }
}
