// The outbox: what messages become at devices, by hand, against a plain model, and the same however it was folded.

import Admission
import Events
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

@Suite struct OutboxTests {
    private static func open(_ folder: Folder, _ head: Offset) throws -> Projector {
        try Projector(directory: folder.path, identity: "log", start: .zero, head: head, now: clock)
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>) func foldEqualsThePlainModel(seed: UInt64) {
        var log = OutboxLog.random(seed: seed, steps: 400)
        let model = OutboxModel(batch: log.batch, contact: log.fleet.word(.value, "contact")).run()
        #expect(model.count > 10, "seed \(seed)")
        for (number, wanted) in model {
            let found = log.state.deliveries(ofMessage: number)
            let entries = Dictionary(
                uniqueKeysWithValues: found.map {
                    ($0.device.rawValue, OutboxModel.Entry(state: $0.state, attempts: $0.attempts))
                })
            for device in Set(entries.keys).union(wanted.keys).sorted() where entries[device] != wanted[device] {
                let standing = log.state.standing(ofMessage: number)
                Issue.record(
                    """
                    seed \(seed), m\(number) \(standing.map { "\($0.kind) \($0.terms)" } ?? ""), device \(device): \
                    \(entries[device].map { "\($0)" } ?? "none"), the model has \
                    \(wanted[device].map { "\($0)" } ?? "none")
                    """)
                return
            }
            let counts = log.state.standing(ofMessage: number)?.counts ?? []
            for state in DeliveryState.allCases {
                #expect(counts[Int(state.rawValue)] == found.count { $0.state == state }, "seed \(seed) \(state)")
            }
        }
    }

