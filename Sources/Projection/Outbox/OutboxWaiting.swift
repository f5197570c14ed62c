// How many messages wait for each device, for those who tell devices whether it is worth to ask.

package import Events

extension SummaryState {
    /// By the devices' numbers. What is only for devices that come later counts too, where it would be sent.
    package var waitingCounts: [UInt8] {
        var counts = outbox.pending
        if counts.count < devices.count { counts += repeatElement(0, count: devices.count - counts.count) }
        for index in outbox.open where outbox.messages[index].terms.isLive {
            for device in 1..<UInt32(max(devices.count, 1)) where isLiveFor(index, device) {
                counts[Int(device)] = UInt8(clamping: Int(counts[Int(device)]) + 1)
            }
        }
        return counts
    }

    package func waitingCount(of device: DeviceID) -> UInt8 {
        guard Int(device.rawValue) < devices.count else { return 0 }
        let live = outbox.open.count { outbox.messages[$0].terms.isLive && isLiveFor($0, device.rawValue) }
        return UInt8(clamping: outbox.pendingCount(device.rawValue) + live)
    }

    /// Whether a message for whoever comes is still to be sent to a device.
    private func isLiveFor(_ index: Int, _ device: UInt32) -> Bool {
        let message = outbox.messages[index]
        return devices[Int(device)].product == message.product && message.isAddressed
            && outbox.entries[index][device].state == .none && isEffective(index, device)
    }
}
