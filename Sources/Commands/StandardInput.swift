// Standard input as it comes: what a pipe holds is there at once, not when some buffer is full.

import Foundation

enum StandardInput {
    private static let readBytes = 1 << 16
    /// How long a read waits for something to come: so long acks and broken connections wait, too.
    private static let patienceMilliseconds: Int32 = 200

    /// What there is to read, empty at the end; nil when nothing comes for a while.
    ///
    /// - Throws: `Failure` when it cannot be read.
    static func read() throws -> [UInt8]? {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        // SAFETY: one pollfd, for the length of the call.
        let ready = unsafe poll(&input, 1, patienceMilliseconds)
        guard ready > 0 else {
            guard ready == 0 || errno == EINTR else { throw failure(errno) }
            return nil
        }
        var (count, reason): (Int, Int32) = (0, 0)
        // SAFETY: the buffer has the size that is passed, and as much of it is used as was written.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: readBytes) { buffer, initialized in
            count = unsafe Foundation.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
            reason = errno
            initialized = max(count, 0)
        }
        if count >= 0 { return bytes }
        guard reason == EINTR || reason == EAGAIN else { throw failure(reason) }
        return nil
    }

    private static func failure(_ reason: Int32) -> Failure {
        let cause = reason == EBADF ? "it is closed" : StandardStreams.reason(reason)
        return Failure(
            "standard input cannot be read: \(cause); give it a file: tidings send <events.ndjson", .inputOutput)
    }
}