    @Test(arguments: 1...16 as ClosedRange<UInt64>) func liveEqualsRebuilt(seed: UInt64) async throws {
        let made = OutboxLog.random(seed: seed, steps: 500)
        var random = SeededGenerator(seed: seed)
        let log = ListLog(blocks: cut(made.batch, made.names, &random, most: 80))
        let head = await log.head
        var folder = try Folder()
        var projector = try Self.open(folder, head)
        for block in log.blocks {
            await projector.apply(block)
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 1: try await projector.checkpoint()
            case 2: try await projector.checkpoint(snapshot: true)
            case 3:
                try await projector.stop()
                projector = try Self.open(folder, head)
            case 4:
                folder = try folder.copyAsKilled()
                projector = try Self.open(folder, head)
                try await projector.catchUp(
                    with: ListLog(blocks: log.blocks.filter { $0.endOffset <= block.endOffset }))
            default: break
            }
            #expect(await projector.offset == block.endOffset, "seed \(seed)")
        }
        try await projector.checkpoint()
        let live = try await projector.dump()
        try await projector.stop()
        let other = try Folder()
        let again = ListLog(blocks: cut(made.batch, made.names, &random, most: 900))
        _ = try await Projector.rebuild(log: again, identity: "log", into: other.path, now: clock)
        let rebuilt = try await Self.open(other, head).dump()
        let difference = zip(live, rebuilt).first { $0 != $1 }.map { "\($0) is not \($1)" }
        #expect(difference == nil && live.count == rebuilt.count, "seed \(seed): \(difference ?? "")")
        #expect(live.count { $0.hasPrefix("delivery|") } > 30, "seed \(seed)")
        #expect(live.contains { $0.hasPrefix("question_result|") } && live.contains { $0.hasPrefix("message|") })
    }

    /// Receipts of one message and device give the same entry in any order, and repeated.
    @Test(arguments: 1...40 as ClosedRange<UInt64>) func receiptsCommute(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var log = OutboxLog(seed: seed)
        log.append(log.event(.featureUsed, "kettle", "k"))
        var terms = MessageTerms()
        terms.basis = .contract
        let kind: EventKind = seed % 2 == 0 ? .setting : .question
        let number = log.message(kind, product: "kettle", terms, aspect: "temperature", value: .whole(90))
        log.decide()
        var receipts: [(Event, EventDetails)] = []
        for _ in 0..<6 {
            var event = log.event(.receipt, "kettle", "k")
            event.scale = UInt8(Int.random(in: 1..<9, using: &random))
            event.severity = ReceiptEvidence.app.rawValue
            if Bool.random(using: &random) {
                event.kind = .preferenceSet
                event.aspect = log.fleet.word(.aspect, "temperature")
                event.value = .whole(85)
                event.origin = .user
                receipts.append((event, EventDetails()))
            } else {
                receipts.append((event, log.details(of: number)))
            }
        }
        var results: Set<String> = []
        for _ in 0..<12 {
            var other = log
            for (event, details) in receipts.shuffled(using: &random) { other.append(event, details) }
            for (event, details) in receipts.shuffled(using: &random).prefix(2) { other.append(event, details) }
            other.fold()
            results.insert("\(other.state.deliveries(ofMessage: number))")
        }
        #expect(results.count == 1, "seed \(seed): \(results)")
    }

    @Test func theNextMessageThatIsTooManyIsWithheldForGood() throws {
        var log = OutboxLog(seed: 7)
        log.append(log.event(.featureUsed, "kettle", "k"))
        var terms = MessageTerms()
        (terms.basis, terms.scope) = (.contract, .device)
        for _ in 0..<MessageLimits.pending + 1 { log.message(.notice, product: "kettle", terms, device: "k") }
        log.decide()
        log.decide()
        let last = UInt32(MessageLimits.pending + 1)
        #expect(log.state.deliveries(ofMessage: last - 1).map(\.state) == [.queued])
        #expect(log.state.deliveries(ofMessage: last).map(\.state) == [.withheld])
        let device = try #require(log.state.deliveries(ofMessage: last).first?.device)
        #expect(log.state.outgoing(to: device, at: log.now).count == MessageLimits.pending)
    }

    @Test func whatIsUrgentGoesFirstAndWhatIsOverNeverGoes() throws {
        var log = OutboxLog(seed: 8)
        log.append(log.event(.featureUsed, "kettle", "k"))
        var terms = MessageTerms()
        terms.basis = .contract
        for priority in [MessagePriority.low, .normal, .urgent, .high, .normal] {
            terms.priority = priority
            log.message(.notice, product: "kettle", terms, minutes: priority == .high ? 100 : 500)
        }
        log.decide()
        let device = try #require(log.state.deliveries(ofMessage: 1).first?.device)
        #expect(log.state.outgoing(to: device, at: log.now).map(\.id.number) == [3, 4, 2, 5, 1])
        let later = Timestamp(rawValue: log.now.rawValue + 120 * 60_000)
        #expect(log.state.outgoing(to: device, at: later).map(\.id.number) == [3, 2, 5, 1])
        let decided = log.state.decide(at: later)
        #expect(decided.events.map(\.kind) == [.closed])
        #expect(decided.details(of: decided.events[0]).cause == 4)
    }

    @Test func aSettingForOneDeviceOutranksThatForAll() throws {
        var log = OutboxLog(seed: 9)
        for name in ["k", "l"] { log.append(log.event(.featureUsed, "kettle", name)) }
        var one = MessageTerms()
        one.scope = .device
        var all = MessageTerms()
        all.isLive = true
        log.message(.setting, product: "kettle", one, device: "k", aspect: "temperature", value: .whole(90))
        log.message(.setting, product: "kettle", all, aspect: "temperature", value: .whole(80))
        log.decide()
        let product = log.fleet.word(.product, "kettle")
        let (k, l) = (log.fleet.device(product, "k"), log.fleet.device(product, "l"))
        #expect(log.state.outgoing(to: k, at: log.now).map(\.id.number) == [1])
        #expect(log.state.outgoing(to: l, at: log.now).map(\.id.number) == [2])
        // A device that comes later gets it too, and one whose customer then chooses does not any more.
        log.append(log.event(.featureUsed, "kettle", "m"))
        var choice = log.event(.preferenceSet, "kettle", "l")
        (choice.value, choice.origin) = (.whole(70), .user)
        log.append(choice)
        log.fold()
        #expect(log.state.outgoing(to: log.fleet.device(product, "m"), at: log.now).map(\.id.number) == [2])
        #expect(log.state.outgoing(to: l, at: log.now).isEmpty)
        #expect(log.state.deliveries(ofMessage: 2).map(\.state) == [.overridden])
    }

    /// More devices than a list holds become pages; lists of numbers become bits.
    @Test func manyDevicesAreKeptAsPages() async throws {
        var log = OutboxLog(seed: 10)
        for number in 0..<MessageLimits.few + 500 { log.append(log.event(.featureUsed, "kettle", "k\(number)")) }
        var terms = MessageTerms()
        (terms.basis, terms.scope) = (.contract, .list)
        let number = log.message(.notice, product: "kettle", terms)
        let devices = (1...UInt32(MessageLimits.few + 500)).filter { $0 % 7 != 0 || $0 > 2_000 }
        let product = log.fleet.word(.product, "kettle")
        var addressed = EventBatch()
        let id = MessageID(number: number, tag: log.details(of: number).causeTag)
        addressed.append(addressed: devices, of: id, product: product, asOf: nil, at: log.now)
        #expect(addressed.events.allSatisfy { $0.scale == AddressedForm.bits.rawValue })
        for event in addressed.events { log.batch.append(event, of: addressed) }
        log.fold()
        #expect(log.state.deliveries(ofMessage: number).map(\.device.rawValue) == devices)
        let folder = try Folder()
        let list = ListLog(blocks: [Block(firstOffset: .zero, batch: log.batch, definitions: log.names)])
        _ = try await Projector.rebuild(log: list, identity: "log", into: folder.path, now: clock)
        let projector = try Self.open(folder, await list.head)
        let rows = try await projector.dump().filter { $0.hasPrefix("delivery|") }
        #expect(rows.count == devices.count && rows.contains { $0.hasSuffix("\"queued\"|0") })
        try await projector.stop()
    }
}
