// The bounds of keys and tokens. When one is hit the command says so, and nothing is changed.

package enum AccessLimits {
    /// Keys of devices and gateways, those that are revoked included: in a running daemon each takes its names and 20
    /// bytes.
    package static let deviceKeys = 1 << 22
    /// Tokens of people and vendors, those that are revoked included.
    package static let tokens = 10_000
    /// Products that one token is for.
    package static let productsOfToken = 256
    /// What is written down beside a key, and the name of a token, bytes of UTF-8.
    package static let noteBytes = 256
    package static let labelBytes = 64
    /// How long a token may be good: ten years, milliseconds.
    package static let longestExpiry: Int64 = 3_650 * 86_400_000
    /// A token's last use is noted when the one before was so long ago, milliseconds.
    package static let lastUseStep: Int64 = 60_000
    /// How long a change waits for another program that changes the file as well, seconds.
    package static let busySeconds = 5.0
}
