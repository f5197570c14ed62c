// How many different customers or devices: exact while few, HyperLogLog when many.

import Bytes

/// A set of pseudonyms that only tells how many it holds; sets merge without loss.
///
/// Up to `ProjectionLimits.exactDistinct` members it is exact; then 2^14 registers of HyperLogLog (Flajolet et al.
/// 2007, standard error 0.8 %). Its state depends on the members alone, never on their order.
package struct DistinctCount: Sendable, Equatable {
    /// Open addressing over member numbers, 0 free; empty once there are registers.
    private var members: [UInt32] = []
    private var memberCount = 0
    private var registers: [UInt8] = []

    static let precision: UInt64 = 14
    static let registerCount = 1 << 14

    package init() {}

    package var isExact: Bool { registers.isEmpty }
    package var isEmpty: Bool { memberCount == 0 && registers.isEmpty }

    /// Adds a member; 0 is nobody and adds nothing.
    package mutating func insert(_ member: UInt32) {
        guard member != 0 else { return }
        guard registers.isEmpty else { return register(member) }
        if (memberCount + 1) * 2 > members.count { grow(for: 1) }
        let mask = members.count - 1
        var slot = Int(truncatingIfNeeded: mix(UInt64(member))) & mask
        while members[slot] != 0 {
            if members[slot] == member { return }
            slot = (slot + 1) & mask
        }
        members[slot] = member
        memberCount += 1
        if memberCount > ProjectionLimits.exactDistinct { becomeDense() }
    }

    /// Adds many members.
    mutating func insert(_ added: Span<UInt32>) {
        let more = min(added.count, ProjectionLimits.exactDistinct - memberCount)
        if registers.isEmpty, (memberCount + more) * 2 > members.count { grow(for: more) }
        for index in added.indices { insert(added[index]) }
    }

    /// Adds every member of another set.
    package mutating func formUnion(_ other: DistinctCount) {
        if other.registers.isEmpty {
            for member in other.members where member != 0 { insert(member) }
            return
        }
        if registers.isEmpty { becomeDense() }
        for index in registers.indices where other.registers[index] > registers[index] {
            registers[index] = other.registers[index]
        }
    }

    /// The number of members: exact, or estimated within about 1 %.
    package var count: Int {
        guard !registers.isEmpty else { return memberCount }
        // How many registers hold each rank; there are 65 of them.
        var counts = InlineArray<256, Int>(repeating: 0)
        for register in registers { counts[Int(register)] += 1 }
        let zeros = counts[0]
        var sum = 0.0
        for rank in 0...64 { sum += Double(counts[rank]) * Double(sign: .plus, exponent: -rank, significand: 1) }
        let count = Double(Self.registerCount)
        let raw = 0.7213 / (1 + 1.079 / count) * count * count / sum
        // Small range: linear counting. ln(m / zeros) from the series of atanh, so that no libm is needed.
        if raw <= 2.5 * count, zeros > 0 { return Int((count * naturalLog(count / Double(zeros))).rounded()) }
        return Int(raw.rounded())
    }

    private mutating func register(_ member: UInt32) {
        let hash = mix(UInt64(member) ^ 0x5bd1_e995_7f4a_7c15)
        let index = Int(truncatingIfNeeded: hash >> (64 - Self.precision))
        let rest = (hash << Self.precision) | (1 << (Self.precision - 1))
        let rank = UInt8(truncatingIfNeeded: rest.leadingZeroBitCount + 1)
        if rank > registers[index] { registers[index] = rank }
    }

    private mutating func becomeDense() {
        registers = [UInt8](repeating: 0, count: Self.registerCount)
        for member in members where member != 0 { register(member) }
        members = []
        memberCount = 0
    }

    /// Makes room for so many members more; half of all slots stay free.
    private mutating func grow(for more: Int) {
        let old = members
        var slots = max(8, old.count)
        while slots < (memberCount + more) * 2 { slots *= 2 }
        members = [UInt32](repeating: 0, count: slots)
        let mask = members.count - 1
        for member in old where member != 0 {
            var slot = Int(truncatingIfNeeded: mix(UInt64(member))) & mask
            while members[slot] != 0 { slot = (slot + 1) & mask }
            members[slot] = member
        }
    }

    package static func == (a: Self, b: Self) -> Bool {
        guard a.memberCount == b.memberCount, a.registers == b.registers else { return false }
        return a.members.allSatisfy { $0 == 0 || b.contains($0) }
    }

    private func contains(_ member: UInt32) -> Bool {
        guard !members.isEmpty else { return false }
        let mask = members.count - 1
        var slot = Int(truncatingIfNeeded: mix(UInt64(member))) & mask
        while members[slot] != 0 {
            if members[slot] == member { return true }
            slot = (slot + 1) & mask
        }
        return false
    }

    /// Bytes to be stored: `0`, then the members in any order, four bytes little-endian each; or `1`, then the
    /// registers.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Appends what `encoded()` gives.
    func encode(into bytes: inout [UInt8]) {
        guard registers.isEmpty else {
            bytes.append(1)
            bytes += registers
            return
        }
        bytes.append(0)
        var at = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: memberCount * 4))
        var out = bytes.mutableSpan
        for member in members where member != 0 {
            for byte in 0..<4 { out[at + byte] = UInt8(truncatingIfNeeded: member >> UInt32(8 * byte)) }
            at += 4
        }
    }

    /// The set that `encoded()` wrote; nil when the bytes are not one.
    package init?(encoded bytes: Span<UInt8>) {
        guard bytes.count > 0 else { return nil }
        if bytes[0] == 1 {
            guard bytes.count == 1 + Self.registerCount else { return nil }
            registers.reserveCapacity(Self.registerCount)
            for index in 1..<bytes.count {
                guard bytes[index] <= 64 else { return nil }
                registers.append(bytes[index])
            }
            return
        }
        guard bytes[0] == 0, bytes.count % 4 == 1, bytes.count / 4 <= ProjectionLimits.exactDistinct else { return nil }
        for start in stride(from: 1, to: bytes.count, by: 4) {
            insert(UInt32(truncatingIfNeeded: bytes.littleEndian(at: start, size: 4)))
        }
    }
}

/// The natural logarithm of a positive finite number, from exponent and mantissa: the same bits on every machine.
func naturalLog(_ x: Double) -> Double {
    let mantissa = x.significand
    let ratio = (mantissa - 1) / (mantissa + 1)
    let square = ratio * ratio
    var sum = 0.0
    var power = ratio
    var divisor = 1.0
    while divisor < 60 {
        sum += power / divisor
        power *= square
        divisor += 2
    }
    return 2 * sum + Double(x.exponent) * 0.693_147_180_559_945_3
}
