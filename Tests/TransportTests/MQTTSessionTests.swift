// MQTT without sockets: what is acknowledged when, and what is kept between connections.

import Admission
import Events
import Testing
import Transport
import Wire

private typealias MQTTBench = SessionBench<MQTTSession>
private let old = MQTTClientPackets()
private let new = MQTTClientPackets(isVersion5: true)

@Suite struct MQTTConnectTests {
    @Test func everyVersionIsAnsweredInItsForm() {
        let bench = MQTTBench()
        bench.feed(old.connect())
        #expect(bench.takeOutput() == [0x20, 2, 0, 0])
        let other = MQTTBench()
        other.feed(new.connect())
        #expect(
            other.takeOutput() == [
                0x20, 14, 0, 0, 11, 0x22, 0, 10, 0x27, 0, 0x1e, 0x84, 0x80, 0x21, 0, 20,
            ])
    }

    @Test func nothingComesBeforeConnect() {
        for packet in [old.publish(ovenTopic, rating(4)), MQTTClientPackets.ping, [0xf0, 0]] {
            let bench = MQTTBench()
            bench.feed(packet)
            #expect(bench.last == .ends)
            #expect(bench.output.isEmpty)
        }
    }

    @Test func connectMayComeOnce() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.connect())
        #expect(bench.takeOutput() == [0xe0, 1, 0x82])
        #expect(bench.last == .ends)
    }

    @Test func aClientWithoutAnIDGetsOne() throws {
        let bench = MQTTBench()
        bench.feed(new.connect(""))
        let answer = bench.takeOutput()
        #expect(answer.count > 16)
        #expect(String(decoding: answer, as: UTF8.self).contains("tidings-"))
        let other = MQTTBench()
        other.feed(old.connect("", clean: false))
        #expect(other.takeOutput() == [0x20, 2, 0, 2])
        #expect(other.last == .ends)
    }

    @Test func aKeepAliveCountsOneAndAHalfTimes() {
        let bench = MQTTBench()
        bench.feed(old.connect(keepAlive: 10))
        #expect(bench.session.idleTimeoutSeconds == 15)
        let longest = MQTTBench()
        longest.feed(old.connect(keepAlive: 65_535))
        #expect(longest.session.idleTimeoutSeconds == 98_303)
        let none = MQTTBench()
        none.feed(old.connect(keepAlive: 0))
        #expect(none.session.idleTimeoutSeconds == 86_400)
        let told = MQTTBench()
        told.feed(new.connect(keepAlive: 0))
        #expect(told.session.idleTimeoutSeconds == 450)
        // Server Keep Alive 300.
        #expect(told.takeOutput().suffix(3) == [0x13, 1, 0x2c])
    }

    @Test func aCredentialIsAskedForAndChecked() throws {
        var settings = TransportSettings()
        settings.authMode = .require
        for (packets, code) in [(old, UInt8(5)), (new, 0x86)] {
            let bench = MQTTBench(settings: settings)
            bench.ingest.isPrivate = true
            bench.feed(packets.connect(username: "7", password: "wrong"))
            let answer = bench.takeOutput()
            #expect(answer[3] == code)
            #expect(bench.last == .ends)
            #expect(bench.intake.refusals == [.unauthorized])
        }
    }
}

@Suite struct MQTTPublishTests {
    @Test(arguments: [false, true]) func anAcknowledgementComesAfterTheCommit(_ version5: Bool) {
        let packets = MQTTClientPackets(isVersion5: version5)
        let bench = MQTTBench.connected(version5: version5)
        bench.feed(
            packets.publish(ovenTopic, rating(4, seq: 1), id: 7) + packets.publish(ovenTopic, rating(5, seq: 2), id: 8))
        #expect(bench.takeOutput().isEmpty)
        #expect(!bench.session.isAcknowledged)
        bench.commit()
        #expect(bench.takeOutput() == [0x40, 2, 0, 7, 0x40, 2, 0, 8])
        #expect(bench.intake.committed.map(\.seq) == [1, 2])
        let vocabulary = bench.intake.vocabulary
        #expect(vocabulary.name(of: bench.intake.committed[0].device).elementsEqual("o-1".utf8))
    }

