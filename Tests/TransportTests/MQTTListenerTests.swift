// MQTT on real sockets of the loopback interface: takeover, wills and draining.

import Events
import NIOCore
import NIOPosix
import Testing
import Transport

private let old = MQTTClientPackets()
private let new = MQTTClientPackets(isVersion5: true)

private let specification = [
    ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: .mqtt)
]

@Suite struct MQTTListenerTests {
    @Test func anAcknowledgementLeavesAfterTheCommit() async throws {
        try await Station.with(specification) { station in
            let bytes = old.connect() + old.publish(ovenTopic, rating(4, seq: 1), id: 7)
            let answer = try await station.exchange(bytes)
            #expect(answer == [0x20, 2, 0, 0, 0x40, 2, 0, 7])
            let stored = try await station.inside { $0.committed.count }
            #expect(stored == 1)
        }
    }

    @Test func theOlderConnectionGivesWay() async throws {
        try await Station.with(specification) { station in
            let first = try await station.connect()
            try await first.executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                try await outbound.write(ByteBuffer(bytes: new.connect("same")))
                var heard = try await answers.next().map { Array($0.readableBytesView) } ?? []
                #expect(heard.first == 0x20)
                let second = try await station.exchange(old.connect("same"), enough: 4)
                #expect(second == [0x20, 2, 0, 0])
                heard = []
                while let more = try await answers.next() { heard += Array(more.readableBytesView) }
                #expect(heard[0] == 0xe0 && heard[2] == 0x8e)
            }
            let refusals = try await station.inside { $0.refusals }
            #expect(refusals == [.takenOver])
        }
    }

    @Test func aWillIsPublishedWhenTheConnectionBreaks() async throws {
        try await Station.with(specification) { station in
            let bytes = old.connect(will: (ovenTopic, rating(1)))
            let answer = try await station.exchange(bytes, enough: 4)
            #expect(answer == [0x20, 2, 0, 0])
            let isStored = try await station.until { $0.committed.count == 1 }
            #expect(isStored)
            let counts = await station.listeners.connectionCounts()
            #expect(counts.mqtt.wills == 1 && counts.mqtt.sessions == 0)
        }
    }

    @Test func aStoppingDaemonSaysSoOnceAllIsAcknowledged() async throws {
        try await Station.with(specification) { station in
            let client = try await station.connect()
            try await client.executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                try await outbound.write(ByteBuffer(bytes: new.connect()))
                _ = try await answers.next()
                await station.listeners.drain()
                var heard: [UInt8] = []
                while let more = try await answers.next() { heard += Array(more.readableBytesView) }
                #expect(heard[0] == 0xe0 && heard[2] == 0x8b)
            }
        }
    }
}
