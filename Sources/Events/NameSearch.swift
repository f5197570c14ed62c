// Names looked up side by side: each step of many searches before the next step of any.

/// A name on its way to its number.
///
/// To find a name takes three reads, and each must wait for the one before: the slot, the entry, the bytes. Names are
/// many and lie far away, so a name that is looked up alone waits three times for the memory. The names of many events
/// that take each step together wait three times in all.
///
/// A search is a hint and nothing more: its entry is compared with the bytes when the number is asked for. So it stays
/// harmless however much the vocabulary grows meanwhile.
package struct NameSearch: Sendable, BitwiseCopyable {
    /// 0 for a search that has not begun.
    var hash: UInt64 = 0
    /// The entry that is compared first; 0 for none.
    var likely: UInt32 = 0

    package init() {}

    init(hash: UInt64) { self.hash = hash }
}

/// The names of one event that are worth a search. One that is left out is looked up when it is needed.
package struct NameSearches: Sendable, BitwiseCopyable {
    package var product = NameSearch()
    package var device = NameSearch()
    package var customer = NameSearch()
    package var aspect = NameSearch()
    package var value = NameSearch()

    package init() {}

    /// The device that the second step has found; `.none` if it has found none.
    package var likelyDevice: DeviceID { DeviceID(rawValue: device.likely) }
}

extension Vocabulary {
    /// First step: the device of a product. Products are few and near, so theirs is found at once; a new one has no
    /// known device.
    package func search(product: Span<UInt8>, device: Span<UInt8>, _ searches: inout NameSearches) {
        searches.product = products.search(product)
        products.probe(&searches.product)
        let likely = searches.product.likely
        if likely != 0 { searches.device = devices.search(device, scope: likely) }
    }

    /// First step: a customer.
    package func search(customer: Span<UInt8>, _ searches: inout NameSearches) {
        searches.customer = customers.search(customer)
    }

    /// First step: an aspect.
    package func search(aspect: Span<UInt8>, _ searches: inout NameSearches) {
        searches.aspect = aspects.search(aspect)
    }

    /// First step: the word of a choice.
    package func search(value: Span<UInt8>, _ searches: inout NameSearches) {
        searches.value = values.search(value)
    }

    /// Second step: reads the slots, and asks for the memory of the entries.
    package func probe(_ searches: inout NameSearches) {
        devices.probe(&searches.device)
        customers.probe(&searches.customer)
        aspects.probe(&searches.aspect)
        values.probe(&searches.value)
    }

    /// Third step: reads the entries, and asks for the memory of their bytes.
    package func prefetchBytes(of searches: NameSearches) {
        devices.prefetchBytes(of: searches.device)
        customers.prefetchBytes(of: searches.customer)
        aspects.prefetchBytes(of: searches.aspect)
        values.prefetchBytes(of: searches.value)
    }
}
