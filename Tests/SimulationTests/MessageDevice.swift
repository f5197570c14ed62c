// Devices that are spoken to: they sleep, break down, are told things twice, and their customers choose otherwise.

import Admission
import Events

/// A device over JSON lines. What it must not forget (its numbers, the last ids, how its aspects stand) it keeps; what
/// it has sent and not been told of as stored it sends again.
final class MessageDevice {
    /// How an aspect stands, and who has set it last.
    struct Aspect {
        var value: Int64 = 0
        /// The message that has set it; 0 for the customer.
        var by: UInt32 = 0
        /// The number of the customer's last choice.
        var chosen: (epoch: UInt32, seq: UInt64)?
        var isSet = false
    }

    let world: World
    let product: String
    let name: String
    let customer: String
    /// Breaks down when it is told a message whose ordinal leaves this rest by five; -1 for never.
    let poison: Int
    private(set) var aspects: [String: Aspect] = [:]
    /// How often it has acted on each message, and how often it has begun anew.
    private(set) var acts: [UInt32: Int] = [:]
    /// Settings that it has applied at some time.
    private(set) var applied: Set<UInt32> = []
    private(set) var resets = 0
    var daemon: () -> SimulatedDaemon?
    /// From now on the network is good, and it stays.
    var isCalm = false

    private var epoch: UInt32 = 1
    private var seq: UInt64 = 0
    private var ring: [UInt32] = []
    private var held: [(epoch: UInt32, seq: UInt64, line: [UInt8])] = []
    private var link: SimulatedLink?
    private var generation = 0
    private var received: [UInt8] = []
    /// The events of the lines of this connection.
    private var lines: [(epoch: UInt32, seq: UInt64)?] = []
    /// How far its clock is off; nil when it says no times.
    private let clock: Int64?

