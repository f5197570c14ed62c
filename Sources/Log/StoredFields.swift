// The fields of stored messages, read from bytes of which nothing is believed.

import Bytes

/// Why stored bytes are not a block.
enum Malformed: Error { case block }

/// The field at `at`, which moves behind it.
func readField(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(Malformed) -> ProtobufField {
    guard let field = bytes.protobufField(&at, end: end) else { throw .block }
    return field
}
