// One run: devices, a network, a daemon that crashes, and the promises that must hold at the end.

import Admission
import Events
import Projection

/// What one seed did.
struct RunResult {
    var seed: UInt64
    var failures: [String]
    var made = 0
    var stored = 0
    var crashes = 0
    var retries = 0
    var gaps = 0
    /// Requests over HTTP that were told to be cut off, and to be sent again.
    var cutOff = 0
    var putOff = 0
}

/// A whole simulated world, from its first event until nobody holds one any more.
final class Simulation {
    private let world: World
    private let disk: SimulatedDisk
    private let mutation: SimulatedDaemon.Mutation?
    private var daemon: SimulatedDaemon?
    private var devices: [SimulatedDevice] = []
    private var incarnation = 0
    private var log = LogContents()
    private var crashesLeft: Int
    private var result: RunResult
    /// More steps than any run needs.
    private static let mostSteps = 60_000

    init(seed: UInt64, folder: String, mutation: SimulatedDaemon.Mutation? = nil) {
        world = World(seed: seed, folder: folder)
        disk = SimulatedDisk(world: world)
        self.mutation = mutation
        crashesLeft = world.below(4)
        result = RunResult(seed: seed, failures: [])
    }

    func run() -> RunResult {
        start()
        for number in 0..<world.between(1, 4) { addDevice(number) }
        planCrash()
        while world.step() {
            if world.steps > Self.mostSteps {
                world.fail("no end: \(devices.filter { !$0.isDone }.map(\.name)) still hold events")
                break
            }
        }
        finish()
        result.made = devices.reduce(0) { $0 + $1.made.count }
        for case let device as HTTPDevice in devices {
            result.cutOff += device.cutOff
            result.putOff += device.putOff
        }
        result.failures = world.failures
        return result
    }

    private func addDevice(_ number: Int) {
        let current = { [unowned self] in daemon }
        let device: SimulatedDevice =
            switch world.below(5) {
            case 0: NativeStreamDevice(world: world, number: number, numbersOnly: true, daemon: current)
            case 1: LineStreamDevice(world: world, number: number, numbersOnly: false, daemon: current)
            case 2: NativeDatagramDevice(world: world, number: number, numbersOnly: true, daemon: current)
            case 3: LineDatagramDevice(world: world, number: number, numbersOnly: false, daemon: current)
            default: HTTPDevice(world: world, number: number, numbersOnly: world.chance(2), daemon: current)
            }
        device.wasAcked = { [unowned self] device, index in
            let event = device.made[index]
            let key = LogKey(device: device.name, epoch: event.epoch, seq: event.seq, id: event.id)
            log.read(disk)
            if log.places[key] == nil { world.fail("\(key) is not stored, says the log; it is, says \(device.hears)") }
        }
        devices.append(device)
    }

    private func start() {
        incarnation += 1
        daemon = SimulatedDaemon(world: world, disk: disk, incarnation: incarnation, mutation: mutation)
    }

    private func planCrash() {
        guard crashesLeft > 0 else { return }
        crashesLeft -= 1
        world.after(world.between(5, 250)) { [self] in
            guard devices.contains(where: { !$0.isDone }) else { return }
            result.crashes += 1
            result.retries += daemon?.retries ?? 0
            daemon?.crash()
            daemon = nil
            world.after(world.between(1, 80)) { [self] in
                start()
                planCrash()
            }
        }
    }

    // MARK: The promises

    private func finish() {
        guard let daemon else { return world.fail("the daemon did not come back") }
        // Its parts hold each other: without an end, every run would leave a daemon in memory.
        defer { daemon.crash() }
        result.retries += daemon.retries
        daemon.checkCounts()
        if !daemon.isDrained { world.fail("the daemon still holds events") }
        log.read(disk)
        result.stored = log.places.count
        result.gaps = log.gaps.count
        for failure in log.failures { world.fail(failure) }
        var known: Set<LogKey> = []
        for device in devices { check(device, &known) }
        for key in log.places.keys where !known.contains(key) { world.fail("nobody sent \(key)") }
        checkSummaries(daemon)
    }

    private func check(_ device: SimulatedDevice, _ known: inout Set<LogKey>) {
        if !device.isDone { world.fail("\(device.name) still holds events") }
        var last = -1
        for (index, event) in device.made.enumerated() {
            let key = LogKey(device: device.name, epoch: event.epoch, seq: event.seq, id: event.id)
            known.insert(key)
            guard let place = log.places[key] else {
                if device.states[index] == .acked { world.fail("\(key) was acked and is not in the log") }
                continue
            }
            let sent = LogContents.text(event)
            if log.texts[place] != sent { world.fail("\(key) was sent as \(sent), stored as \(log.texts[place])") }
            if event.id == nil, log.gaps.contains(key) { world.fail("\(key) is in the log and said to be lost") }
            if device.states[index] == .givenUp, !device.saysWhatItLost { continue }
            if device.keepsOrder, place < last { world.fail("\(key) is out of order") }
            last = place
        }
    }

    private func checkSummaries(_ daemon: SimulatedDaemon) {
        var projector = daemon.projector
        // Reading all tables takes longer than the run: half of the runs that have no file leave it out.
        guard disk.summaries != nil || world.chance(2) else { return }
        let tables = projector.finish()
        do throws(ProjectionError) {
            let whole = try SimulatedProjector.fold(disk)
            if whole.tables != tables {
                let difference = zip(tables, whole.tables).first { $0 != $1 }
                world.fail("the summaries differ from a fold of the log: \(String(describing: difference))")
            }
            checkDedupe(daemon, projector.state.dedupe, whole.state.dedupe)
        } catch {
            world.fail("the log cannot be folded: \(error)")
        }
        for (start, line) in log.productLines where !tables.contains(where: { $0.hasPrefix(line) }) {
            let found = tables.filter { $0.hasPrefix(start) }
            world.fail("the log says \(line), the summaries \(found)")
        }
    }

    /// The table that the sockets ask, the one of the summaries and one of the whole log are the same. A device that
    /// says what it lost before it was first heard leaves no gap in the log, and is known to the first alone.
    private func checkDedupe(_ daemon: SimulatedDaemon, _ folded: DedupeTable, _ whole: DedupeTable) {
        let pages = { (table: DedupeTable) in (0..<table.pageCount).map { table.page($0) } }
        if pages(folded) != pages(whole) { world.fail("the summaries' dedupe table is not that of the log") }
        guard !devices.contains(where: \.hasGivenUp) else { return }
        if pages(daemon.admission.dedupe) != pages(whole) {
            world.fail("the door's dedupe table is not that of the log")
        }
    }
}