    @Test func splitAtEveryByteGivesTheSame() {
        let bytes =
            new.connect() + new.publish(ovenTopic, rating(4, seq: 1), id: 7)
            + new.publish("tidings/v1/oven/o-2/batch", rating(1, seq: 1) + "\n" + rating(2, seq: 2), id: 8)
            + new.publish("", rating(3), qos: 2, id: 9, properties: [0x23, 0, 1])
        let whole = MQTTBench()
        whole.feed(bytes)
        whole.commit()
        for cut in 1..<bytes.count {
            let bench = MQTTBench()
            bench.feed(Array(bytes[..<cut]))
            bench.feed(Array(bytes[cut...]))
            bench.commit()
            #expect(bench.intake.committed.count == whole.intake.committed.count, "cut at \(cut)")
            #expect(bench.output == whole.output, "cut at \(cut)")
        }
        #expect(whole.intake.committed.count == 3)
    }

    @Test func aMessageOfQoS2IsTakenOnceUntilItIsReleased() {
        let bench = MQTTBench.connected()
        let message = old.publish(ovenTopic, rating(4), qos: 2, id: 3)
        bench.feed(message)
        bench.commit()
        #expect(bench.takeOutput() == [0x50, 2, 0, 3])
        bench.feed(message)
        bench.commit()
        #expect(bench.takeOutput() == [0x50, 2, 0, 3])
        #expect(bench.intake.committed.count == 1)
        bench.feed(old.release(3))
        #expect(bench.takeOutput() == [0x70, 2, 0, 3])
        bench.feed(message)
        bench.commit()
        #expect(bench.intake.committed.count == 2)
        bench.feed(message + message)
        #expect(bench.last == .ends)
    }

    @Test func aNameIsEscapedInItsTopic() throws {
        let bench = MQTTBench.connected()
        bench.feed(old.publish("tidings/v1/oven%2Fxl/50%25%2B%23/event", rating(4), id: 1))
        bench.commit()
        let event = try #require(bench.intake.committed.first)
        let vocabulary = bench.intake.vocabulary
        #expect(String(decoding: vocabulary.name(of: event.device), as: UTF8.self) == "50%+#")
        #expect(String(decoding: vocabulary.text(.product, event.product), as: UTF8.self) == "oven/xl")
    }

