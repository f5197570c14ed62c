// What the daemon says on a TCP connection, passed on to the send window.

import Events
import NIOCore

/// Reads the daemon's answers. Confined to its channel's event loop.
final class StreamAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let window: StreamSendWindow
    private let generation: Int
    private var answers: StreamAnswers
    private var tail = ByteBuffer()

    init(
        window: StreamSendWindow, generation: Int, isNative: Bool, greeting: Greeting, inbox: MessageInbox?
    ) {
        self.window = window
        self.generation = generation
        answers = StreamAnswers(
            window: window, generation: generation, isNative: isNative, greeting: greeting, inbox: inbox)
    }

    func channelActive(context: ChannelHandlerContext) {
        if !answers.isNative { window.up(generation) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var read = unwrapInboundIn(data)
        tail.writeBuffer(&read)
        let buffer = tail
        tail.moveReaderIndex(forwardBy: answers.take(buffer.readableBytesUInt8Span))
        tail.discardReadBytes()
        if !answers.outgoing.isEmpty {
            let answer = context.channel.allocator.buffer(bytes: answers.outgoing)
            answers.outgoing = []
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
        if answers.areOver || tail.readableBytes > Limits.frameBytes + 16 { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { window.down(generation) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let told = tlsFailure(error), !told.isEmpty { window.closing(told, isAskedToWait: false, generation) }
        context.close(promise: nil)
    }
}
