// The handlers of a connection to the HTTP port, in their order.

import NIOCore
import NIOHTTP1

extension ChannelPipeline.SynchronousOperations {
    /// NIO's parser with tight limits, between the count of bytes and the session.
    ///
    /// - Parameter handshake: whose connection it was until now; nil for a new one.
    func addHTTP(_ routes: HTTPRoutes, _ table: ConnectionTable, after handshake: TLSHandshake? = nil) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = HTTPLimits.headBytes
        limits.maxHeaderFieldSize = HTTPLimits.fieldBytes
        limits.maxHeaderFieldCount = HTTPLimits.fields
        let framing = HTTPFraming()
        try addHandler(framing)
        try addHandler(
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)))
        try addHandler(HTTPHandler(routes, framing: framing, table: table, after: handshake))
    }
}
