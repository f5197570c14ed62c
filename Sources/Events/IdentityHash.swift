// Ids that are not sequence numbers are remembered as 64-bit hashes.

/// The hash under which the log and the dedupe window remember a sender's own id string.
///
/// Part of the log format (FNV-1a 64, http://www.isthe.com/chongo/tech/comp/fnv/): the same id must give the same
/// number in every process and release, and any reader of the log can compute it. Two ids of one device collide by
/// chance with probability 2^-64 a pair; within a window of 1,024 ids that is nothing.
package func identityHash(_ id: Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in id.indices {
        hash = (hash ^ UInt64(id[index])) &* 0x0000_0100_0000_01b3
    }
    return hash
}
