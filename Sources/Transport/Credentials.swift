// Where credentials are asked for and checked: by sessions, with what came in, the access list and the time.

package import Admission
import Bytes
package import Events
import TLS
import Wire

/// A key that has signed datagrams.
struct KnownSigner {
    /// One for each master key.
    var signers: [DatagramSigner]
    var credential: Credential
}

extension IngestContext {
    /// Whether a principal may still speak: what it has shown is neither revoked nor expired.
    package func isInForce(_ principal: Principal) -> Bool {
        guard case .holder(let credential) = principal else { return true }
        if case .certificate(let issuer, let serial) = credential.holder,
            clients?.hasRevoked(issuer: issuer, serial: serial) == true
        {
            return false
        }
        return access.isInForce(credential, now: intake.now)
    }

    /// On whose behalf whoever shows this speaks.
    ///
    /// - Parameter bearer: as it is written after `Bearer`.
    /// - Throws: `Refusal.unauthorized`.
    func principal(bearer: Span<UInt8>) throws(Refusal) -> Principal {
        guard let known = holder(bearer: bearer) else { throw refusal(.wrong) }
        return known
    }

    /// Whoever shows this, if it is right; notes that it was used.
    func holder(bearer: Span<UInt8>) -> Principal? {
        guard let credential = access.credential(bearer: bearer, now: intake.now) else { return nil }
        noteUse(of: credential)
        return .holder(credential)
    }

    /// - Throws: `Refusal.unauthorized` when the sender at hand has to show a credential and has not.
    @inline(__always)
    func requireCredential() throws(Refusal) {
        if requiresCredentials, !principal.isKnown { throw refusal(.missing) }
    }

    /// Notes what is wrong with a credential.
    ///
    /// - Returns: with what its sender is refused.
    @inline(never)
    func refusal(_ fault: CredentialFault) -> Refusal {
        note(fault)
        lastFault = fault
        return .unauthorized
    }

    func note(_ fault: CredentialFault) { faults.add(.address(sender), fault, at: intake.now) }

    /// Notes of whom the last `events` of the filling batch are, which would be refused if credentials were required.
    @inline(never)
    func noteMissing(events: Int) {
        let now = intake.now
        for event in intake.filling.events.suffix(events) {
            faults.add(event.device == .none ? .address(sender) : .device(event.device), .missing, at: now)
        }
    }

    /// What the sender is told of a refusal.
    func explanation(of reason: Refusal) -> StaticString {
        guard reason == .unauthorized, let fault = lastFault else { return reason.explanation }
        lastFault = nil
        return fault.explanation
    }

    // MARK: Proofs

    /// On whose behalf whoever has proved a key speaks.
    ///
    /// - Parameter proof: whether a proof is that of a key.
    /// - Throws: `Refusal.unauthorized`.
    func principal(key id: UInt32, hasProved: (DeviceKey) -> Bool) throws(Refusal) -> Principal {
        guard let credential = access.credential(key: id, hasProved: hasProved) else { throw refusal(.wrong) }
        return .holder(credential)
    }

    // MARK: Signatures

    /// Checks the signature of a datagram, and takes it for its principal's from then on.
    ///
    /// - Returns: what its answer is to be signed with; nil for a datagram without a key.
    /// - Throws: `Refusal.unauthorized`: nobody is to be told.
    func authenticate(_ datagram: Span<UInt8>, _ header: DatagramHeader) throws(Refusal) -> DatagramSigner? {
        guard header.isSigned else {
            try requireCredential()
            return nil
        }
        signed.removeAll(keepingCapacity: true)
        signed.append(copying: datagram)
        guard let (signer, credential) = signers[header.keyID].map(check) ?? checkNew(header.keyID) else {
            throw refusal(.wrong)
        }
        principal = .holder(credential)
        return signer
    }

    private func check(_ known: KnownSigner) -> (DatagramSigner, Credential)? {
        known.signers.first { $0.hasSigned(signed) }.map { ($0, known.credential) }
    }

    /// A few thousand keys that have signed a datagram are kept ready. Nobody is answered who does not have one, so it
    /// does not matter that to refuse another one takes longer.
    private func checkNew(_ id: UInt32) -> (DatagramSigner, Credential)? {
        let candidates = access.candidates(id).map(\.signer)
        guard let signer = candidates.first(where: { $0.hasSigned(signed) }),
            let credential = access.credential(key: id)
        else { return nil }
        if signers.count >= TransportLimits.signersReady { signers.removeAll(keepingCapacity: true) }
        signers[id] = KnownSigner(signers: candidates, credential: credential)
        return (signer, credential)
    }

    /// Checks that signed events, the last ones of the filling batch, cannot be a repetition that nobody remembers.
    ///
    /// - Returns: what their sender is told when one may be; nil when all are fine.
    func replay(since mark: EventBatch.Mark, _ header: BatchHeader) -> Replay? {
        var (device, epoch) = (DeviceID.none, UInt32(0))
        func look(_ next: DeviceID, _ nextEpoch: UInt32) -> Replay? {
            guard (next, nextEpoch) != (device, epoch) else { return nil }
            (device, epoch) = (next, nextEpoch)
            guard let highest = intake.highestEpoch(refusing: epoch, of: device) else { return nil }
            return .epoch(highest: highest, isAhead: epoch > latestEpoch(at: intake.now))
        }
        for event in intake.filling.events[mark.events...] {
            switch event.identity {
            case .none: return .noNumber
            case .hash: continue
            case .sequence:
                if let replay = look(event.device, event.epoch) { return replay }
            }
        }
        guard header.oldest > 0, header.device != .none else { return nil }
        return look(header.device, header.epoch)
    }
}

/// One sender whose credential was missing or wrong, by name.
package struct CredentialFaultLine: Hashable, Sendable {
    /// Empty when it is known by its address alone.
    package var product: String
    package var device: String
    package var address: String
    package var fault: CredentialFault
    /// Events, where they were taken; else how often it was refused.
    package var count: UInt64
    package var last: Timestamp
}

extension IngestContext {
    var credentialFaults: (named: [CredentialFaultLine], others: UInt64) {
        let named = faults.all.map { entry in
            var line = CredentialFaultLine(
                product: "", device: "", address: "", fault: entry.fault, count: entry.count, last: entry.last)
            switch entry.sender {
            case .address(let address): line.address = address?.description ?? ""
            case .device(let device):
                let product = intake.vocabulary.text(.product, intake.vocabulary.product(of: device))
                line.product = String(decoding: product, as: UTF8.self)
                line.device = String(decoding: intake.vocabulary.name(of: device), as: UTF8.self)
            }
            return line
        }
        return (named, faults.others)
    }
}

/// Why signed events may be a repetition.
enum Replay: Hashable, Sendable {
    case epoch(highest: UInt32, isAhead: Bool)
    case noNumber

    /// The highest epoch of the device; 0 when that is not the matter.
    var highest: UInt32 {
        if case .epoch(let highest, _) = self { return highest }
        return 0
    }

    var explanation: String {
        switch self {
        case .epoch(let highest, true):
            "the epoch is more than a day ahead of this clock; use the seconds since 2000, and more than \(highest)"
        case .epoch(let highest, false):
            "the epoch of a datagram with a key has to rise; use the seconds since 2000, and more than \(highest)"
        case .noNumber: "an event of a datagram with a key has to have a number; send seq"
        }
    }
}

/// Bytes that nobody can guess.
func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}
