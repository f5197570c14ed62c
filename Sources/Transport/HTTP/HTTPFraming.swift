// In front of the parser: counts bytes, and remembers how a connection began.

import NIOCore

/// Lets everything pass. By its count the handler behind the parser sees how much of a body is only framing, which the
/// parser drops however much of it there is.
final class HTTPFraming: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Bytes that have come.
    private(set) var bytes = 0
    private var beginning: [UInt8] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        bytes += buffer.readableBytes
        if beginning.count < 4 { beginning += buffer.readableBytesView.prefix(4 - beginning.count) }
        context.fireChannelRead(data)
    }

    /// What is said of a connection that does not begin as HTTP does.
    var fault: HTTPFault {
        switch beginning.first {
        case 0x16: .isTLS
        case UInt8(ascii: "P") where beginning.starts(with: "PRI ".utf8): .isHTTP2
        case UInt8(ascii: "T") where beginning.starts(with: "TDG1".utf8): .isNative
        case UInt8(ascii: "{"): .isNative
        default: .malformed
        }
    }
}
