// Preferences of a device for aspects that are not among the first 64 of its own product: rare, and found by hash.

import Events

/// Preferences by (device, aspect slot), in the order in which they came.
struct OtherPreferences: Sendable {
    private(set) var keys: [UInt64] = []
    private(set) var preferences: [Preference] = []
    private var index = IndexTable()

    /// As `PreferencePool.set`, for one event.
    mutating func set(_ event: Event, _ item: inout FoldItem) {
        let new = Preference(event, item)
        let key = IndexTable.key(event.device.rawValue, item.slot)
        guard let known = index.find(key) else {
            restore(key, new)
            item.change = .first
            return
        }
        let old = preferences[known]
        let (kept, change) = old.replaced(by: new, isNumbered: event.identity == .sequence)
        item.change = change == .changed && old.kind == .apart ? .changedApart : change
        (item.oldKind, item.oldRow, item.oldBits) = (old.kind, old.row, old.bits)
        preferences[known] = kept
    }

    /// Whether there is one of a (device, aspect slot).
    func holds(_ key: UInt64) -> Bool { index.find(key) != nil }

    /// Puts back one read from a snapshot.
    mutating func restore(_ key: UInt64, _ preference: Preference) {
        index.insert(key, keys.count)
        keys.append(key)
        preferences.append(preference)
    }
}
