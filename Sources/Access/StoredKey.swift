// The keys of devices and gateways as they stand in access.sqlite, and what is done with them.

package import Admission
package import Events
import GRDB
import SQLite

/// A key without its secret.
package struct StoredKey: Sendable, Equatable {
    package var id: UInt32
    /// A device, or the prefix of a gateway.
    package var scope: Scope
    package var generation: UInt32
    package var created: Timestamp
    package var revoked: Timestamp?
    package var note: String

    package var entry: KeyEntry {
        KeyEntry(id: id, scope: scope, generation: generation, isRevoked: revoked != nil)
    }

    package var isGateway: Bool { if case .prefix = scope { true } else { false } }

    /// One that is new.
    fileprivate init(id: UInt32, scope: Scope, created: Timestamp, note: String) {
        (self.id, self.scope, self.created, self.note) = (id, scope, created, note)
        generation = 0
    }

    init(_ row: Row) throws {
        let number = try row.number(0)
        guard let id = UInt32(exactly: number), id > 0 else { throw MalformedRow(column: 0) }
        let (product, name) = (row.optionalBytes(2), row.optionalBytes(3))
        switch row.optionalBytes(1) {
        case Array("device".utf8): scope = .device(product: product, name: name)
        case Array("gateway".utf8): scope = .prefix(name)
        default: throw MalformedRow(column: 1)
        }
        guard let generation = UInt32(exactly: try row.number(4)) else { throw MalformedRow(column: 4) }
        (self.id, self.generation) = (id, generation)
        created = Timestamp(rawValue: try row.number(5))
        revoked = (try? row.number(6)).map { Timestamp(rawValue: $0) }
        note = String(decoding: row.optionalBytes(7), as: UTF8.self)
    }
}

extension AccessStore {
    static let keyColumns = """
        id, CAST(kind AS BLOB), CAST(product AS BLOB), CAST(name AS BLOB), generation, created, revoked, \
        CAST(note AS BLOB)
        """

    /// All keys, in the order of their numbers.
    package func keys() throws(AccessError) -> [StoredKey] {
        guard let queue else { return [] }
        return try reading(queue) { db in
            let rows = try Row.fetchCursor(db, sql: "SELECT \(Self.keyColumns) FROM device_key ORDER BY id")
            var keys: [StoredKey] = []
            while let row = try rows.next() { keys.append(try StoredKey(row)) }
            return keys
        }
    }

    /// The key that is called so: by its number, the source of its device, or its prefix.
    ///
    /// - Throws: `AccessError.refused` when there is none.
    package func key(_ called: String) throws(AccessError) -> StoredKey {
        guard let queue else { throw Self.noKey(called) }
        return try reading(queue) { db in try Self.key(db, called) }
    }

    /// Registers devices or gateways, all of them or none.
    ///
    /// - Throws: `AccessError.refused` for one that has a key.
    package func add(_ scopes: [Scope], note: String = "", now: Timestamp) throws(AccessError) -> [StoredKey] {
        try checkNote(note)
        return try writing { db in
            let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM device_key") ?? 0
            guard count + scopes.count <= AccessLimits.deviceKeys else {
                throw AccessError.refused(
                    "there are \(count) keys, of at most \(AccessLimits.deviceKeys); give gateways a prefix instead")
            }
            let last = try UInt32.fetchOne(db, sql: "SELECT coalesce(max(id), 0) FROM device_key") ?? 0
            let insert = try db.makeStatement(
                sql: """
                    INSERT INTO device_key (kind, product, name, created, note) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO NOTHING
                    """)
            return try scopes.map { scope in
                let (kind, product, name) = Self.columns(scope)
                try insert.execute(arguments: [kind, product, name, now.rawValue, note])
                if db.changesCount == 0 {
                    guard let known = try Self.key(db, scope) else { throw MalformedRow(column: 3) }
                    guard known.id <= last else {
                        throw AccessError.refused("\(shown(scope.text)) is named twice; name each once")
                    }
                    let remedy =
                        known.revoked == nil
                        ? "`tidings device rotate \(known.id)` replaces it"
                        : "it is revoked; "
                            + "`tidings device restore \(known.id)` brings it back, `rotate` replaces it"
                    throw AccessError.refused("\(shown(scope.text)) has key \(known.id) already; \(remedy)")
                }
                guard let id = UInt32(exactly: db.lastInsertedRowID) else { throw MalformedRow(column: 0) }
                return StoredKey(id: id, scope: scope, created: now, note: note)
            }
        }
    }

