// What `tidings device` and `tidings token` print. A secret is in what was just made, and in nothing else.

package import Access
import Admission
import Bytes
import Events
package import Wire

/// A key that was just made, and its secret.
package struct IssuedKey: Sendable {
    package var key: StoredKey
    package var secret: DeviceKey

    package init(_ key: StoredKey, _ secret: DeviceKey) { (self.key, self.secret) = (key, secret) }

    /// What is sent where the connection is private: `12.AbC…`
    var token: String { "\(key.id)." + base64URL(secret.token) }
}

/// Keys with their secrets.
package func renderIssued(_ issued: [IssuedKey], as format: OutputFormat) -> String {
    switch format {
    case .table:
        return issued.map { issued in
            "\(issued.key.isGateway ? "gateway" : "device ")  \(visible(issued.key.scope.text))\n"
                + "key id   \(issued.key.id)\nkey      \(base64URL(issued.secret.bytes))\ntoken    \(issued.token)\n"
        }.joined(separator: "\n")
    case .json:
        return JSONWriter.line { json in
            json.array("keys") { json in
                for issued in issued {
                    json.object { json in
                        add(issued.key, to: &json)
                        json.add("key", base64URL(issued.secret.bytes))
                        json.add("token", issued.token)
                    }
                }
            }
        }
    case .csv:
        return csvLine(["kind", "for", "key_id", "key", "token"])
            + issued.map {
                csvLine([kind($0.key), $0.key.scope.text, "\($0.key.id)", base64URL($0.secret.bytes), $0.token])
            }.joined()
    }
}

/// Keys without their secrets.
package func renderKeys(_ keys: [StoredKey], as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table:
        guard !keys.isEmpty else { return "no device has a key yet; `tidings device add PRODUCT/DEVICE` makes one\n" }
        var table = TextTable([
            .init("key id", .right), .init("kind"), .init("for", least: 12), .init("replaced", .right, rank: 2),
            .init("made", rank: 1), .init("revoked"), .init("note", least: 8, rank: 3),
        ])
        for key in keys {
            table.add([
                "\(key.id)", kind(key), visible(key.scope.text), key.generation == 0 ? "-" : times(key.generation),
                minute(key.created), key.revoked.map(minute) ?? "-", visible(key.note),
            ])
        }
        return table.lines(style, indent: 0).map { $0 + "\n" }.joined()
    case .json:
        return JSONWriter.line { json in
            json.array("keys") { json in for key in keys { json.object { json in add(key, to: &json) } } }
        }
    case .csv:
        return csvLine(["key_id", "kind", "for", "generation", "created", "revoked", "note"])
            + keys.map { key in
                csvLine([
                    "\(key.id)", kind(key), key.scope.text, "\(key.generation)", rfc3339(key.created),
                    key.revoked.map(rfc3339) ?? "", key.note,
                ])
            }.joined()
    }
}

private func kind(_ key: StoredKey) -> String { key.isGateway ? "gateway" : "device" }

private func add(_ key: StoredKey, to json: inout JSONWriter) {
    json.add("key_id", key.id)
    json.add("kind", kind(key))
    json.add("for", key.scope.text)
    json.add("generation", key.generation)
    json.add("created", rfc3339(key.created))
    json.add("revoked", key.revoked)
    json.add("note", key.note)
}

/// `2026-01-31T12:00`
private func minute(_ time: Timestamp) -> String { String(rfc3339(time).prefix(16)) }

// MARK: Tokens

/// A token that was just made, and the token itself.
package func renderIssued(_ token: StoredToken, secret: String, as format: OutputFormat) -> String {
    switch format {
    case .table:
        return "name     \(visible(token.label))\nid       \(token.id)\nroles    \(words(token.roles))\n"
            + "for      \(visible(products(token)))\nexpires  \(token.expires.map(rfc3339) ?? "never")\n"
            + "token    \(secret)\n"
    case .json:
        return JSONWriter.line { json in
            add(token, to: &json)
            json.add("token", secret)
        }
    case .csv: return csvLine(["id", "name", "token"]) + csvLine(["\(token.id)", token.label, secret])
    }
}

/// Tokens without themselves.
package func renderTokens(_ tokens: [StoredToken], as format: OutputFormat, style: TableStyle) -> String {
    switch format {
    case .table:
        guard !tokens.isEmpty else { return "there are no tokens yet; `tidings token add` makes one\n" }
        var table = TextTable([
            .init("id", .right), .init("name", least: 8, most: 0.3), .init("roles"), .init("for", least: 12),
            .init("made", rank: 2), .init("expires", rank: 1), .init("last used"), .init("revoked"),
        ])
        for token in tokens {
            table.add([
                "\(token.id)", visible(token.label), words(token.roles), visible(products(token)),
                minute(token.created),
                token.expires.map(minute) ?? "never", token.lastUsed.map(minute) ?? "never",
                token.revoked.map(minute) ?? "-",
            ])
        }
        return table.lines(style, indent: 0).map { $0 + "\n" }.joined()
    case .json:
        return JSONWriter.line { json in
            json.array("tokens") { json in for token in tokens { json.object { json in add(token, to: &json) } } }
        }
    case .csv:
        return csvLine(["id", "name", "roles", "for", "created", "expires", "last_used", "revoked"])
            + tokens.map { token in
                let times = [token.expires, token.lastUsed, token.revoked].map { $0.map(rfc3339) ?? "" }
                return csvLine(
                    ["\(token.id)", token.label, words(token.roles), products(token), rfc3339(token.created)] + times)
            }.joined()
    }
}

private func words(_ roles: Roles) -> String {
    Roles.words.filter { roles.contains($0.role) }.map(\.word).joined(separator: ",")
}

private func products(_ token: StoredToken) -> String { token.products?.joined(separator: ", ") ?? "all products" }

private func add(_ token: StoredToken, to json: inout JSONWriter) {
    json.add("id", token.id)
    json.add("name", token.label)
    json.array("roles") { json in
        for (word, role) in Roles.words where token.roles.contains(role) { json.add(nil, word) }
    }
    if let products = token.products {
        json.array("products") { json in for product in products { json.add(nil, product) } }
    } else {
        json.add("products", String?.none)
    }
    json.add("created", rfc3339(token.created))
    json.add("expires", token.expires)
    json.add("last_used", token.lastUsed)
    json.add("revoked", token.revoked)
}
