// The tokens of people and vendors as they stand in access.sqlite, and what is done with them.

package import Admission
import Bytes
import Crypto
package import Events
import Foundation
import GRDB
import SQLite

/// A token without its secret.
package struct StoredToken: Sendable, Equatable {
    package var id: UInt32
    /// What people call it.
    package var label: String
    package var roles: Roles
    /// Nil for all of them.
    package var products: [String]?
    package var created: Timestamp
    package var expires: Timestamp?
    /// To the minute; nil when it was never used.
    package var lastUsed: Timestamp?
    package var revoked: Timestamp?
    fileprivate var digest: [UInt8]

    package var entry: TokenEntry {
        let scope: Scope = products.map { .products($0.map { Array($0.utf8) }) } ?? .everything
        return TokenEntry(id: id, digest: digest, scope: scope, roles: roles, expires: expires)
    }

    fileprivate init(_ row: Row) throws {
        guard let id = UInt32(exactly: try row.number(0)) else { throw MalformedRow(column: 0) }
        self.id = id
        digest = try row.bytes(1)
        guard digest.count == SHA256.Digest.byteCount else { throw MalformedRow(column: 1) }
        label = String(decoding: row.optionalBytes(2), as: UTF8.self)
        guard let bits = UInt8(exactly: try row.number(3)) else { throw MalformedRow(column: 3) }
        roles = Roles(rawValue: bits)
        if let listed = try? row.bytes(4) {
            guard let names = try? JSONDecoder().decode([String].self, from: Data(listed)) else {
                throw MalformedRow(column: 4)
            }
            products = names
        }
        created = Timestamp(rawValue: try row.number(5))
        (expires, lastUsed, revoked) = (row.time(6), row.time(7), row.time(8))
    }
}

extension Row {
    fileprivate func time(_ column: Int) -> Timestamp? { (try? number(column)).map { Timestamp(rawValue: $0) } }
}

/// What a new token is to be.
package struct NewToken: Sendable {
    package var label: String
    package var roles: Roles
    /// Nil for all of them.
    package var products: [String]?
    package var expires: Timestamp?

    package init(label: String, roles: Roles, products: [String]?, expires: Timestamp?) {
        (self.label, self.roles, self.products, self.expires) = (label, roles, products, expires)
    }
}

extension AccessStore {
    private static let tokenColumns = """
        id, digest, CAST(label AS BLOB), roles, CAST(products AS BLOB), created, expires, last_used, revoked
        """

    static func tokens(_ db: Database, where condition: String = "true") throws -> [StoredToken] {
        try Row.fetchAll(db, sql: "SELECT \(tokenColumns) FROM token WHERE \(condition) ORDER BY id")
            .map { try StoredToken($0) }
    }

    /// All tokens, in the order of their numbers.
    package func tokens() throws(AccessError) -> [StoredToken] {
        guard let queue else { return [] }
        return try reading(queue) { db in try Self.tokens(db) }
    }

    /// Makes a token.
    ///
    /// - Returns: what it is, and the token itself, which is kept nowhere.
    package func add(_ new: NewToken, now: Timestamp) throws(AccessError) -> (token: StoredToken, secret: String) {
        try refuseControls(new.label, "the name")
        guard !new.label.isEmpty, new.label.utf8.count <= AccessLimits.labelBytes else {
            throw .refused("the name of a token has 1 to \(AccessLimits.labelBytes) bytes, not \(new.label.utf8.count)")
        }
        guard !new.label.utf8.allSatisfy({ (48...57).contains($0) }) else {
            throw .refused("the name \(new.label) could be taken for the number of a token; add a letter")
        }
        for product in new.products ?? [] { try checkProduct(product) }
        guard (new.products?.count ?? 0) <= AccessLimits.productsOfToken else {
            throw .refused("a token is for at most \(AccessLimits.productsOfToken) products, or for all of them")
        }
        let secret = AccessList.tokenPrefix + base64URL(randomBytes(32))
        let products = try new.products.map { products throws(AccessError) in
            guard let text = try? JSONEncoder().encode(products) else { throw .refused("a product is no text") }
            return String(decoding: text, as: UTF8.self)
        }
        let token = try writing { db in
            let known = try Self.tokens(db)
            guard known.count < AccessLimits.tokens else {
                throw AccessError.refused("there are \(known.count) tokens, the most that there may be")
            }
            if let same = known.first(where: { $0.label == new.label && $0.revoked == nil }) {
                throw AccessError.refused("token \(same.id) is called \(shown(new.label)) already; choose another name")
            }
            try db.execute(
                sql: "INSERT INTO token (digest, label, roles, products, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    Data(SHA256.hash(data: Data(secret.utf8))), new.label, Int64(new.roles.rawValue), products,
                    now.rawValue, new.expires?.rawValue,
                ])
            return try Self.tokens(db, where: "id = \(db.lastInsertedRowID)")[0]
        }
        return (token, secret)
    }

    /// Ends a token for good.
    ///
    /// - Parameter called: its number or its name.
    package func revokeToken(_ called: String, now: Timestamp) throws(AccessError) -> StoredToken {
        try writing { db in
            let tokens = try Self.tokens(db)
            let found =
                tokens.first { "\($0.id)" == called } ?? tokens.first { $0.label == called && $0.revoked == nil }
                ?? tokens.last { $0.label == called }
            guard var token = found else {
                let name = called.isEmpty ? "by an empty name" : shown(called)
                throw AccessError.refused("no token is called \(name); `tidings token list` shows them")
            }
            guard token.revoked == nil else {
                throw AccessError.refused("token \(token.id), \(shown(token.label)), is revoked already")
            }
            try db.execute(
                sql: "UPDATE token SET revoked = ? WHERE id = ?", arguments: [now.rawValue, Int64(token.id)])
            token.revoked = now
            return token
        }
    }

    /// Notes when tokens were used last, where that is news.
    package func noteUses(_ uses: [UInt32: Timestamp]) throws(AccessError) {
        guard !uses.isEmpty else { return }
        try writing { db in
            for (id, time) in uses {
                try db.execute(
                    sql: "UPDATE token SET last_used = ?2 WHERE id = ?1 AND coalesce(last_used, 0) <= ?2 - ?3",
                    arguments: [Int64(id), time.rawValue, AccessLimits.lastUseStep])
            }
        }
    }
}
