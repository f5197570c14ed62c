// Whoever waits goes on when it is time, never before, and in the order of arrival.

import Testing
import TidingsClient

@Suite(.timeLimit(.minutes(1))) struct WaitingTests {
    @Test func whatIsSoAlreadyIsNotWaitedFor() async {
        let state = WaitableState(3)
        await state.wait { $0 == 3 }
        state.wake()
        await state.wait { $0 < 4 }
    }

    /// Most changes are not the one that is waited for.
    @Test func otherChangesWakeNobodyForGood() async {
        let state = WaitableState(0)
        let reached = await withTaskGroup(of: Int.self) { group in
            group.addTask {
                await state.wait { $0 >= 1_000 }
                return state.withLock { $0 }
            }
            for _ in 0..<1_000 {
                state.withLock { $0 += 1 }
                state.wake()
                await Task.yield()
            }
            return await group.next()
        }
        #expect(reached == 1_000)
    }

    /// A change between the look at the value and the wait is not missed.
    @Test func noChangeIsMissed() async {
        for _ in 0..<500 {
            let state = WaitableState(false)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await state.wait { $0 } }
                group.addTask {
                    state.withLock { $0 = true }
                    state.wake()
                }
            }
        }
    }

    private actor Turnstile {
        private let lock = FIFOLock()
        private var isInside = false
        private(set) var order: [Int] = []
        private(set) var hasMixed = false

        func pass(_ number: Int) async {
            await lock.lock()
            defer { lock.unlock() }
            if isInside { hasMixed = true }
            isInside = true
            for _ in 0..<5 { await Task.yield() }
            order.append(number)
            isInside = false
        }
    }

    @Test func callersPassOneAfterTheOther() async {
        let turnstile = Turnstile()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<100 { group.addTask { await turnstile.pass(number) } }
        }
        #expect(await !turnstile.hasMixed)
        #expect(await turnstile.order.sorted() == Array(0..<100))
        await turnstile.pass(100)
        #expect(await turnstile.order.last == 100)
    }
}
