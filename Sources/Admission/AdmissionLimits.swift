// The bounds of what admission remembers.

/// Bounds of the dedupe table (docs/delivery-semantics.md states them).
package enum AdmissionLimits {
    /// Ids that are not sequence numbers, remembered for each device.
    package static let idsPerDevice = 1_024
    /// The same over all devices; beyond it every device keeps the newer half of its ids. 64 MiB of hashes.
    package static let idsTotal = 8 << 20
    /// Quarantined and stale events named one by one in the answer to one frame; the rest are counted.
    package static let verdictsNamed = 64
    /// The same in the answer to one request over HTTP: all of a batch.
    package static let verdictsNamedOverHTTP = 1_000
    /// Devices whose stale events are counted one by one, and how many of them are shown.
    package static let staleDevices = 256
    package static let staleDevicesShown = 5
    /// Devices, and addresses, whose quotas are remembered; beyond it the one that was silent longest begins anew.
    package static let quotaEntries = 1 << 16
}
