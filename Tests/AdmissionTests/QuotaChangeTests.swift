// Quotas that are changed while they are in use: what was taken stays taken, and nobody waits longer because of it.

import Admission
import Events
import Testing

private let second: Uptime = 1_000_000_000
private let now = 1_000 * second

@Suite struct QuotaChangeTests {
    private let old = Rate(10, perSeconds: 1, burst: 100)

    private func bucket(taken: Int, changedTo new: Rate) -> TokenBucket {
        var bucket = TokenBucket()
        bucket.take(taken, at: now, of: old)
        bucket.change(from: old, to: new, at: now)
        return bucket
    }

    @Test func aWiderRateShortensTheWait() {
        let wide = Rate(1_000, perSeconds: 1, burst: 10_000)
        // Of 1,000 there were 900 too many, or 90 s to wait; now they are a tenth of what may come at once.
        #expect(bucket(taken: 1_000, changedTo: wide).available(at: now, of: wide) == 9_000)
        let faster = Rate(1_000, perSeconds: 1, burst: 100)
        #expect(bucket(taken: 1_000, changedTo: faster).ready(of: faster) == now + 9 * second / 10)
        #expect(bucket(taken: 40, changedTo: wide).available(at: now, of: wide) == 9_960)
    }

    @Test func aNarrowerRateGivesNoNewShareAndNoLongerWait() {
        let narrow = Rate(1, perSeconds: 1, burst: 10)
        #expect(bucket(taken: 40, changedTo: narrow).available(at: now, of: narrow) == 6)
        #expect(bucket(taken: 100, changedTo: narrow).available(at: now, of: narrow) == 0)
        #expect(bucket(taken: 200, changedTo: narrow).ready(of: narrow) == now + 10 * second)
    }

    @Test func aShorterBurstMakesNoDebt() {
        let short = Rate(10, perSeconds: 1, burst: 10)
        let changed = bucket(taken: 90, changedTo: short)
        #expect(changed.ready(of: short) <= now && changed.available(at: now, of: short) == 0)
    }

    /// Changed to and fro, nobody gets more than by waiting.
    @Test(arguments: [1, 40, 100, 150, 100_000]) func nothingIsWonByChanges(taken: Int) {
        let other = Rate(3, perSeconds: 1, burst: 30)
        var bucket = bucket(taken: taken, changedTo: other)
        bucket.change(from: other, to: old, at: now)
        var before = TokenBucket()
        before.take(taken, at: now, of: old)
        #expect(bucket.ready(of: old) <= before.ready(of: old))
        if taken >= 100 { #expect(bucket.available(at: now, of: old) <= 70, "a full share again") }
    }

    @Test func aFullBucketStaysFullAndLargeNumbersDoNotOverflow() {
        let huge = Rate(1_000_000_000, perSeconds: 1, burst: 1_000_000_000 * 86_400)
        var bucket = TokenBucket()
        bucket.change(from: old, to: huge, at: now)
        #expect(bucket.available(at: now, of: old) == 100)
        for _ in 0..<10 { bucket.take(.max, at: .max - 1, of: old) }
        bucket.change(from: old, to: huge, at: .max - 1)
        bucket.change(from: huge, to: Rate(1, perSeconds: 60, burst: 1), at: 0)
    }

    @Test func theSharesOfAllSendersGoOn() {
        let device = DeviceID(rawValue: 7)
        var event = Event()
        event.device = device
        let events = [Event](repeating: event, count: 300)
        let address = SenderAddress(ipv4: 0xc000_0201)
        var settings = QuotaSettings()
        (settings.deviceEventsPerSecond, settings.burstSeconds) = (10, 10)
        var quotas = Quotas(settings)
        #expect(quotas.take(events[...], units: 300, from: address, at: now) == now + 20 * second)
        (settings.deviceEventsPerSecond, settings.burstSeconds) = (100, 1)
        quotas.change(to: settings, at: now)
        #expect(quotas.ready(device) == now + 2 * second)
        // A quota that was not there begins with full shares, one that is gone holds nobody.
        settings.addressEventsPerSecond = 10
        quotas.change(to: settings, at: now)
        #expect(quotas.ready(address) == 0 && quotas.ready(device) == now + 2 * second)
        settings.deviceEventsPerSecond = 0
        quotas.change(to: settings, at: now)
        #expect(quotas.ready(device) == 0)
        quotas.takeNewNames(9_000, from: address, at: now)
        settings.newNamesPerMinute = 20_000
        quotas.change(to: settings, at: now)
        #expect(quotas.newNames(address, at: now) == 11_000)
    }
}
