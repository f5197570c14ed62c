// By what right a request speaks: its token, its connection's certificate, or that it comes from this machine.

import Admission
import Bytes
import Events

/// A token that was right: a client sends the same one with each of its requests.
struct RememberedBearer: Sendable {
    /// The field as it came.
    var field: String
    var principal: Principal
    /// Where it was looked up.
    var access: AccessList
}

extension HTTPSession {
    /// Decides on whose behalf a request speaks, by its credential.
    mutating func identify(_ head: HTTPHead, _ ingest: IngestContext) throws(CredentialFault) -> Principal {
        if hasSecret(head.query) { throw .query }
        guard let field = head.authorization else { return client }
        if let remembered, remembered.access === ingest.access, remembered.field == field, head.authorizations == 1,
            ingest.isInForce(remembered.principal)
        {
            if case .holder(let credential) = remembered.principal { ingest.noteUse(of: credential) }
            return remembered.principal
        }
        guard head.authorizations == 1, startsWith(field.utf8Span.span, "bearer ") else { throw .scheme }
        let bearer = trimmed(String(field.dropFirst(7)))
        guard let principal = ingest.holder(bearer: bearer.span) else { throw .wrong }
        remembered = RememberedBearer(field: field, principal: principal, access: ingest.access)
        return principal
    }

    /// Whether who asks may do what needs a role: by his credential, or else because he is on this machine. He is not
    /// when a proxy passes the request on, nor when a page from elsewhere has its own name lead here.
    func isTrusted(with role: Roles, _ head: HTTPHead) -> Bool {
        if case .holder(let credential) = principal { return credential.roles.allow(role) }
        guard let peer, SenderAddress(peer).isLoopback else { return false }
        return !head.isForwarded && head.isHostLoopback
    }

    /// Where a request comes from, if it comes by proxies that are trusted: the last address in their list that is none
    /// of theirs. What stands before it anybody can have written.
    func sender(of head: HTTPHead, _ ingest: IngestContext) -> SenderAddress? {
        let proxies = ingest.settings.trustedProxies
        guard !proxies.isEmpty, !head.forwardedFor.isEmpty, let peer,
            proxies.contains(where: { $0.contains(peer) })
        else { return nil }
        var last: InternetAddress?
        for item in head.forwardedFor.joined(separator: ",").split(separator: ",").reversed() {
            guard let address = InternetAddress(String(decoding: trimmed(String(item)), as: UTF8.self)) else { break }
            last = address
            if !proxies.contains(where: { $0.contains(address) }) { break }
        }
        return last.map { SenderAddress($0) }
    }
}

/// Whether a query has what looks like a secret.
private func hasSecret(_ query: Substring) -> Bool {
    guard !query.isEmpty else { return false }
    let names = ["token", "access_token", "api_key", "apikey", "key", "auth", "bearer", "k", "p"]
    return query.split(separator: "&").contains { pair in
        let name = String(pair.prefix { $0 != "=" })
        return names.contains { same(name.utf8Span.span, $0) }
    }
}
