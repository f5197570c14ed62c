// One run with messages: operators, devices that sleep for days, a daemon that dies, and what must hold all the time.

import Daemon
import Events
import Projection

/// What one seed did.
struct MessageRunResult {
    var seed: UInt64
    var failures: [String]
    var messages = 0
    var pushes = 0
    var again = 0
    var crashes = 0
    var resets = 0
    var givenUp = 0
    var overridden = 0
    var reached = 0
}

final class MessageSimulation {
    private let world: World
    private let disk: SimulatedDisk
    private let mutation: SimulatedOutbox.Mutation?
    private var daemon: SimulatedDaemon?
    private var devices: [MessageDevice] = []
    private var ledger = MessageLedger()
    private var incarnation = 0
    private var result: MessageRunResult
    private var isOver = false
    /// The daemon's time when it was killed last.
    private var latest = Timestamp(rawValue: 0)
    /// What was given to each connection and not answered, and what was ever given to a device.
    private var underWay: [DeviceID: Set<UInt32>] = [:]
    private var pushes: [UInt64: Int] = [:]
    /// Days that the operators send for.
    private let days: Int
    private let stepsClock: Bool
    private static let mostSteps = 400_000

    init(seed: UInt64, mutation: SimulatedOutbox.Mutation? = nil) {
        world = World(seed: seed, folder: "")
        disk = SimulatedDisk(world: world, summaries: nil)
        self.mutation = mutation
        result = MessageRunResult(seed: seed, failures: [])
        days = world.between(2, 5)
        stepsClock = world.chance(8)
    }

    func run() -> MessageRunResult {
        start()
        for number in 0..<world.between(2, 5) {
            let device = MessageDevice(world: world, number: number, saysTime: !stepsClock) { [unowned self] in daemon }
            devices.append(device)
        }
        planOrder()
        planCrash()
        world.after(days * 86_400_000) { [unowned self] in calmDown() }
        while !isOver, world.step() {
            if world.steps > Self.mostSteps {
                world.fail("no end")
                break
            }
        }
        finish()
        result.failures = world.failures
        result.pushes = pushes.values.reduce(0, +)
        result.again = pushes.values.reduce(0) { $0 + $1 - 1 }
        result.resets = devices.reduce(0) { $0 + $1.resets }
        return result
    }

    // MARK: What happens

    private func start() {
        incarnation += 1
        let new = SimulatedDaemon(world: world, disk: disk, incarnation: incarnation, mutation: nil)
        if stepsClock { new.clockOffset = [-315_000_000_000, 0, 0, 315_000_000_000][world.below(4)] }
        let outbox = SimulatedOutbox(daemon: new, world: world, mutation: mutation, notBefore: latest)
        outbox.pushed = { [unowned self] in check(push: $0, to: $1, at: $2) }
        outbox.connected = { [unowned self] in underWay[$0] = nil }
        new.outbox = outbox
        underWay = [:]
        daemon = new
    }

    private func planCrash() {
        world.after(world.chance(2) ? world.between(1, 30) * 3_600_000 : world.between(1_000, 600_000)) {
            [unowned self] in
            guard disk.isFaulty else { return }
            result.crashes += 1
            latest = daemon?.outbox?.now ?? latest
            daemon?.crash()
            daemon = nil
            world.after(world.between(100, 30_000)) { [unowned self] in
                start()
                planCrash()
            }
        }
    }

    private func planOrder() {
        world.after(world.between(60, 20_000) * 1_000) { [unowned self] in
            guard disk.isFaulty else { return }
            order()
            planOrder()
        }
    }

    private func order() {
        guard let outbox = daemon?.outbox else { return }
        if world.chance(8), result.messages > 0 { return outbox.cancel(UInt32(world.between(1, result.messages))) }
        var message = SentMessage()
        let device = devices[world.below(devices.count)]
        (message.product, message.device) = (device.product, world.chance(3) ? device.name : nil)
        message.terms.scope = message.device == nil ? .product : .device
        message.terms.priority = MessagePriority.allCases[world.below(4)]
        message.terms.basis = world.chance(2) ? .consent : .contract
        message.life = Int64(world.between(1, 60)) * 3_600_000
        switch world.below(5) {
        case 0, 1:
            message.kind = .setting
            message.terms.policy = SettingPolicy.allCases[world.below(3)]
            message.terms.isLive = message.device == nil && world.chance(2)
            message.terms.awaitsApp = message.terms.policy == .require
            message.aspect = ["heat", "sound"][world.below(2)]
            message.value = .whole(Int64(100 + world.below(900)))
            message.life = 0
        case 2:
            message.kind = .question
            message.aspect = "sound"
            message.terms.awaitsApp = true
        default: if world.chance(3) { message.collapse = "descale" }
        }
        result.messages += 1
        outbox.send(message)
    }

    /// Nothing breaks any more, everybody stays, and what is left is brought to its end.
    private func calmDown() {
        disk.isFaulty = false
        if daemon == nil { start() }
        for device in devices { device.calmDown() }
        world.after(1_500_000) { [unowned self] in isOver = true }
    }

    // MARK: What must hold at each message

