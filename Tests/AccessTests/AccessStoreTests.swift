// Keys and tokens in their file: what is added is there, what is revoked is over, and every change is counted.

import Access
import Admission
import Bytes
import Crypto
import Events
import Foundation
import GRDB
import Testing

@Suite struct AccessStoreTests {
    private let folder: KeyFolder

    init() throws { folder = try KeyFolder() }

    private func scopes(_ sources: String...) throws -> [Scope] { try sources.map { try Scope(source: $0) } }

    @Test func keysAreThereAfterReopening() throws {
        let store = try folder.open()
        let added = try store.add(try scopes("kettle/k-1", "urn:dev:ops:32473-oven-7"), note: "hall", now: folder.now)
        #expect(added.map(\.id) == [1, 2] && added.map(\.note) == ["hall", "hall"])
        let gateway = try store.add([try Scope(gateway: "kettle/hall-3/")], now: folder.now)
        store.close()
        #expect(try folder.mode(folder.file) == 0o600)
        let reopened = try folder.open(readOnly: true)
        defer { reopened.close() }
        #expect(try reopened.keys() == added + gateway)
        #expect(try reopened.key("kettle/k-1").id == 1 && reopened.key("2") == added[1])
        #expect(try reopened.key("kettle/hall-3/").isGateway)
        #expect(try reopened.keysInForce() == 3)
    }

    @Test func withoutAFileThereIsNothingAndNothingIsMade() throws {
        let store = try folder.open(readOnly: true)
        #expect(try store.keys().isEmpty && store.tokens().isEmpty && store.keysInForce() == 0)
        #expect(try store.contents()?.keys.isEmpty == true && store.contents(unless: 0) == nil)
        #expect(!FileManager.default.fileExists(atPath: folder.file))
        #expect(refusal { _ = try store.add(try scopes("a/b"), now: folder.now) }.contains("reading only"))
    }

    @Test func aDeviceHasOneKey() throws {
        let store = try folder.open()
        defer { store.close() }
        _ = try store.add(try scopes("a/1"), now: folder.now)
        // All or none, and the same device in another spelling of its source.
        let line = refusal { _ = try store.add(try scopes("a/2", "a/1"), now: folder.now) }
        #expect(line == "a/1 has key 1 already; `tidings device rotate 1` replaces it")
        #expect(try store.keys().count == 1)
        _ = try store.add(try scopes("a%2fb/1"), now: folder.now)
        #expect(refusal { _ = try store.add(try scopes("a%2Fb/1"), now: folder.now) }.contains("a%2Fb/1 has key"))
        _ = try store.setRevoked(true, "a/1", now: folder.now)
        #expect(refusal { _ = try store.add(try scopes("a/1"), now: folder.now) }.contains("device restore 1"))
        #expect(refusal { _ = try store.key("a/9") }.contains("a/9 has no key"))
        #expect(refusal { _ = try store.key("9") }.contains("9 has no key"))
    }

    @Test func keysAreRevokedRestoredAndReplaced() throws {
        let store = try folder.open()
        defer { store.close() }
        _ = try store.add(try scopes("a/1"), now: folder.now)
        #expect(try store.setRevoked(true, "a/1", now: folder.now).revoked == folder.now)
        #expect(refusal { _ = try store.setRevoked(true, "1", now: folder.now) }.contains("revoked already"))
        #expect(try store.keysInForce() == 0)
        #expect(try store.setRevoked(false, "1", now: folder.now).revoked == nil)
        #expect(refusal { _ = try store.setRevoked(false, "1", now: folder.now) }.contains("not revoked"))
        _ = try store.setRevoked(true, "1", now: folder.now)
        let replaced = try store.rotate("a/1")
        #expect(replaced.generation == 1 && replaced.revoked == nil && replaced.id == 1)
    }

