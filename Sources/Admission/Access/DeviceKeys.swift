// The secrets of devices: each derived from a master key, so that none of them has to be kept.

import Bytes
import Crypto
package import Wire

/// The keys that all devices' keys are derived from: the one that new keys are made from and, while a fleet is moved to
/// another, the one before.
package struct MasterKeys: Sendable, Equatable {
    /// HKDF-Extract of each, the newest first.
    private let keys: [[UInt8]]
    /// The same, ready for use: a fleet that comes back needs a key for each device at once.
    private let expansions: [KeyExpansion]

    /// Length of one key, bytes.
    package static let keyBytes = DeviceKey.byteCount

    /// - Parameter bytes: one key or two, the newest first, nothing between or behind them; nil for another length.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.keyBytes || bytes.count == 2 * Self.keyBytes else { return nil }
        keys = stride(from: 0, to: bytes.count, by: Self.keyBytes).map { start in
            let master = SymmetricKey(data: bytes[start..<(start + Self.keyBytes)])
            return Array(HKDF<SHA256>.extract(inputKeyMaterial: master, salt: [UInt8]()))
        }
        expansions = keys.map { KeyExpansion($0) }
    }

    package static func == (one: MasterKeys, other: MasterKeys) -> Bool { one.keys == other.keys }

    /// How many there are.
    package var count: Int { keys.count }

    /// The key of a device under each master key, the newest first.
    ///
    /// - Parameter generation: counts how often the key was replaced; each has another key.
    package func keys(id: UInt32, generation: UInt32) -> [DeviceKey] {
        var label = Array("tidings device key ".utf8)
        appendBigEndian(id, to: &label)
        appendBigEndian(generation, to: &label)
        return expansions.map { DeviceKey(unchecked: $0.expanded(label)) }
    }
}
