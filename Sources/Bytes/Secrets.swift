// Secrets compared.

/// Whether two secrets are equal, in a time that depends on their lengths alone.
@inlinable
package func isSameSecret(_ one: some Collection<UInt8>, _ other: some Collection<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for (byte, own) in zip(one, other) { difference |= byte ^ own }
    return difference == 0
}