    @Test func tokensAreKeptAsDigests() throws {
        let store = try folder.open()
        let new = NewToken(
            label: "acme", roles: [.read], products: ["kettle", "a,\"b"], expires: Timestamp(rawValue: 9))
        let (token, secret) = try store.add(new, now: folder.now)
        #expect(secret.hasPrefix("tdg_") && secret.utf8.count == 47)
        #expect(token.entry.digest == Array(SHA256.hash(data: Data(secret.utf8))))
        #expect(token.entry.scope == .products([Array("kettle".utf8), Array("a,\"b".utf8)]))
        #expect(token.entry.expires == Timestamp(rawValue: 9) && token.roles == [.read])
        #expect(refusal { _ = try store.add(new, now: folder.now) }.contains("is called acme already"))
        store.close()
        for suffix in ["", "-wal"] {
            let bytes = FileManager.default.contents(atPath: folder.file + suffix) ?? Data()
            #expect(bytes.range(of: Data(secret.utf8.dropFirst(4))) == nil)
        }
        let reopened = try folder.open()
        defer { reopened.close() }
        #expect(try reopened.tokens() == [token])
        #expect(try reopened.revokeToken("acme", now: folder.now).revoked == folder.now)
        #expect(refusal { _ = try reopened.revokeToken("1", now: folder.now) }.contains("revoked already"))
        #expect(refusal { _ = try reopened.revokeToken("other", now: folder.now) }.contains("no token is called other"))
        #expect(try reopened.contents()?.tokens.isEmpty == true)
        // A name is free again when nobody has it any more.
        _ = try reopened.add(new, now: folder.now)
    }

    @Test func usesAreNotedToTheMinute() throws {
        let store = try folder.open()
        defer { store.close() }
        _ = try store.add(NewToken(label: "a", roles: .read, products: nil, expires: nil), now: folder.now)
        let change = try #require(try store.contents()).change
        for (offset, noted) in [(0, 0), (59_999, 0), (60_000, 60_000), (50_000, 60_000)] as [(Int64, Int64)] {
            try store.noteUses([1: Timestamp(rawValue: folder.now.rawValue + offset), 77: folder.now])
            #expect(try store.tokens()[0].lastUsed?.rawValue == folder.now.rawValue + noted)
        }
        #expect(try store.contents(unless: change) == nil, "a use is no change")
    }

    @Test func everyChangeOfWhoMayDoWhatIsCounted() throws {
        let store = try folder.open()
        defer { store.close() }
        var known = try #require(try store.contents()).change
        func expectChange(_ what: String, _ body: () throws -> Void) throws {
            try body()
            let new = try #require(try store.contents(unless: known), "\(what)")
            #expect(new.change > known)
            known = new.change
            #expect(try store.contents(unless: known) == nil)
        }
        try expectChange("add") { _ = try store.add(try scopes("a/1"), now: folder.now) }
        try expectChange("revoke") { _ = try store.setRevoked(true, "1", now: folder.now) }
        try expectChange("restore") { _ = try store.setRevoked(false, "1", now: folder.now) }
        try expectChange("rotate") { _ = try store.rotate("1") }
        try expectChange("token") {
            _ = try store.add(NewToken(label: "a", roles: .send, products: nil, expires: nil), now: folder.now)
        }
        try expectChange("end of a token") { _ = try store.revokeToken("a", now: folder.now) }
        // Another program, which knows nothing of all this.
        try expectChange("by hand") {
            let other = try DatabaseQueue(path: folder.file)
            try other.write { db in try db.execute(sql: "DELETE FROM device_key") }
            try other.close()
        }
    }

    @Test func twoProgramsChangeTheFileAtOnce() throws {
        let (one, other) = (try folder.open(), try folder.open())
        defer {
            one.close()
            other.close()
        }
        for number in 0..<50 {
            _ = try (number % 2 == 0 ? one : other).add(try scopes("a/\(number)"), now: folder.now)
        }
        #expect(try one.keys().map(\.id) == Array(1...50) && other.keysInForce() == 50)
    }

    @Test func damageIsToldAndNeverATrap() throws {
        let store = try folder.open()
        _ = try store.add(try scopes("a/1"), now: folder.now)
        store.close()
        let other = try DatabaseQueue(path: folder.file)
        try other.write { db in
            try db.execute(sql: "PRAGMA ignore_check_constraints = 1")
            try db.execute(sql: "UPDATE device_key SET generation = -1")
        }
        try other.close()
        let reopened = try folder.open(readOnly: true)
        defer { reopened.close() }
        #expect(refusal { _ = try reopened.keys() }.contains("column 5 of a row is damaged"))
        #expect(throws: AccessError.self) { _ = try reopened.contents() }
    }
}
