// Keys and tokens for the tests of the sessions.

import Admission
import Bytes
import Crypto
import Events
import Transport
import Wire

enum TestKeys {
    static let master = Array(repeating: UInt8(1), count: 32)

    static func key(_ id: UInt32, generation: UInt32 = 0) -> DeviceKey {
        MasterKeys(master)?.keys(id: id, generation: generation).first ?? DeviceKey(unchecked: [])
    }

    static func bearer(_ id: UInt32, generation: UInt32 = 0) -> String {
        key(id, generation: generation).bearer(id: id)
    }

    static func device(_ product: String, _ name: String) -> Scope {
        .device(product: Array(product.utf8), name: Array(name.utf8))
    }

    static func products(_ products: String...) -> Scope { .products(products.map { Array($0.utf8) }) }

    static func token(_ id: UInt32, _ text: String, _ scope: Scope, _ roles: Roles, expires: Int64? = nil) -> TokenEntry
    {
        TokenEntry(
            id: id, digest: Array(SHA256.hash(data: Array(text.utf8))), scope: scope, roles: roles,
            expires: expires.map { Timestamp(rawValue: $0) })
    }

    /// Key 7 is of `kettle/k-1`, key 8 of `kettle/k-2`, key 9 of a gateway for `kettle/`; tokens of each kind.
    static func list(without revoked: UInt32? = nil, generation: UInt32 = 0) -> AccessList {
        AccessList(
            masters: MasterKeys(master),
            keys: [
                KeyEntry(id: 7, scope: device("kettle", "k-1"), generation: generation, isRevoked: revoked == 7),
                KeyEntry(id: 8, scope: device("kettle", "k-2"), isRevoked: revoked == 8),
                KeyEntry(id: 9, scope: .prefix(Array("kettle/".utf8)), isRevoked: revoked == 9),
            ],
            tokens: [
                token(1, "tdg_kettle", products("kettle"), .send), token(2, "tdg_oven", products("oven"), .send),
                token(3, "tdg_reader", products("kettle"), .read), token(4, "tdg_operator", .everything, .operate),
                token(5, "tdg_old", .everything, .send, expires: 1_000),
            ].filter { $0.id != revoked })
    }
}

extension TransportSettings {
    static func auth(_ mode: AuthMode) -> TransportSettings {
        var settings = TransportSettings()
        settings.authMode = mode
        return settings
    }
}
