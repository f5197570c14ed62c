// The settings in force at devices: which of several holds, and when the document is another one.

import Admission
import Events
import Projection
import Testing
import TidingsTesting

@Suite struct OutboxSettingsTests {
    private func terms(_ scope: MessageScope, isLive: Bool = false, _ policy: SettingPolicy = .offer) -> MessageTerms {
        var terms = MessageTerms()
        (terms.scope, terms.isLive, terms.policy) = (scope, isLive, policy)
        return terms
    }

    /// A log with two devices of one product.
    private func log() -> (log: OutboxLog, first: DeviceID, second: DeviceID) {
        var log = OutboxLog(seed: 11)
        var events = [log.event(.featureUsed, "kettle", "a"), log.event(.featureUsed, "kettle", "b")]
        for index in events.indices {
            events[index].customer = log.fleet.customer(index == 0 ? "anna" : "berta")
            log.append(events[index])
        }
        log.fold()
        return (log, events[0].device, events[1].device)
    }

    private func versions(_ log: OutboxLog, _ device: DeviceID) -> [UInt32] {
        log.state.settings(inForceAt: device, at: log.now).map(\.version)
    }

    @Test func theHigherScopeHoldsAndThenTheNewer() {
        var (log, first, second) = log()
        func set(_ terms: MessageTerms, device: String? = nil, customer: String? = nil, aspect: String = "temperature")
            -> UInt32
        {
            let number = log.message(
                .setting, product: "kettle", terms, device: device, customer: customer, aspect: aspect,
                value: .whole(90))
            log.decide()
            return number
        }
        let all = set(terms(.product, isLive: true))
        #expect(versions(log, first) == [all] && versions(log, second) == [all])
        let own = set(terms(.device), device: "a")
        #expect(versions(log, first) == [own] && versions(log, second) == [all])
        let hers = set(terms(.customer), customer: "berta")
        #expect(versions(log, first) == [own] && versions(log, second) == [hers])
        let newer = set(terms(.product, isLive: true))
        #expect(versions(log, first) == [own] && versions(log, second) == [hers])
        let sound = set(terms(.product, isLive: true), aspect: "sound")
        #expect(versions(log, first) == [sound, own] && versions(log, second) == [sound, hers])
        // One that is heard of later.
        log.append(log.event(.featureUsed, "kettle", "c"))
        log.fold()
        let third = log.fleet.device(log.fleet.word(.product, "kettle"), "c")
        #expect(versions(log, third) == [sound, newer])
        #expect(versions(log, DeviceID(rawValue: 99)).isEmpty)
    }

    @Test func whatTheCustomerOverridesHoldsNoMore() throws {
        var (log, first, second) = log()
        let number = log.message(
            .setting, product: "kettle", terms(.product), aspect: "temperature", value: .whole(90))
        log.decide()
        let revision = log.state.settingsRevision(at: log.now)
        #expect(versions(log, first) == [number] && versions(log, second) == [number])
        #expect(log.state.settingsRevision(at: log.now) == revision)
        var choice = log.event(.preferenceSet, "kettle", "a")
        (choice.value, choice.origin, choice.customer) = (.whole(70), .user, log.fleet.customer("anna"))
        log.append(choice)
        log.fold()
        #expect(versions(log, first).isEmpty && versions(log, second) == [number])
        let overridden = log.state.settingsRevision(at: log.now)
        #expect(overridden != revision)
        // What is brought there holds on; what is refused does not.
        for (stage, holds) in [(ReceiptStage.received, true), (.applied, true), (.refused, true)] {
            var receipt = log.event(.receipt, "kettle", "b")
            (receipt.scale, receipt.severity) = (stage.rawValue, ReceiptEvidence.app.rawValue)
            log.append(receipt, log.details(of: number))
            log.fold()
            #expect(versions(log, second).isEmpty != holds, "\(stage)")
        }
        #expect(log.state.settingsRevision(at: log.now) != overridden)
    }

    @Test func aRefusalOrTheEndOfASettingEndsIt() throws {
        var (log, first, second) = log()
        let number = log.message(
            .setting, product: "kettle", terms(.product), aspect: "temperature", value: .whole(90), minutes: 500)
        log.decide()
        var receipt = log.event(.receipt, "kettle", "a")
        (receipt.scale, receipt.severity) = (ReceiptStage.refused.rawValue, ReceiptEvidence.app.rawValue)
        log.append(receipt, log.details(of: number))
        log.fold()
        #expect(versions(log, first).isEmpty && versions(log, second) == [number])
        let later = Timestamp(rawValue: log.now.rawValue + 600 * 60_000)
        #expect(log.state.settings(inForceAt: second, at: later).isEmpty)
        #expect(log.state.settingsRevision(at: later) != log.state.settingsRevision(at: log.now))
    }

    @Test func aTransportSaysNewsOnce() throws {
        var (log, first, _) = log()
        var terms = terms(.device)
        terms.basis = .contract
        let number = log.message(.notice, product: "kettle", terms, device: "a")
        log.decide()
        let id = try #require(log.details(of: number).message)
        let wrong = MessageID(number: number, tag: id.tag ^ 1)
        func isNews(_ stage: ReceiptStage, _ id: MessageID, _ device: DeviceID) -> Bool {
            log.state.isNews(stage, of: id, from: device)
        }
        #expect(isNews(.received, id, first) && !isNews(.received, wrong, first))
        // It went to nobody else.
        #expect(!isNews(.received, id, DeviceID(rawValue: first.rawValue + 1)))
        #expect(!isNews(.received, MessageID(number: 99, tag: 1), first) && !isNews(.received, id, .none))
        var receipt = log.event(.receipt, "kettle", "a")
        (receipt.scale, receipt.severity) = (ReceiptStage.received.rawValue, ReceiptEvidence.transport.rawValue)
        log.append(receipt, log.details(of: number))
        log.fold()
        #expect(!isNews(.received, id, first) && isNews(.refused, id, first))
    }
}
