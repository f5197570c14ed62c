// The bounds of the embedded engine.

import Log

/// How large and how old a segment may get, and how it is stored.
package struct SegmentLimits: Sendable {
    /// A segment is sealed when its file reaches this many bytes,
    package var bytes: Int
    /// or when an event arrives this long after its first one, milliseconds.
    package var ageMilliseconds: Int64
    /// The write-ahead log is copied into the file when it is larger than this, bytes.
    package var walBytes: Int
    /// A keyframe is written when the blocks since the last one exceed this many bytes and 32 times its size.
    package var keyframeBytes: Int
    /// A test's way to a full disk: the most pages that a file may have.
    package var maximumPages: Int?

    package init(
        bytes: Int = 1 << 30, ageMilliseconds: Int64 = 86_400_000, walBytes: Int = 16 << 20,
        keyframeBytes: Int = 1 << 20, maximumPages: Int? = nil
    ) {
        self.bytes = bytes
        self.ageMilliseconds = ageMilliseconds
        self.walBytes = walBytes
        self.keyframeBytes = keyframeBytes
        self.maximumPages = maximumPages
    }
}

extension SegmentLimits {
    /// Cursors that are kept open for followers that have come to different offsets.
    static let openReaders = 4
    /// The longest record that is believed of a damaged page: a little more than the largest block.
    static let recordBytes = UInt64(LogLimits.blockBytes + 4_096)
    /// More pages than any segment has: then its size is what is wrong.
    static let pages = 1 << 30
}
