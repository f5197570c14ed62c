// tidings send: what its options mean for the sender, and what it says of events that are not stored as good ones.

import ArgumentParser
import Commands
import Fleet
import Presentation
import Synchronization
import Testing
import TidingsClient

@Suite struct SendTests {
    private func options(_ arguments: String...) throws -> FleetOptions {
        try #require(try TidingsCommand.parseAsRoot(["send"] + arguments) as? SendCommand).options
    }

    @Test func withoutOptionsItIsNativeOverTCP() throws {
        let options = try options()
        #expect(options.host == "127.0.0.1" && options.port == 7_411 && options.linesPort == nil)
        #expect(options.path == .tcp && options.format == .native)
        #expect(options.batch == 256 && options.connections == 1 && options.rate == nil)
    }

    @Test func optionsReachTheSender() throws {
        let options = try options(
            "--host", "::1", "--port", "99", "--tcp-port", "98", "--transport", "udp", "--batch", "7", "--rate", "2.5",
            "--window", "12")
        #expect(options.host == "::1" && options.port == 99 && options.linesPort == 98)
        #expect(options.path == .udp && options.batch == 7 && options.rate == 2.5)
        #expect(options.datagram.window == 12 && options.stream.window == 12)
        #expect(try self.options("--format", "json").format == .json)
    }

    @Test(arguments: [("1", 1), ("999", 1), ("5000", 5)]) func manyDevicesWantManyConnections(
        _ devices: String, _ connections: Int
    ) throws {
        #expect(try options("--devices", devices).connections == connections)
        #expect(try options("--devices", devices, "--connections", "3").connections == 3)
    }

    @Test func totalsInEveryForm() {
        var totals = SendTotals()
        (totals.sent, totals.acked, totals.rejected, totals.stale) = (10, 9, 1, 2)
        #expect(
            renderTotals(totals, as: .table)
                == "sent 10, acked 9, retried 0, rejected 1, quarantined 0, stale 2, lost 0\n")
        #expect(
            renderTotals(totals, as: .json)
                == #"{"sent":10,"acked":9,"retried":0,"rejected":1,"quarantined":0,"stale":2,"lost":0}"# + "\n")
        #expect(
            renderTotals(totals, as: .csv)
                == "sent,acked,retried,rejected,quarantined,stale,lost\r\n10,9,0,1,0,2,0\r\n")
    }
}

/// Keeps what a report prints.
private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func report(areLinesNumbered: Bool = true) -> SendReport {
        SendReport(areLinesNumbered: areLinesNumbered) { line in self.lines.withLock { $0.append(line) } }
    }
}

@Suite struct SendReportTests {
    private func verdict(_ outcome: SendVerdict.Outcome, _ number: UInt64, reason: String = "r") -> SendVerdict {
        SendVerdict(outcome, number: number, code: 4_005, reason: reason, text: "why")
    }

    @Test func eachVerdictIsALineWithItsNumber() {
        let lines = Lines()
        let observer = lines.report().observer
        observer.verdict(verdict(.refused, 2, reason: "malformed_json"))
        observer.verdict(verdict(.quarantined, 4, reason: "bad_aspect"))
        observer.verdict(verdict(.stale, 9))
        observer.verdict(verdict(.note, 1, reason: "timestamp"))
        observer.verdict(verdict(.refused, 0))
        observer.hint("the input is UTF-16")
        #expect(
            lines.all == [
                "line 2: malformed_json: why", "line 4: quarantined bad_aspect: why", "line 9: stale: why",
                "line 1: why", "a line: r: why", "tidings: the input is UTF-16",
            ])
    }

    @Test func onlyTheFirstAreNamedAndTheOthersCounted() {
        let lines = Lines()
        let report = lines.report()
        for number in 1...50 { report.observer.verdict(verdict(.refused, UInt64(number))) }
        var totals = SendTotals()
        (totals.sent, totals.rejected, totals.quarantined) = (60, 50, 3)
        report.finish(totals)
        #expect(lines.all.count == SendReport.limit + 1)
        #expect(lines.all.last == "and 33 more: 30 refused, 3 quarantined")
    }

    @Test func whatTheDaemonOnlyCountedIsCounted() {
        let lines = Lines()
        var totals = SendTotals()
        (totals.sent, totals.acked, totals.quarantined) = (5, 5, 5)
        lines.report().finish(totals)
        #expect(lines.all == ["5 quarantined"])
    }

    @Test func staleEventsAreToldWithTheRemedy() {
        let lines = Lines()
        let report = lines.report()
        report.observer.verdict(verdict(.stale, 1))
        var totals = SendTotals()
        (totals.sent, totals.acked, totals.stale) = (1, 1, 1)
        report.finish(totals)
        #expect(lines.all.count == 2)
        #expect(lines.all.last?.hasPrefix("1 stale: not stored") == true && lines.all.last?.contains("`epoch`") == true)
    }

    /// Thousands of simulated devices share what is wrong with them.
    @Test func ofAFleetEachTextIsToldOnce() {
        let lines = Lines()
        let report = lines.report(areLinesNumbered: false)
        for _ in 1...9 { report.observer.verdict(verdict(.refused, 0)) }
        report.observer.verdict(verdict(.stale, 0))
        #expect(lines.all == ["an event: r: why", "an event: stale: why"])
        var totals = SendTotals()
        (totals.sent, totals.rejected) = (9, 9)
        report.finish(totals)
        #expect(lines.all.last == "and 8 more: 8 refused")
    }

    @Test func allIsWellAndNothingIsSaid() {
        let lines = Lines()
        var totals = SendTotals()
        (totals.sent, totals.acked) = (100, 100)
        let report = lines.report()
        report.finish(totals)
        #expect(lines.all.isEmpty)
    }

    @Test func anInterruptionSaysWhatStands() {
        let report = Lines().report()
        var totals = SendTotals()
        (totals.sent, totals.acked) = (100, 60)
        report.observer.progress(totals)
        #expect(report.standing.hasPrefix("send stopped: 60 of 100 events were acknowledged"))
    }
}
