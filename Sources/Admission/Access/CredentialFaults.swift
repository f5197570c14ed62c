// What is wrong with credentials, and who had which fault: for the senders, and for whoever is about to require keys.

package import Events

/// Why somebody is not believed to be who he says.
package enum CredentialFault: UInt8, Error, Sendable, CaseIterable {
    case missing
    /// Wrong, revoked or expired: which of them nobody is told who does not know better.
    case wrong
    /// A token on a connection that others may read.
    case readable
    /// A key was named, and events came before its proof.
    case unproved
    /// Authorization is given twice, or in another way.
    case scheme
    /// A secret in the address, where logs and proxies keep it.
    case query
    /// Good, and not for this device or question.
    case scope

    /// A word for tables.
    package var name: StaticString {
        switch self {
        case .missing: "missing"
        case .wrong: "wrong"
        case .readable: "readable"
        case .unproved: "unproved"
        case .scheme: "scheme"
        case .query: "query"
        case .scope: "scope"
        }
    }

    /// Cause and remedy in one line. No quotes and no control characters, so that it needs no escaping.
    package var explanation: StaticString {
        switch self {
        case .missing: "no credential, and this daemon requires one; give the device a key: tidings device add"
        case .wrong: "the credential is wrong, revoked or has expired; make another one: tidings device add"
        case .readable: "others may read a token on this connection; send a proof of the key instead, or use TLS"
        case .unproved: "the HELLO names a key that was not proved; answer the nonce of WELCOME with PROOF first"
        case .scheme: "the credential is not of the form that is taken; send Authorization: Bearer TOKEN, once"
        case .query: "a secret in the address ends in logs; send it as Authorization: Bearer TOKEN, and replace it"
        case .scope: "this credential is not for that"
        }
    }
}

/// Who was refused, or would be if credentials were required: a bounded list, and how many more there were.
package struct CredentialFaults: Sendable {
    package enum Sender: Hashable, Sendable {
        case device(DeviceID)
        /// Nil when the address is not known.
        case address(SenderAddress?)
    }

    package struct Entry: Sendable {
        package var sender: Sender
        package var fault: CredentialFault
        package var count: UInt64
        package var last: Timestamp
    }

    private struct Key: Hashable, Sendable {
        var sender: Sender
        var fault: CredentialFault
    }

    /// Entries that are kept.
    package static let limit = 100

    private var entries: [Key: (count: UInt64, last: Timestamp)] = [:]
    /// What came from senders for whom there was no room.
    package private(set) var others: UInt64 = 0

    package init() {}

    package mutating func add(_ sender: Sender, _ fault: CredentialFault, count: UInt64 = 1, at now: Timestamp) {
        let key = Key(sender: sender, fault: fault)
        if let old = entries[key] {
            entries[key] = (old.count + count, now)
        } else if entries.count < Self.limit {
            entries[key] = (count, now)
        } else {
            others += count
        }
    }

    /// The most frequent first.
    package var all: [Entry] {
        entries.map { Entry(sender: $0.sender, fault: $0.fault, count: $1.count, last: $1.last) }
            .sorted { ($1.count, $0.last) < ($0.count, $1.last) }
    }
}