    private func check(push message: Outgoing, to device: DeviceID, at now: Timestamp) {
        guard let daemon else { return }
        let number = message.id.number
        let key = MessageLedger.key(number, device.rawValue)
        ledger.read(disk, through: daemon.projector.state.offset)
        pushes[key, default: 0] += 1
        guard let known = ledger.messages[number], known.isAddressed else {
            return world.fail("m\(number) leaves before it is in the log")
        }
        if known.isOver { world.fail("m\(number) leaves when it is over") }
        if known.expires != 0, known.expires <= now.rawValue { world.fail("m\(number) leaves when it has expired") }
        if !ledger.agrees(known, device.rawValue) { world.fail("m\(number) goes to somebody who has not agreed") }
        if ledger.givenUp.contains(key), !ledger.reached.contains(key) { world.fail("m\(number) was given up") }
        switch message.reason {
        case .waiting: if ledger.reached.contains(key) { world.fail("m\(number) goes to a device that has it") }
        case .unconfirmed: if ledger.confirmed.contains(key) { world.fail("m\(number) was confirmed") }
        case .contested:
            if known.terms.policy != .require { world.fail("m\(number) is sent against the customer's will") }
        }
        let open = (underWay[device] ?? []).filter { number in
            let key = MessageLedger.key(number, device.rawValue)
            guard let known = ledger.messages[number], !known.isOver else { return false }
            return !ledger.reached.contains(key) && !ledger.givenUp.contains(key)
                && ledger.agrees(known, device.rawValue) && !ledger.isUndone(known, device.rawValue)
        }
        underWay[device] = open.union([number])
        if open.union([number]).count > MessageLimits.underWay { world.fail("too much is under way to a device") }
        let found = daemon.outbox?.deliveries.underWay(to: device) ?? 0
        if found > MessageLimits.underWay { world.fail("the deliveries hold \(found)") }
    }

    // MARK: What must hold at the end

    private func finish() {
        guard let daemon else { return world.fail("the daemon did not come back") }
        defer { daemon.crash() }
        daemon.checkCounts()
        let state = daemon.projector.state
        if state.offset != disk.head { world.fail("not everything is folded") }
        ledger.read(disk, through: disk.head)
        for (number, message) in ledger.messages { check(number, message, state) }
        for device in devices where !device.isQuiet { world.fail("\(device.name) still holds events") }
        for device in devices { check(device, state, daemon.vocabulary) }
        if world.chance(4) { checkRebuild(daemon) }
    }

    private func check(_ number: UInt32, _ message: MessageLedger.Message, _ state: SummaryState) {
        guard let standing = state.standing(ofMessage: number) else { return world.fail("m\(number) is not known") }
        let deliveries = state.deliveries(ofMessage: number)
        for state in DeliveryState.allCases {
            let count = deliveries.count { $0.state == state }
            if standing.count(state) != count { world.fail("m\(number): \(state) is not counted as it is") }
        }
        if (standing.closing != nil) != message.isOver { world.fail("m\(number) is over or not") }
        for delivery in deliveries {
            let key = MessageLedger.key(number, delivery.device.rawValue)
            let isPending = delivery.state == .queued || delivery.state == .sent
            if isPending { world.fail("m\(number) never came to \(delivery.device.rawValue): \(delivery)") }
            // What must hold, and was undone by the customer again and again, is given up at a device that has it.
            let isContested = delivery.state == .failed && message.terms.policy == .require
            let isLost = [.failed, .expired, .cancelled, .withheld].contains(delivery.state) && !isContested
            if ledger.reached.contains(key), isLost {
                world.fail("m\(number) is \(delivery.state), and the device has it")
            }
            if delivery.state == .failed { result.givenUp += 1 }
            if delivery.state == .overridden { result.overridden += 1 }
        }
        result.reached += deliveries.count { ledger.reached.contains(MessageLedger.key(number, $0.device.rawValue)) }
    }

    /// A device has acted on nothing twice, and stands as the daemon believes that it does.
    private func check(_ device: MessageDevice, _ state: SummaryState, _ words: Vocabulary) {
        for (number, count) in device.acts where count > 1 {
            world.fail("\(device.name) did m\(number) \(count) times")
        }
        guard let product = words.find(.product, Array(device.product.utf8).span),
            let id = words.find(device: Array(device.name.utf8).span, of: product)
        else { return }
        for (name, aspect) in device.aspects {
            guard let word = words.find(.aspect, Array(name.utf8).span) else { continue }
            for (number, message) in ledger.messages where message.kind == .setting {
                guard message.aspect == word.rawValue, !message.isOver, message.terms.policy != .require,
                    message.product == product.rawValue,
                    let found = state.deliveries(ofMessage: number).first(where: { $0.device == id })
                else { continue }
                let chosen = ledger.choices[MessageLedger.key(id.rawValue, word.rawValue)] ?? -1
                if aspect.by == number, found.state != .applied {
                    world.fail("\(device.name) stands as m\(number) says, which is \(found.state)")
                }
                let isUndone = aspect.by == 0 && aspect.chosen != nil && chosen > message.place
                if isUndone, [.applied, .received, .refused].contains(found.state) {
                    world.fail("the customer of \(device.name) has chosen, and m\(number) is \(found.state)")
                }
            }
        }
    }

    private func checkRebuild(_ daemon: SimulatedDaemon) {
        var projector = daemon.projector
        do throws(ProjectionError) {
            let (live, whole) = (projector.finish(), try SimulatedProjector.fold(disk))
            guard whole.tables != live else { return }
            let difference = zip(live, whole.tables).first { $0 != $1 }
            world.fail("the summaries differ from a fold of the log: \(String(describing: difference))")
        } catch {
            world.fail("the log cannot be folded: \(error)")
        }
    }
}
