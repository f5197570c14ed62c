// How devices are to stand: the settings in force at each, as the fold has them.

import Admission
package import Events

/// A setting that is in force at a device.
package struct WantedSetting: Sendable, Equatable {
    package var aspect: SymbolID
    /// Its ordinal.
    package var version: UInt32
    package var policy: SettingPolicy
    /// The JSON of the message.
    package var payload: [UInt8]

    package init(aspect: SymbolID, version: UInt32, policy: SettingPolicy, payload: [UInt8]) {
        (self.aspect, self.version, self.policy, self.payload) = (aspect, version, policy, payload)
    }
}

extension SummaryState {
    /// The settings in force at a device, one for each aspect, the newest first. Of two the one with the higher scope
    /// holds, of two of one scope the newer. What the customer overrides, or the device has refused, holds no more.
    package func settings(inForceAt device: DeviceID, at now: Timestamp) -> [WantedSetting] {
        let product = product(of: device.rawValue)
        guard product != 0 else { return [] }
        var winners: [UInt32: Int] = [:]
        for index in outbox.open.of(product: product).all where isInForce(index, device.rawValue, product, at: now) {
            let message = outbox.messages[index]
            if let other = winners[message.aspect].map({ outbox.messages[$0] }),
                (other.terms.scope.rawValue, other.number) > (message.terms.scope.rawValue, message.number)
            {
                continue
            }
            winners[message.aspect] = index
        }
        let newest = winners.values.sorted { outbox.messages[$0].number > outbox.messages[$1].number }
        return newest.map { index in
            let message = outbox.messages[index]
            return WantedSetting(
                aspect: SymbolID(rawValue: message.aspect), version: message.number, policy: message.terms.policy,
                payload: outbox.payloads[index])
        }
    }

    private func isInForce(_ index: Int, _ device: UInt32, _ product: UInt32, at now: Timestamp) -> Bool {
        let message = outbox.messages[index]
        guard message.isSetting, message.product == product, message.isAddressed, message.isDue(at: now.rawValue),
            message.expires == 0 || now.rawValue < message.expires, !outbox.payloads[index].isEmpty,
            message.customer == 0 || message.customer == customer(of: device)
        else { return false }
        switch outbox.entries[index][device].state {
        case .none: return message.terms.isLive && isEffective(index, device)
        // What could not be brought there is wanted all the same.
        case .queued, .sent, .received, .shown, .answered, .applied, .dismissed, .withheld, .failed: return true
        case .refused, .expired, .cancelled, .superseded, .overridden, .left: return false
        }
    }

    /// A number that is another one whenever the settings in force may be others at some device, for who looks again.
    package func settingsRevision(at now: Timestamp) -> Int {
        var hasher = Hasher()
        for index in outbox.open.all where outbox.messages[index].isSetting {
            let message = outbox.messages[index]
            hasher.combine(message.number)
            hasher.combine(message.isAddressed)
            hasher.combine(message.isDue(at: now.rawValue))
            hasher.combine(message.expires == 0 || now.rawValue < message.expires)
            for state in message.states.indices { hasher.combine(message.states[state]) }
        }
        return hasher.finalize()
    }

    /// Whether evidence of a transport says anything of a message at a device that is not known.
    package func isNews(_ stage: ReceiptStage, of id: MessageID, from device: DeviceID) -> Bool {
        guard let index = outbox.index(of: id.number), outbox.messages[index].tag == id.tag,
            outbox.messages[index].product == product(of: device.rawValue)
        else { return false }
        let state = outbox.entries[index][device.rawValue].state
        guard state != .none else {
            return outbox.messages[index].terms.isLive && outbox.messages[index].isAddressed
                && outbox.messages[index].isOpen
        }
        return state.joined(with: stage == .refused ? .refused : .received) != state
    }
}
