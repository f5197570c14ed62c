// What an interruption leaves behind is said in one line that names what stands and what to do.

import Commands
import Log
import Testing

@Suite struct StandingTests {
    private func progress(_ step: CopyProgress.Step, segment: Int = 0) -> CopyProgress {
        var progress = CopyProgress(step, done: 1_000, total: 3_000)
        (progress.segment, progress.segments) = (segment, 7)
        return progress
    }

    @Test func nothingHadBegun() {
        #expect(copyStanding("backup", nil, "b") == "backup stopped before it began: nothing was copied")
        #expect(copyStanding("restore", nil, "b") == "restore stopped before it began: nothing was restored")
    }

    @Test func aCopyThatIsIncompleteGoesOn() {
        #expect(
            copyStanding("backup", progress(.copying, segment: 3), "b")
                == "backup stopped at segment 3 of 7: the copy is incomplete; run it again to go on")
        #expect(
            copyStanding("restore", progress(.copying, segment: 3), "b")
                == "restore stopped at segment 3 of 7: nothing was restored; run it again")
        #expect(
            copyStanding("salvage", progress(.salvaging), "b")
                == "salvage stopped after 1,000 of 3,000 events: b is incomplete; remove it and run it again")
    }

    @Test func aCopyThatWasOnlyCheckedIsComplete() {
        #expect(
            copyStanding("backup", progress(.checking), "b")
                == "backup stopped after 1,000 of 3,000 events of the copy were checked: it is complete; check it with "
                + "`tidings log verify --data b`")
        #expect(
            copyStanding("restore", progress(.checking), "b")
                == "restore stopped after 1,000 of 3,000 events of the copy were checked: nothing was restored")
    }
}
