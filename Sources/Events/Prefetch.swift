// Asking for memory before it is needed.

public import CPrefetch

extension Span where Element: BitwiseCopyable {
    /// Asks for the memory of an element, without waiting for it; does nothing for an index that is not there.
    ///
    /// A word that lies far away costs 100 to 150 ns, and a processor that waits for it does nothing else. Many asked
    /// for one after another come at the same time: so a loop over many events asks for all that the next loop reads.
    /// A read would do the same, but must wait for its word before the processor can forget it, which bounds how many
    /// are on their way at once.
    /// - Parameter bytes: how many of the element's bytes, from its first, will be needed.
    @inlinable @inline(__always)
    package func prefetch(_ index: Int, bytes: Int = MemoryLayout<Element>.stride) {
        guard index >= 0, index < count else { return }
        // SAFETY: the address lies within the span; a prefetch is a hint that reads and writes nothing.
        unsafe withUnsafeBufferPointer { buffer in
            guard let first = buffer.baseAddress else { return }
            let row = unsafe UnsafeRawPointer(first + index)
            // An element begins anywhere in a line of 64 bytes: its last byte may lie in one line more.
            var line = 0
            while line < bytes &- 1 {
                unsafe tidings_prefetch(row + line)
                line &+= 64
            }
            unsafe tidings_prefetch(row + (bytes &- 1))
        }
    }
}