    init(world: World, number: Int, saysTime: Bool, daemon: @escaping () -> SimulatedDaemon?) {
        self.world = world
        self.daemon = daemon
        product = number % 3 == 2 ? "oven" : "kettle"
        name = "device-\(number)"
        customer = world.chance(4) ? "" : "customer-\(world.below(3))"
        poison = world.chance(5) ? world.below(5) : -1
        // As much behind as may be, and no more ahead than is believed.
        clock = !saysTime || world.chance(3) ? nil : Int64(world.between(-315_000_000, 80_000)) * 1_000
        if world.chance(5) || customer.isEmpty {
            say("feature.used", #""aspect":"boil","#)
        } else {
            say("consent.given", #""purpose":"contact","#)
        }
        world.after(world.between(0, 60_000)) { [weak self] in self?.wake() }
    }

    var isQuiet: Bool { held.isEmpty }

    // MARK: Life

    private func wake() {
        if link == nil {
            live()
            connect()
        }
        guard !isCalm else { return }
        let stays = world.between(5_000, 40_000)
        world.after(stays) { [weak self] in self?.sleep() }
    }

    private func sleep() {
        guard !isCalm else { return }
        leave(isBroken: world.chance(2))
        let hours = world.chance(6) ? world.between(24, 90) : world.between(1, 14)
        world.after(hours * 3_600_000 + world.below(3_600_000)) { [weak self] in self?.wake() }
    }

    /// What happens at the device besides.
    private func live() {
        switch world.below(8) {
        case 0, 1: choose()
        case 2 where !customer.isEmpty: say("consent.withdrawn", #""purpose":"contact","#)
        case 3 where !customer.isEmpty, 4 where !customer.isEmpty: say("consent.given", #""purpose":"contact","#)
        default: say("feature.used", #""aspect":"boil","#)
        }
    }

    private func choose() {
        let name = ["heat", "sound"][world.below(2)]
        let value = Int64(world.between(1, 90))
        say("preference.set", #""aspect":"\#(name)","origin":"user","value":\#(value),"#)
        aspects[name, default: Aspect()].value = value
        aspects[name, default: Aspect()].by = 0
        aspects[name, default: Aspect()].chosen = (epoch, seq)
    }

    func calmDown() {
        isCalm = true
        if link == nil { wake() }
    }

    // MARK: The connection

    private func connect() {
        let link = SimulatedLink(world: world, transport: .tcp)
        self.link = link
        (received, lines) = ([], [])
        generation += 1
        let this = generation
        link.open(to: daemon()) { [weak self] in
            if let self, self.generation == this { self.take($0) }
        } lost: { [weak self] in
            if let self, self.generation == this { self.lose() }
        }
        for one in held { send(one) }
        if held.isEmpty { live() }
    }

    private func lose() {
        link = nil
        generation += 1
        world.after(world.between(1_000, 20_000)) { [weak self] in
            if let self, self.link == nil { self.connect() }
        }
    }

    private func leave(isBroken: Bool) {
        let old = link
        link = nil
        generation += 1
        if isBroken { old?.breakDown() } else { old?.finish() }
    }

    private func send(_ one: (epoch: UInt32, seq: UInt64, line: [UInt8])) {
        guard link != nil else { return }
        lines.append((one.epoch, one.seq))
        link?.send(one.line)
        // Three of ten connections break when something is sent.
        if !isCalm, world.chance(12) {
            leave(isBroken: true)
            lose()
        }
    }

    private func say(_ type: String, _ rest: String) {
        seq += 1
        var line = #"{"product":"\#(product)","device":"\#(name)","id":"\#(epoch)-\#(seq)",\#(rest)"type":"\#(type)""#
        if !customer.isEmpty { line += #","customer":"\#(customer)""# }
        if let clock { line += #","time":\#(SimulatedDaemon.epochStart + world.now + clock)"# }
        held.append((epoch, seq, Array((line + "}\n").utf8)))
        if let last = held.last { send(last) }
    }

    private func take(_ bytes: [UInt8]) {
        received += bytes
        let this = generation
        while this == generation, let end = received.firstIndex(of: 0x0a) {
            let line = String(decoding: received[..<end], as: UTF8.self)
            received.removeFirst(end + 1)
            read(line)
        }
    }

    private func read(_ line: String) {
        if let count = ackedLines(line) {
            guard count <= lines.count else { return world.fail("\(name) hears \(line) for \(lines.count) lines") }
            for one in lines.prefix(count).compactMap(\.self) {
                held.removeAll { $0.epoch == one.epoch && $0.seq == one.seq }
            }
        } else if line.hasPrefix(#"{"down":"#) {
            hear(line)
        } else {
            world.fail("\(name) hears \(line)")
        }
    }

    // MARK: Messages

    private func field(_ key: String, _ line: String) -> Substring? {
        guard let range = line.firstRange(of: "\"\(key)\":") else { return nil }
        let rest = line[range.upperBound...]
        if rest.first == "\"" { return rest.dropFirst().prefix { $0 != "\"" } }
        return rest.prefix { $0 != "," && $0 != "}" }
    }

    private func hear(_ line: String) {
        guard let id = field("id", line), let number = UInt32(id.dropFirst().prefix { $0.isNumber }),
            let type = field("type", line)
        else { return world.fail("\(name) cannot read \(line)") }
        if !isCalm, world.chance(6) {
            leave(isBroken: true)
            return lose()
        }
        if poison == Int(number % 5) { return breakDown() }
        let isNew = !ring.contains(number)
        if isNew {
            ring.append(number)
            if ring.count > 16 { ring.removeFirst() }
        }
        // One that is slow hears it and says nothing.
        if !isCalm, isNew, world.chance(10) {
            ring.removeAll { $0 == number }
            return
        }
        if type == "setting" { return set(number, id, line, isNew: isNew) }
        if isNew { acts[number, default: 0] += 1 }
        for _ in 0..<(world.chance(6) ? 2 : 1) {
            let stages = type == "question" ? ["shown", "dismissed"] : ["received", "shown"]
            let stage = stages[world.below(2)]
            if type == "question", world.chance(2) {
                say("rating.given", #""cause":"\#(id)","aspect":"sound","value":4,"#)
            } else {
                say("receipt", #""cause":"\#(id)","stage":"\#(stage)","#)
            }
        }
    }

    /// A setting: what the customer has chosen behind the number that the daemon knew stays, unless it must not.
    private func set(_ number: UInt32, _ id: Substring, _ line: String, isNew: Bool) {
        guard let aspect = field("aspect", line).map(String.init),
            let value = field("value", line).flatMap({ Int64($0) })
        else { return world.fail("\(name) cannot read \(line)") }
        let seen = (field("seen", line) ?? "0-0").split(separator: "-").compactMap { UInt64($0) }
        let isRequired = line.contains("require")
        let chosen = aspects[aspect]?.chosen
        if !isRequired, let chosen, seen.count == 2, (UInt64(chosen.epoch), chosen.seq) > (seen[0], seen[1]) {
            return say("receipt", #""cause":"\#(id)","stage":"refused","#)
        }
        // The same one again is not done again, unless the customer has undone what has to stay.
        if isNew, !isRequired { acts[number, default: 0] += 1 }
        if isNew || isRequired {
            aspects[aspect, default: Aspect()].value = value
            aspects[aspect, default: Aspect()].by = number
            aspects[aspect, default: Aspect()].isSet = true
            applied.insert(number)
        }
        guard aspects[aspect]?.by == number else { return }
        say("receipt", #""cause":"\#(id)","stage":"applied","#)
    }

    /// It begins anew, with another epoch.
    private func breakDown() {
        resets += 1
        leave(isBroken: true)
        // What it had not sent yet it still has.
        (epoch, seq) = (epoch + 1, 0)
        world.after(world.between(1_000, 20_000)) { [weak self] in
            guard let self, self.link == nil else { return }
            self.say("feature.used", #""aspect":"boil","#)
            self.connect()
        }
    }
}
