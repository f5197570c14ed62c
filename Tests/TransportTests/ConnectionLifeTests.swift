// How a connection ends, step by step and without a socket.

import NIOCore
import Testing
import Transport

struct ConnectionLifeTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test func anOpenConnectionStays() {
        var life = ConnectionLife()
        #expect(life.isOpen && !life.isClosed)
        #expect(life.written(isAnswered: true, at: now) == .stays)
        life.inputCloses()
        #expect(life.written(isAnswered: true, at: now) == .stays && life.isOpen)
    }

    /// Our side is closed once all is answered; the peer's, when it closes it or has had its time.
    @Test func itIsHalfClosedWhenAllIsSaid() {
        var life = ConnectionLife()
        life.drain()
        #expect(life.written(isAnswered: false, at: now) == .stays && life.phase == .draining)
        #expect(!life.isOver(at: now + .hours(1)))
        #expect(life.written(isAnswered: true, at: now) == .halfCloses && life.phase == .halfClosed)
        #expect(life.written(isAnswered: true, at: now) == .stays)
        let patience = TimeAmount.seconds(TransportLimits.halfClosedSeconds)
        #expect(!life.isOver(at: now + patience))
        #expect(life.isOver(at: now + patience + .nanoseconds(1)))
        life.inputCloses()
        #expect(life.written(isAnswered: true, at: now) == .closes)
        life.close()
        #expect(life.isClosed && !life.isOver(at: now + .hours(1)))
    }

    @Test func itIsClosedAtOnceBehindAPeerThatHasClosed() {
        var life = ConnectionLife()
        life.inputCloses()
        life.drain()
        #expect(life.written(isAnswered: false, at: now) == .stays)
        #expect(life.written(isAnswered: true, at: now) == .closes)
    }
}