    @Test func aTopicWithoutAGoodEventLeavesNoName() {
        let bench = MQTTBench.connected(version5: true)
        let payloads = ["[]", "{", "", #"{"type":"rating.given","id":""}"#, "\u{8}", "\u{8}\u{1}"]
        for (index, payload) in payloads.enumerated() {
            for leaf in ["event", "batch"] {
                bench.feed(new.publish("tidings/v1/oven/none-\(index)/\(leaf)", payload, qos: 0))
            }
        }
        bench.commit()
        #expect(bench.intake.vocabulary.deviceCount == 0)
        bench.feed(new.publish("tidings/v1/oven/new/batch", rating(1) + "\n" + rating(2), id: 3))
        bench.commit()
        #expect(bench.intake.vocabulary.deviceCount == 1 && bench.intake.committed.count == 2)
    }

    @Test func anEventMayNameAnotherDevice() throws {
        let bench = MQTTBench.connected()
        bench.feed(old.publish(ovenTopic, rating(4, more: #","product":"oven","device":"o-9""#), id: 1))
        bench.commit()
        let event = try #require(bench.intake.committed.first)
        #expect(String(decoding: bench.intake.vocabulary.name(of: event.device), as: UTF8.self) == "o-9")
        // A product alone is half a name.
        let other = MQTTBench.connected(version5: true)
        other.feed(new.publish(ovenTopic, rating(4, more: #","product":"toaster""#), id: 1))
        #expect(other.intake.refusals == [.noDevice])
    }

    @Test func theShortTopicIsThatOfTheUserName() throws {
        let bench = MQTTBench()
        bench.feed(old.connect(username: "oven/o-5") + old.publish("t/e", rating(4), id: 1))
        bench.commit()
        let event = try #require(bench.intake.committed.first)
        #expect(String(decoding: bench.intake.vocabulary.name(of: event.device), as: UTF8.self) == "o-5")
        let nobody = MQTTBench.connected(version5: true)
        nobody.feed(new.publish("t/e", rating(4), id: 1))
        #expect(nobody.intake.refusals == [.noDevice])
    }

    @Test func aNativeBatchIsToldByItsFirstByte() throws {
        var writer = BatchWriter()
        writer.begin(firstSeq: 10, time: Timestamp(rawValue: 1_795_132_800_000))
        for aspect in ["door", "fan"] {
            var event = OutgoingEvent(kind: .featureUsed)
            event.aspect = writer.reference(aspect)
            writer.put(event)
        }
        var batch: [UInt8] = []
        writer.finish(into: &batch)
        let bench = MQTTBench.connected()
        bench.feed(old.publish("tidings/v1/oven/o-1/batch", batch, id: 4))
        bench.commit()
        #expect(bench.takeOutput() == [0x40, 2, 0, 4])
        #expect(bench.intake.committed.map(\.seq) == [10, 11])
    }

    @Test func anEventInUserPropertiesIsACloudEvent() throws {
        var properties: [UInt8] = []
        let attributes = [
            ("specversion", "1.0"), ("id", "1-77"), ("source", "oven/o-3"), ("type", "org.tidings.rating.given.v1"),
        ]
        for (name, value) in attributes {
            properties += [0x26] + MQTTClientPackets.string(name) + MQTTClientPackets.string(value)
        }
        let bench = MQTTBench.connected(version5: true)
        let data = #"{"aspect":"taste","ratingValue":4}"#
        bench.feed(new.publish(ovenTopic, data, id: 4, properties: properties))
        bench.commit()
        #expect(bench.takeOutput() == [0x40, 2, 0, 4])
        let event = try #require(bench.intake.committed.first)
        #expect(event.seq == 77 && event.quarantine == .none)
        #expect(String(decoding: bench.intake.vocabulary.name(of: event.device), as: UTF8.self) == "o-3")
    }
}

@Suite struct MQTTSubscribeTests {
    @Test func onesOwnIsAccepted() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.subscribe("tidings/v1/oven/o-1/down/#", qos: 2) + new.subscribe("tidings/v1/oven/o-1/state"))
        #expect(bench.takeOutput() == [0x90, 4, 0, 9, 0, 1, 0x90, 4, 0, 9, 0, 1])
        bench.feed(new.subscribe("#") + new.subscribe("tidings/v1/+/o-1/down/#"))
        #expect(bench.takeOutput() == [0x90, 4, 0, 9, 0, 0x87, 0x90, 4, 0, 9, 0, 0x87])
        let older = MQTTBench.connected()
        older.feed(old.subscribe("tidings/v1/oven/o-1/down/1", qos: 0) + old.subscribe("a"))
        #expect(older.takeOutput() == [0x90, 3, 0, 9, 0, 0x90, 3, 0, 9, 0x80])
    }
}

@Suite struct MQTTClientSessionTests {
    @Test func aSessionIsKeptForWhoWantsIt() {
        let first = MQTTBench()
        first.feed(old.connect("k", clean: false) + old.publish(ovenTopic, rating(4), qos: 2, id: 3))
        first.commit()
        #expect(first.takeOutput() == [0x20, 2, 0, 0, 0x50, 2, 0, 3])
        first.session.ends(in: first.ingest, as: first.peer)
        let second = MQTTBench(beside: first)
        second.feed(old.connect("k", clean: false) + old.publish(ovenTopic, rating(4), qos: 2, id: 3))
        second.commit()
        // Session present; the message was taken before.
        #expect(second.takeOutput() == [0x20, 2, 1, 0, 0x50, 2, 0, 3])
        #expect(second.intake.committed.count == 1)
        second.session.ends(in: second.ingest, as: second.peer)
        let clean = MQTTBench(beside: second)
        clean.feed(old.connect("k", clean: true))
        #expect(clean.takeOutput() == [0x20, 2, 0, 0])
    }

    @Test func aRepetitionOnAnotherConnectionWaitsForTheCommitToo() {
        let first = MQTTBench()
        first.feed(old.connect("k", clean: false) + old.publish(ovenTopic, rating(4), qos: 2, id: 3))
        first.session.ends(in: first.ingest, as: first.peer)
        let second = MQTTBench(beside: first)
        second.feed(old.connect("k", clean: false) + old.publish(ovenTopic, rating(4), qos: 2, id: 3))
        #expect(second.takeOutput() == [0x20, 2, 1, 0])
        second.commit()
        #expect(second.takeOutput() == [0x50, 2, 0, 3] && second.intake.committed.count == 1)
    }

    @Test func aSecondClientTakesOverAndAThirdWaits() {
        var now: Uptime = 1_000_000_000
        let first = MQTTBench()
        first.ingest.uptime = { now }
        first.feed(old.connect("same"))
        let second = MQTTBench(beside: first)
        second.feed(old.connect("same"))
        #expect(second.takeOutput() == [0x20, 2, 0, 0])
        #expect(first.peer.displacements == 1)
        let third = MQTTBench(beside: first)
        third.feed(old.connect("same"))
        // The answer is held back, so that it does not come again at once.
        #expect(third.last == .needsTime(2_000_000_000) && third.output.isEmpty)
        now = 2_000_000_000
        third.feed([])
        #expect(third.takeOutput() == [0x20, 2, 0, 3])
        #expect(second.peer.displacements == 0)
        #expect(first.intake.sharedClientIDs == 1)
        now += 6_000_000_000
        let fourth = MQTTBench(beside: first)
        fourth.feed(new.connect("same"))
        #expect(fourth.takeOutput()[0] == 0x20 && second.peer.displacements == 1)
        #expect(first.intake.sharedClientIDs == 1)
    }

    @Test func aWillIsPublishedOnceForWhoGoesWithoutAWord() {
        for takesLeave in [false, true] {
            let bench = MQTTBench()
            bench.feed(old.connect(will: (ovenTopic, rating(1))))
            #expect(bench.takeOutput() == [0x20, 2, 0, 0])
            if takesLeave { bench.feed(MQTTClientPackets.disconnect) }
            bench.session.ends(in: bench.ingest, as: bench.peer)
            bench.session.ends(in: bench.ingest, as: bench.peer)
            _ = bench.ingest.publishWills()
            #expect(bench.intake.events.count == (takesLeave ? 0 : 1))
        }
    }

    /// A client with a session of a minute, and a will that waits for half of one.
    private static func connectWithDelayedWill(_ id: String, clean: Bool = false) -> [UInt8] {
        var connect = new.connect(id, clean: clean, will: (ovenTopic, rating(1)), properties: [0x11, 0, 0, 0, 60])
        // Will Delay Interval 30, put into the empty properties of the will.
        let at = connect.firstRange(of: MQTTClientPackets.string(id))?.upperBound ?? 0
        connect.replaceSubrange(at...at, with: [5, 0x18, 0, 0, 0, 30])
        connect[1] += 5
        return connect
    }

    @Test(arguments: [29, 31, nil]) func aWillWithADelayWaitsForItsClient(_ backAfter: UInt64?) {
        var now: Uptime = 1_000_000_000
        let bench = MQTTBench()
        bench.ingest.uptime = { now }
        bench.feed(Self.connectWithDelayedWill("d"))
        #expect(bench.takeOutput()[3] == 0)
        bench.session.ends(in: bench.ingest, as: bench.peer)
        #expect(!bench.ingest.publishWills())
        guard let backAfter else {
            // Whoever begins anew has no session any more that could go on.
            MQTTBench(beside: bench).feed(new.connect("d", clean: true))
            #expect(bench.ingest.publishWills() && bench.intake.events.count == 1)
            return
        }
        now += backAfter * 1_000_000_000
        #expect(bench.ingest.publishWills() == (backAfter > 30))
        let back = MQTTBench(beside: bench)
        back.feed(new.connect("d", clean: false))
        #expect(back.takeOutput()[2] == 1)
        back.session.ends(in: back.ingest, as: back.peer)
        now += 60_000_000_000
        #expect(!back.ingest.publishWills())
        #expect(bench.intake.events.count == (backAfter > 30 ? 1 : 0))
    }

    @Test func whoIsOftenBackTakesNobodysSession() {
        var now: Uptime = 1_000_000_000
        let bench = MQTTBench()
        bench.ingest.uptime = { now }
        for id in ["quiet"] + [String](repeating: "busy", count: MQTTLimits.sessions + 10) {
            let other = MQTTBench(beside: bench)
            other.feed(old.connect(id, clean: false))
            other.session.ends(in: other.ingest, as: other.peer)
            now += 1_000_000
            if now % 1_000_000_000 == 0 { _ = bench.ingest.publishWills() }
        }
        let quiet = MQTTBench(beside: bench)
        quiet.feed(old.connect("quiet", clean: false))
        #expect(quiet.takeOutput() == [0x20, 2, 1, 0])
    }

    @Test func aWillIsBounded() {
        let bench = MQTTBench()
        bench.feed(old.connect(will: (ovenTopic, String(repeating: "x", count: 65_535))))
        #expect(bench.takeOutput() == [0x20, 2, 0, 0])
        let foreign = MQTTBench()
        foreign.feed(old.connect(will: ("home", "x")))
        #expect(foreign.takeOutput() == [0x20, 2, 0, 5])
    }
}
