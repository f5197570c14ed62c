// The bounds of what is stored and of what is believed of it.

import Events

package enum LogLimits {
    /// The body of a block before compression, bytes: every column at its widest, and in format 2 the text.
    package static let blockBytes = Limits.blockEvents * 320 + Limits.blockTextBytes + 4_096
    /// What sealing adds to a part, bytes: its own byte, padding to a multiple of 16, and the tag of the cipher.
    package static let sealingBytes = 32
    /// The texts of a block as they are stored, bytes: all that events may bring, each part of them sealed.
    package static let storedTextBytes =
        Limits.blockTextBytes + Limits.blockEvents * PartTag.allCases.count * sealingBytes
    /// A keyframe before compression, bytes: 24 for each device that may be, and some headers.
    static let keyframeBytes = 24 * Limits.devices + 4_096
    /// Devices that are believed whatever the names say: 24 MiB of predictions.
    package static let believedDevices = 1 << 20
    /// Damaged places that a report names one by one.
    package static let damagesNamed = 100
    /// Ways to put right one byte of a body that are tried: in a block's body there are hardly ever two.
    static let repairs = 16
}
