// What is to be brought to devices now, as the fold has it.

import Admission
package import Events

/// A message that is to be brought to a device.
package struct Outgoing: Sendable {
    /// Why it is.
    package enum Reason: Sendable {
        /// The device has not got it, as far as anybody has heard.
        case waiting
        /// The customer has chosen otherwise since the device applied it, and it holds whatever the customer chooses.
        case contested
        /// The device has it, and its program has said nothing of it.
        case unconfirmed
    }

    package var id: MessageID
    package var kind: EventKind
    package var terms: MessageTerms
    package var accepted: Timestamp
    package var expires: Timestamp?
    package var attempts: Int
    /// Of a setting: the device's highest number in its latest epoch, as far as it is folded.
    package var seen: (epoch: UInt32, seq: UInt64)?
    /// The JSON of the message, without what is the delivery's.
    package var payload: [UInt8]
    package var reason = Reason.waiting

    package init(
        id: MessageID, kind: EventKind, terms: MessageTerms, accepted: Timestamp, expires: Timestamp?, attempts: Int,
        seen: (epoch: UInt32, seq: UInt64)?, payload: [UInt8], reason: Reason = .waiting
    ) {
        (self.id, self.kind, self.terms, self.accepted) = (id, kind, terms, accepted)
        (self.expires, self.attempts, self.seen, self.payload) = (expires, attempts, seen, payload)
        self.reason = reason
    }
}

/// A device for which something waits.
package struct WaitingDevice: Sendable {
    package var device: DeviceID
    /// Its latest epoch, as far as it is folded.
    package var epoch: UInt32
    package var messages: [Outgoing]

    package init(_ device: DeviceID, epoch: UInt32, _ messages: [Outgoing]) {
        (self.device, self.epoch, self.messages) = (device, epoch, messages)
    }
}

extension SummaryState {
    /// What is to be brought to a device now: what is urgent first, then by age.
    ///
    /// - Parameter isContact: whether the device has just connected; then also what it has, and has not confirmed.
    package func outgoing(to device: DeviceID, at now: Timestamp, isContact: Bool = false) -> [Outgoing] {
        let number = device.rawValue
        let product = product(of: number)
        guard product != 0 else { return [] }
        let open = outbox.open.of(product: product)
        let waiting = outbox.pendingCount(number) > 0 ? open.all : open.live
        var due: [(index: Int, reason: Outgoing.Reason)] = []
        for index in waiting where isDue(index, number, at: now) { due.append((index, .waiting)) }
        for index in outbox.contested[number] ?? [] where maySend(index, at: now) {
            if outbox.isContested(index, number) { due.append((index, .contested)) }
        }
        if isContact {
            for index in open.awaitingApp where outbox.entries[index][number].state == .received {
                if maySend(index, at: now), mayGo(index, number, at: now) { due.append((index, .unconfirmed)) }
            }
        }
        due.sort {
            let (a, b) = (outbox.messages[$0.index], outbox.messages[$1.index])
            return (a.terms.priority.rank, a.number) < (b.terms.priority.rank, b.number)
        }
        return due.map { outgoing($0.index, number, $0.reason) }
    }

    private func outgoing(_ index: Int, _ device: UInt32, _ reason: Outgoing.Reason) -> Outgoing {
        let message = outbox.messages[index]
        return Outgoing(
            id: MessageID(number: message.number, tag: message.tag), kind: message.kind, terms: message.terms,
            accepted: Timestamp(rawValue: message.notBefore),
            expires: message.expires == 0 ? nil : Timestamp(rawValue: message.expires),
            attempts: Int(outbox.entries[index][device].attempts),
            seen: message.isSetting ? seen(device) : nil, payload: outbox.payloads[index], reason: reason)
    }

    private func seen(_ device: UInt32) -> (epoch: UInt32, seq: UInt64)? {
        let latest = devices[Int(device)].epochs.latest
        return latest.isEmpty ? nil : (latest.epoch, latest.highest)
    }

    /// The same for those of some devices for which anything waits.
    package func outgoing(
        among devices: [DeviceID], at now: Timestamp, most: Int, isContact: Bool = false
    ) -> [WaitingDevice] {
        guard !outbox.open.isEmpty else { return [] }
        var found: [WaitingDevice] = []
        for device in devices where found.count < most {
            let messages = outgoing(to: device, at: now, isContact: isContact)
            guard !messages.isEmpty else { continue }
            let epoch = self.devices[Int(device.rawValue)].epochs.latest.epoch
            found.append(WaitingDevice(device, epoch: epoch, messages))
        }
        return found
    }

    /// Whether a message may be sent at all: it is known whom it goes to, and its time is now.
    private func maySend(_ index: Int, at now: Timestamp) -> Bool {
        let message = outbox.messages[index]
        return message.isAddressed && message.isDue(at: now.rawValue)
            && (message.expires == 0 || now.rawValue < message.expires) && !outbox.payloads[index].isEmpty
    }

    /// Whether it may go to a device that it was addressed to. That was checked then, and is checked again each time:
    /// whose device it is may have changed.
    private func mayGo(_ index: Int, _ device: UInt32, at now: Timestamp) -> Bool {
        let message = outbox.messages[index]
        if message.customer != 0, message.customer != customer(of: device) { return false }
        return outbox.mayGo(message, device, at: now, self)
    }

    private func isDue(_ index: Int, _ device: UInt32, at now: Timestamp) -> Bool {
        guard maySend(index, at: now) else { return false }
        let entry = outbox.entries[index][device]
        if entry.state.isPending { return mayGo(index, device, at: now) }
        return entry.state == .none && outbox.messages[index].terms.isLive && isEffective(index, device)
            && mayGo(index, device, at: now)
    }

    /// Whether a setting for whoever comes is the one that holds for a device.
    func isEffective(_ index: Int, _ device: UInt32) -> Bool {
        let message = outbox.messages[index]
        guard message.isSetting else { return true }
        if message.terms.policy == .default, hasChosen(device, message.aspect) { return false }
        return !outbox.open.settings(message.product, message.aspect).contains { other in
            let rival = outbox.messages[other]
            guard other != index else { return false }
            if rival.terms.scope > message.terms.scope { return outbox.holds(other, device) }
            return rival.terms.scope == message.terms.scope && rival.number > message.number && rival.isAddressed
        }
    }
}
