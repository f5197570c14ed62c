// Names of customers whose events were stored without them: no block defines them before an event has one.

import Admission
import Events
import Ingest
import Log
import Testing
import Transport

@Suite struct WithheldNamesTests {
    /// A daemon's group commit on which blocks are closed by hand.
    private final class Shell {
        var group: GroupCommit
        var filling = EventBatch()
        var vocabulary = Vocabulary()
        private var seq: UInt64 = 0

        init(_ products: String) {
            group = GroupCommit(dedupe: DedupeTable(), settings: GroupCommit.Settings())
            group.admission.consent.policy[.analytics] = ProductList(products) ?? ProductList()
        }

        func add(_ customer: String?, _ kind: EventKind = .featureUsed, seq: UInt64? = nil) {
            self.seq += 1
            var event = Event()
            event.product = vocabulary.symbol(.product, "kettle".utf8Span.span) ?? .none
            event.aspect = vocabulary.symbol(.aspect, "boil".utf8Span.span) ?? .none
            event.customer = customer.flatMap { vocabulary.customer($0.utf8Span.span) } ?? .none
            if kind.isConsent {
                event.value = .symbol(vocabulary.symbol(.value, "analytics".utf8Span.span) ?? .none)
            }
            (event.kind, event.identity, event.seq) = (kind, .sequence, seq ?? self.seq)
            event.device = DeviceID(rawValue: 1)
            event.time = Timestamp(rawValue: 1_767_225_600_000 + Int64(self.seq))
            event.arrival = event.time
            filling.events.append(event)
            let result = group.admit(&filling, .tcp, at: 0)
            if result.needsGate { group.gate(&filling, vocabulary, .tcp) }
        }

        /// The customers that the next block defines and that its events have.
        func close() -> (defined: [String], used: [String]) {
            for case .store(let block) in group.readComplete(&filling, &vocabulary, at: 0) {
                _ = group.committed(through: block.ticket)
                let names = block.definitions
                func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
                return (
                    names.customers.map { text(names.name(of: $0)) },
                    block.batch.events.filter { $0.customer != .none }.map { text(vocabulary.name(of: $0.customer)) }
                )
            }
            return ([], [])
        }
    }

    @Test func aNameComesWithTheFirstEventThatHasIt() {
        let shell = Shell("all")
        shell.add("anna")
        shell.add("berta")
        shell.add("carla", .consentGiven)
        var block = shell.close()
        #expect(block.defined == ["carla"] && block.used == ["carla"])
        #expect(shell.group.withheldNames == 2)
        shell.add("carla")
        shell.add("anna")
        block = shell.close()
        #expect(block.defined == [] && block.used == ["carla"])
        shell.add("anna", .consentGiven)
        shell.add("anna")
        block = shell.close()
        #expect(block.defined == ["anna"] && block.used == ["anna", "anna"])
        #expect(shell.group.withheldNames == 1)
        shell.add("anna")
        block = shell.close()
        #expect(block.defined == [] && block.used == ["anna"])
    }

    /// Whoever is forgotten leaves memory too, also when no event of the log was ever theirs.
    @Test func aNameThatIsForgottenIsInNoList() {
        let shell = Shell("all")
        for name in ["anna", "berta", "carla"] { shell.add(name) }
        #expect(shell.close().defined == [] && shell.group.withheldNames == 3)
        shell.add("dora")
        func names() -> [String] {
            shell.group.unstoredCustomers(shell.vocabulary.pendingDefinitions)
                .map { String(decoding: $0.name, as: UTF8.self) }.sorted()
        }
        #expect(names() == ["anna", "berta", "carla", "dora"])
        let berta = shell.vocabulary.find(customer: "berta".utf8Span.span)
        shell.vocabulary.forget([.customer(berta ?? .none)], isInUse: true)
        #expect(shell.close().defined == [])
        shell.group.forgetUnstored([.customer(berta ?? .none)])
        #expect(names() == ["anna", "carla", "dora"] && shell.group.withheldNames == 3)
        // The others are found where they are now.
        shell.add("carla", .consentGiven)
        let block = shell.close()
        #expect(block.defined == ["carla"] && block.used == ["carla"])
        #expect(names() == ["anna", "dora"])
    }

    /// After a restart nobody remembers that the name was withheld; its repetition must not bring it in.
    @Test func aRepetitionBringsNoName() {
        let shell = Shell("all")
        shell.add(nil, seq: 1)
        shell.add("anna", seq: 1)
        shell.add("carla", .consentGiven)
        #expect(shell.close().defined == ["carla"])
    }

    @Test func withoutAPolicyEveryNameIsKept() {
        let shell = Shell("none")
        shell.add("anna")
        #expect(shell.close().defined == ["anna"] && shell.group.withheldNames == 0)
    }

    @Test func whenThePolicyEndsTheNamesComeWithTheirNextEvents() {
        let shell = Shell("all")
        shell.add("anna")
        #expect(shell.close().defined == [])
        shell.group.admission.consent.policy = ConsentPolicy()
        shell.add("anna")
        #expect(shell.close().defined == ["anna"])
    }
}
