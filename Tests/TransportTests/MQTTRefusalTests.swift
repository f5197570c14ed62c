// MQTT without sockets: what is refused, and how that is told in each version.

import Events
import Testing
import Transport
import Wire

private typealias MQTTBench = SessionBench<MQTTSession>
private let old = MQTTClientPackets()
private let new = MQTTClientPackets(isVersion5: true)

@Suite struct MQTTRefusalTests {
    @Test func version5IsToldWhy() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.publish(ovenTopic, "{\"x\":", id: 1) + new.publish(ovenTopic, rating(4), id: 2))
        bench.commit()
        let answer = bench.takeOutput()
        #expect(answer[0] == 0x40 && answer[4] == 0x99)
        #expect(String(decoding: answer, as: UTF8.self).contains("malformed_json (4005): "))
        #expect(answer.suffix(4) == [0x40, 2, 0, 2])
        #expect(bench.last == .needsMore)
    }

    @Test func olderVersionsAreClosedAndNothingBehindIsTaken() {
        let bench = MQTTBench.connected()
        bench.feed(
            old.publish(ovenTopic, rating(1), id: 1) + old.publish(ovenTopic, "{\"x\":", id: 2)
                + old.publish(ovenTopic, rating(3), id: 3))
        bench.commit()
        #expect(bench.takeOutput() == [0x40, 2, 0, 1])
        #expect(bench.last == .ends)
        #expect(bench.intake.committed.count == 1)
    }

    @Test func whatCameBeforeAWrongTopicIsStoredBeforeItIsAcknowledged() {
        for qos in [UInt8(0), 1, 2] {
            let bench = MQTTBench.connected()
            bench.feed(old.publish(ovenTopic, rating(1), id: 1) + old.publish("home", rating(2), qos: qos, id: 2))
            #expect(bench.last == .ends && bench.output.isEmpty, "QoS \(qos)")
            bench.commit()
            #expect(bench.takeOutput() == [0x40, 2, 0, 1] && bench.intake.committed.count == 1, "QoS \(qos)")
        }
    }

    @Test func aBatchThatIsPartlyRefusedClosesAnOlderConnection() {
        let bench = MQTTBench.connected()
        // One is quarantined, and one is no event.
        bench.feed(old.publish("tidings/v1/oven/o-1/batch", rating(9) + "\n{\n" + rating(2), id: 1))
        bench.commit()
        #expect(bench.last == .ends && bench.output.isEmpty && bench.session.isAcknowledged)
        #expect(bench.intake.committed.count == 2)
    }

    @Test func aPingThatIsNoneEndsWhenAllIsAcknowledged() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.publish(ovenTopic, rating(4), id: 1) + [0xc0, 1, 0])
        #expect(bench.last == .ends && !bench.session.isAcknowledged)
        bench.commit()
        #expect(bench.takeOutput() == [0x40, 2, 0, 1] && bench.session.isAcknowledged)
    }

    @Test func whatIsStoredAndNotGoodIsTold() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.publish(ovenTopic, rating(9), id: 1))
        bench.commit()
        let answer = bench.takeOutput()
        #expect(answer[4] == 0)
        #expect(String(decoding: answer, as: UTF8.self).contains("out_of_range (4226): "))
        #expect(bench.intake.committed.count == 1)
    }

    @Test func aBatchIsToldInOneSentence() {
        let bench = MQTTBench.connected(version5: true)
        let lines = rating(1) + "\n{\n" + rating(2)
        bench.feed(new.publish("tidings/v1/oven/o-1/batch", lines, id: 1))
        bench.commit()
        let answer = String(decoding: bench.takeOutput(), as: UTF8.self)
        #expect(answer.contains("2 of 3 events are taken; event 1: malformed_json (4005): "))
        #expect(bench.intake.committed.count == 2)
    }

    @Test func aForeignTopicIsRefusedOrNot() {
        for (packets, isVersion5) in [(old, false), (new, true)] {
            let bench = MQTTBench.connected(version5: isVersion5)
            bench.feed(packets.publish("home/kitchen", "on", id: 1))
            #expect(bench.intake.refusals == [.foreignTopic])
            #expect((bench.last == .ends) == !isVersion5)
            bench.commit()
            if isVersion5 { #expect(bench.takeOutput().contains(0x90)) }
        }
        var settings = TransportSettings()
        settings.acceptsForeignTopics = true
        let bench = MQTTBench.connected(version5: true, settings: settings)
        bench.feed(new.publish("home/kitchen", "on", id: 1) + new.publish("$SYS/x", "on", id: 2))
        bench.commit()
        let answer = bench.takeOutput()
        #expect(answer.prefix(5) == [0x40, 3, 0, 1, 0x10])
        #expect(answer[9] == 0x87)
        #expect(bench.intake.committed.isEmpty)
    }

    @Test func aWrongTopicOfQoS0EndsTheConnection() {
        let bench = MQTTBench.connected()
        bench.feed(old.publish("home/kitchen", "on", qos: 0))
        #expect(bench.last == .ends)
    }

    @Test(arguments: ["", "a/#", "a/+/b", "a\u{0}b", "a\u{1f}b"]) func aTopicMustBeOne(_ topic: String) {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.publish(topic, rating(4), id: 1))
        #expect(bench.last == .ends)
        #expect([0x81, 0x82].contains(bench.takeOutput()[2]))
        #expect(bench.intake.committed.isEmpty)
    }

    @Test func aliasesHaveAMaximum() {
        for (alias, code) in [(UInt8(0), UInt8(0x94)), (11, 0x94), (3, 0x82)] {
            let bench = MQTTBench.connected(version5: true)
            bench.feed(new.publish("", rating(4), id: 1, properties: [0x23, 0, alias]))
            #expect(bench.takeOutput() == [0xe0, 1, code])
        }
    }

    @Test func moreThanTheReceiveMaximumIsAFault() {
        let bench = MQTTBench.connected(version5: true)
        for id in 1...20 { bench.feed(new.publish(ovenTopic, rating(4), id: UInt16(id))) }
        #expect(bench.last == .needsMore)
        bench.feed(new.publish(ovenTopic, rating(4), id: 21))
        #expect(bench.last == .ends)
        bench.commit()
        #expect(bench.takeOutput().suffix(3) == [0xe0, 1, 0x93])
        #expect(bench.intake.committed.count == 20)
    }

    @Test func allPacketIDsMayBeOpen() {
        let bench = MQTTBench.connected()
        var bytes: [UInt8] = []
        for id in 1...65_535 { bytes += old.publish(ovenTopic, rating(1 + id % 5), qos: 2, id: UInt16(id)) }
        bench.feed(bytes)
        bench.commit()
        #expect(bench.takeOutput().count == 4 * 65_535)
        #expect(bench.last == .needsMore)
        #expect(bench.intake.committed.count == 65_535)
    }

    @Test func aPayloadMayBeTooLarge() {
        let bench = MQTTBench.connected(version5: true)
        bench.feed(new.publish(ovenTopic, [UInt8](repeating: 0x20, count: 1 << 20 | 1), id: 1))
        bench.commit()
        #expect(bench.takeOutput()[4] == 0x99)
        let larger = MQTTBench.connected(version5: true)
        larger.feed(Array(new.publish(ovenTopic, [UInt8](repeating: 0x20, count: 2_000_000), id: 1).prefix(100)))
        #expect(larger.takeOutput() == [0xe0, 1, 0x95])
    }
}
