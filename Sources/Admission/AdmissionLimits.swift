// The bounds of what admission remembers.

/// Bounds of the dedupe table (docs/delivery-semantics.md states them).
package enum AdmissionLimits {
    /// Epochs of a device that are remembered with their windows, and the numbers of those that went before them.
    package static let epochsPerDevice = 32
    package static let epochsGone = 256
    /// Ids that are not sequence numbers, remembered for each device.
    package static let idsPerDevice = 16_384
    /// The same over all devices; beyond it one device after another is left with the newer half of its ids.
    package static let idsTotal = 8 << 20
    /// At how many devices is looked to find one that can forget ids: a bound of the time that one event takes.
    static let devicesLookedAt = 1_024
    /// How much later than all before it an event is, milliseconds, that its device has made under a number of old.
    package static let reuseMilliseconds: Int64 = 60_000
    /// Reused numbers stored of one device that arrive on one day (UTC); more are stale.
    package static let reusedPerDay = 1_000
    /// Consents remembered: one for each customer, product and purpose that gates. Beyond it nobody new can consent.
    package static let consents = 8 << 20
    /// Messages whose ids are known, so that receipts are checked when they come in, and questions whose answers are;
    /// of older ones the fold alone says what is wrong.
    package static let messages = 1 << 20
    package static let questions = 4_096
    /// Quarantined and stale events named one by one in the answer to one frame; the rest are counted.
    package static let verdictsNamed = 64
    /// The same in the answer to one request over HTTP: all of a batch.
    package static let verdictsNamedOneByOne = 1_000
    /// Devices whose stale events are counted one by one, and how many of them are shown.
    package static let staleDevices = 256
    package static let staleDevicesShown = 5
    /// Devices, and addresses, whose quotas are remembered; beyond it the one that was silent longest begins anew.
    package static let quotaEntries = 1 << 16
}
