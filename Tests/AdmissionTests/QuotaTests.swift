// The arithmetic of quotas, on a clock that the test turns.

import Admission
import Events
import Testing

private let second: Uptime = 1_000_000_000

@Suite struct TokenBucketTests {
    private let rate = Rate(10, perSeconds: 1, burst: 50)

    @Test func aFullBucketGivesItsBurstAndNoMore() {
        var bucket = TokenBucket()
        let now = 1_000 * second
        #expect(bucket.available(at: now, of: rate) == 50)
        bucket.take(50, at: now, of: rate)
        #expect(bucket.available(at: now, of: rate) == 0)
        #expect(bucket.ready(of: rate) <= now)
        bucket.take(1, at: now, of: rate)
        #expect(bucket.ready(of: rate) == now + second / 10)
    }

    @Test func aDebtIsWaitedForInFull() {
        var bucket = TokenBucket()
        let now = 1_000 * second
        bucket.take(1_050, at: now, of: rate)
        #expect(bucket.ready(of: rate) == now + 100 * second)
        #expect(bucket.available(at: now + 99 * second, of: rate) == 0)
        #expect(bucket.available(at: now + 101 * second, of: rate) == 10)
        #expect(bucket.available(at: now + 10_000 * second, of: rate) == 50)
    }

    /// However large the units, over a long time no more than the rate and one burst is taken.
    @Test(arguments: [1, 7, 256, 1_000]) func theRateHoldsInTheLongRun(unit: Int) {
        var (bucket, now, taken) = (TokenBucket(), second, 0)
        while now < 1_000 * second {
            bucket.take(unit, at: now, of: rate)
            taken += unit
            now = max(now, bucket.ready(of: rate))
        }
        #expect(taken <= 10 * 1_000 + 50 + unit)
        #expect(taken >= 10 * 998)
    }

    @Test func largeNumbersDoNotOverflow() {
        let slow = Rate(1, perSeconds: 60, burst: 1)
        var bucket = TokenBucket()
        for _ in 0..<100 { bucket.take(.max, at: .max - 1, of: slow) }
        #expect(bucket.available(at: .max - 1, of: slow) == 0)
        let fast = Rate(1_000_000_000, perSeconds: 1, burst: 1_000_000_000 * 86_400)
        #expect(TokenBucket().available(at: 0, of: fast) == 1_000_000_000 * 86_400)
    }
}

@Suite struct BucketTableTests {
    @Test func theLongestUnusedGoesWhenTheTableIsFull() {
        var table = BucketTable<Int>(rate: Rate(1, perSeconds: 1, burst: 1), limit: 3)
        for key in [1, 2, 3] { _ = table.take(100, of: key, at: second) }
        // 1 is used again, so 2 is now the longest unused.
        _ = table.take(1, of: 1, at: second)
        _ = table.take(100, of: 4, at: second)
        #expect(table.count == 3)
        #expect(table.ready(2) == 0)
        for key in [1, 3, 4] { #expect(table.ready(key) > second, "\(key)") }
    }

    /// Against a plain list, with keys at random.
    @Test func theOrderOfUseIsThatOfAList() {
        let seed = UInt64.random(in: 1...UInt64.max)
        var state = seed
        var table = BucketTable<UInt64>(rate: Rate(1, perSeconds: 1, burst: 1), limit: 8)
        var model: [UInt64] = []
        for _ in 0..<5_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let key = (state >> 33) % 12
            _ = table.take(1_000_000, of: key, at: second)
            model.removeAll { $0 == key }
            model.append(key)
            if model.count > 8 { model.removeFirst() }
            let known = (0..<12).filter { table.ready($0) > 0 }
            guard known == model.sorted() else {
                Issue.record("\(known) are remembered, not \(model.sorted()); seed \(seed)")
                return
            }
        }
    }
}

@Suite struct QuotasTests {
    private let here = SenderAddress(ipv4: 0x7f00_0001)
    private let there = SenderAddress(ipv4: 0xc000_0201)

    private func events(_ devices: [UInt32]) -> ArraySlice<Event> {
        devices.map { id in
            var event = Event()
            event.device = DeviceID(rawValue: id)
            return event
        }[...]
    }

    @Test func eachDeviceHasItsOwnShare() {
        var settings = QuotaSettings()
        settings.deviceEventsPerSecond = 2
        settings.burstSeconds = 1
        var quotas = Quotas(settings)
        let now = 100 * second
        #expect(quotas.take(events([1, 2, 1, 2]), units: 4, from: there, at: now) <= now)
        #expect(quotas.take(events([1, 1, 3]), units: 3, from: there, at: now) == now + second)
        #expect(quotas.ready(DeviceID(rawValue: 1)) == now + second)
        #expect(quotas.ready(DeviceID(rawValue: 2)) <= now)
        #expect(quotas.ready(events([3, 2])) <= now)
        #expect(quotas.ready(events([3, 1, 2])) == now + second)
        #expect(quotas.ready(there) == 0)
    }

    @Test func anAddressPaysForRefusedUnitsToo() {
        var settings = QuotaSettings()
        settings.addressEventsPerSecond = 10
        settings.burstSeconds = 1
        var quotas = Quotas(settings)
        #expect(quotas.take([], units: 15, from: there, at: second) == second + second / 2)
        #expect(quotas.ready(SenderAddress(ipv4: 0xc000_0202)) == 0)
    }

    @Test func thisMachineIsExemptUnlessCounted() {
        var settings = QuotaSettings()
        settings.addressEventsPerSecond = 1
        settings.newNamesPerMinute = 6
        var quotas = Quotas(settings)
        #expect(quotas.take([], units: 1_000, from: here, at: second) == 0)
        #expect(quotas.newNames(here, at: second) == nil)
        #expect(quotas.newNames(nil, at: second) == nil)
        settings.countsLoopback = true
        quotas = Quotas(settings)
        #expect(quotas.take([], units: 1_000, from: here, at: second) > second)
        #expect(quotas.newNames(here, at: second) == 6)
    }

    @Test func newNamesComeBackWithTime() {
        var settings = QuotaSettings()
        settings.newNamesPerMinute = 6
        var quotas = Quotas(settings)
        let now = 100 * second
        quotas.takeNewNames(6, from: there, at: now)
        #expect(quotas.newNames(there, at: now) == 0)
        #expect(quotas.newNames(there, at: now + 25 * second) == 2)
        #expect(quotas.newNames(there, at: now + 600 * second) == 6)
    }
}

@Suite struct SenderAddressTests {
    @Test func mappedAddressesAreThoseTheyMap() {
        #expect(SenderAddress(ipv6: 0, 0xffff_c000_0201) == SenderAddress(ipv4: 0xc000_0201))
        #expect(SenderAddress(ipv6: 0, 0xffff_7f00_0001).isLoopback)
        #expect(SenderAddress(ipv6: 0, 1).isLoopback)
        #expect(!SenderAddress(ipv6: 0, 2).isLoopback)
    }

    @Test func aNetworkOf64BitsIsOneSender() {
        let network: UInt64 = 0x2001_0db8_0000_0001
        #expect(SenderAddress(ipv6: network, 7) == SenderAddress(ipv6: network, 8))
        #expect(SenderAddress(ipv6: network, 7) != SenderAddress(ipv6: network + 1, 7))
        let linkLocal: UInt64 = 0xfe80_0000_0000_0000
        #expect(SenderAddress(ipv6: linkLocal, 7) != SenderAddress(ipv6: linkLocal, 8))
        #expect(SenderAddress(ipv6: 0xc000_0201, 0) != SenderAddress(ipv4: 0xc000_0201))
    }
}
