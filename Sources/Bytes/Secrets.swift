// Secrets made, and compared.

/// Random bytes of the system's generator, good for secrets.
package func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
@inlinable
package func isSameSecret(_ one: some Collection<UInt8>, _ other: some Collection<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for (byte, own) in zip(one, other) { difference |= byte ^ own }
    return difference == 0
}