    /// Ends a key, or brings one back that was ended.
    package func setRevoked(_ isRevoked: Bool, _ called: String, now: Timestamp) throws(AccessError) -> StoredKey {
        try writing { db in
            let key = try Self.key(db, called)
            guard (key.revoked != nil) != isRevoked else {
                throw AccessError.refused(
                    "key \(key.id) of \(shown(key.scope.text)) is \(isRevoked ? "revoked already" : "not revoked")")
            }
            try db.execute(
                sql: "UPDATE device_key SET revoked = ? WHERE id = ?",
                arguments: [isRevoked ? now.rawValue : nil, Int64(key.id)])
            return try Self.key(db, "\(key.id)")
        }
    }

    /// Replaces a key by its next one; the one before is over, and so is a revocation of it.
    package func rotate(_ called: String) throws(AccessError) -> StoredKey {
        try writing { db in
            let key = try Self.key(db, called)
            guard key.generation < .max else { throw AccessError.refused("key \(key.id) was replaced too often") }
            try db.execute(
                sql: "UPDATE device_key SET generation = generation + 1, revoked = NULL WHERE id = ?",
                arguments: [Int64(key.id)])
            return try Self.key(db, "\(key.id)")
        }
    }

    private static func key(_ db: Database, _ called: String) throws -> StoredKey {
        guard !called.isEmpty else {
            throw AccessError.refused("the name of the device is empty; write PRODUCT/DEVICE")
        }
        if called.utf8.allSatisfy({ (48...57).contains($0) }) {
            guard let id = UInt32(called) else { throw noKey(called) }
            let row = try Row.fetchOne(
                db, sql: "SELECT \(keyColumns) FROM device_key WHERE id = ?", arguments: [Int64(id)])
            guard let row else { throw noKey(called) }
            return try StoredKey(row)
        }
        let isPrefix = called.utf8.last == UInt8(ascii: "/")
        let scope = isPrefix ? try Scope(gateway: called) : try Scope(source: called)
        guard let key = try key(db, scope) else { throw noKey(called) }
        return key
    }

    private static func key(_ db: Database, _ scope: Scope) throws -> StoredKey? {
        let (kind, product, name) = columns(scope)
        return try Row.fetchOne(
            db, sql: "SELECT \(keyColumns) FROM device_key WHERE kind = ? AND product = ? AND name = ?",
            arguments: [kind, product, name]
        ).map { try StoredKey($0) }
    }

    private static func columns(_ scope: Scope) -> (kind: String, product: String, name: String) {
        switch scope {
        case .device(let product, let name):
            ("device", String(decoding: product, as: UTF8.self), String(decoding: name, as: UTF8.self))
        case .prefix(let prefix): ("gateway", "", String(decoding: prefix, as: UTF8.self))
        case .everything, .products: ("", "", "")
        }
    }

    private static func noKey(_ called: String) -> AccessError {
        .refused("\(shown(called)) has no key; `tidings device list` shows those that have")
    }

    private func checkNote(_ note: String) throws(AccessError) {
        try refuseControls(note, "the note")
        guard note.utf8.count <= AccessLimits.noteBytes else {
            throw .refused("the note has \(note.utf8.count) bytes, of at most \(AccessLimits.noteBytes)")
        }
    }
}
