// How many datagrams the kernel threw away because our socket's buffer was full: the last column of /proc/net/udp.

/// Reads the drops of the sockets bound to `port` out of the text of `/proc/net/udp` (or `udp6`).
///
/// - Returns: their sum since the sockets were opened; 0 when there is none.
package func kernelDrops(_ table: Span<UInt8>, port: Int) -> UInt64 {
    var drops: UInt64 = 0
    var at = 0
    while at < table.count {
        var end = at
        while end < table.count, table[end] != UInt8(ascii: "\n") { end += 1 }
        let words = words(table.extracting(at..<end))
        // "sl  local_address rem_address st ... drops", the address as hexadecimal ADDRESS:PORT.
        if words.count >= 13, words[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) }) == port {
            drops += words.last.flatMap { UInt64($0) } ?? 0
        }
        at = end + 1
    }
    return drops
}

private func words(_ line: Span<UInt8>) -> [String] {
    var words: [String] = []
    var word = ""
    for index in line.indices {
        if line[index] == 0x20 {
            if !word.isEmpty { words.append(word) }
            word = ""
        } else {
            word.unicodeScalars.append(Unicode.Scalar(line[index]))
        }
    }
    if !word.isEmpty { words.append(word) }
    return words
}
