// The outbox as pages of a snapshot, so that a restart goes on where it was.

import Bytes
import Events

extension Outbox {
    /// Messages, or pieces of entries, in one page of a snapshot.
    static let pageMessages = 64
    static let pagePieces = 16

    /// How many pieces the entries of all messages come in.
    var pieceCount: Int { entries.reduce(0) { $0 + $1.pieceCount } }

    func writeMessages(_ range: Range<Int>, to bytes: inout [UInt8]) {
        for index in range {
            bytes.append(messages, index..<index + 1)
            appendVarint(UInt64(payloads[index].count), to: &bytes)
            for byte in payloads[index] { appendVarint(UInt64(byte), to: &bytes) }
        }
    }

    /// Puts messages back, in their order. False when they are damaged.
    mutating func restoreMessages(_ reader: inout ByteReader) -> Bool {
        while !reader.isAtEnd {
            let message: OutboxMessage = reader.row()
            let count = Int(reader.read32())
            guard message.number > lastNumber, message.product != 0, count <= MessageLimits.payloadBytes else {
                return false
            }
            var payload: [UInt8] = []
            for _ in 0..<count where !reader.isDamaged { payload.append(reader.read8()) }
            let index = messages.count
            if message.key != 0 { keys[message.key] = message.number }
            messages.append(message)
            entries.append(DeliveryEntries())
            payloads.append(payload)
            guard message.isOpen else { continue }
            open.add(index, message)
            if message.isAddressed { open.address(index, messages) }
        }
        return !reader.isDamaged
    }

    func writePieces(_ range: Range<Int>, to bytes: inout [UInt8]) {
        var piece = 0
        for index in entries.indices {
            let count = entries[index].pieceCount
            defer { piece += count }
            let (first, end) = (max(0, range.lowerBound - piece), min(count, range.upperBound - piece))
            for own in stride(from: first, to: end, by: 1) {
                appendVarint(UInt64(index), to: &bytes)
                for number in entries[index].piece(own) { appendVarint(number, to: &bytes) }
            }
        }
    }

    /// Puts entries back, once there are all messages. False when they are damaged.
    mutating func restorePieces(_ reader: inout ByteReader) -> Bool {
        while !reader.isAtEnd {
            let index = Int(reader.read32())
            guard index < entries.count, entries[index].restore(&reader) else { return false }
        }
        return !reader.isDamaged
    }

    /// What is kept besides: few numbers each, in a fixed order.
    func writeRest(to bytes: inout [UInt8]) {
        var numbers: [UInt64] = [strays, UInt64(erased.count)] + erased.sorted().map { UInt64($0) }
        numbers.append(UInt64(partial.count))
        for (number, set) in partial.sorted(by: { $0.key < $1.key }) {
            numbers += [UInt64(number), set.asOf, UInt64(set.devices.count)] + set.devices.map { UInt64($0) }
        }
        numbers.append(UInt64(evidence.count))
        for (key, known) in evidence.sorted(by: { $0.key < $1.key }) {
            numbers += [key] + known.applied.numbers + known.chosen.numbers
        }
        numbers.append(UInt64(answers.count))
        for (key, answer) in answers.sorted(by: { $0.key < $1.key }) {
            numbers += [key] + answer.order.numbers + [UInt64(answer.valueKind.rawValue), answer.bits]
        }
        for number in numbers { appendVarint(number, to: &bytes) }
    }

    /// Puts it back. False when it is damaged.
    mutating func restoreRest(_ reader: inout ByteReader) -> Bool {
        strays = reader.read()
        for _ in 0..<reader.read() where !reader.isDamaged { erased.insert(reader.read32()) }
        for _ in 0..<reader.read() where !reader.isDamaged {
            let number = reader.read32()
            var set = PartialAddressing(asOf: reader.read())
            for _ in 0..<reader.read() where !reader.isDamaged { set.devices.append(reader.read32()) }
            partial[number] = set
        }
        for _ in 0..<reader.read() where !reader.isDamaged {
            let key = reader.read()
            evidence[key] = SettingEvidence(applied: DeviceOrder(&reader), chosen: DeviceOrder(&reader))
        }
        for _ in 0..<reader.read() where !reader.isDamaged {
            let key = reader.read()
            var answer = OutboxAnswer()
            answer.order = DeviceOrder(&reader)
            answer.valueKind = Event.ValueKind(rawValue: reader.read8()) ?? .none
            answer.bits = reader.read()
            answers[key] = answer
        }
        return !reader.isDamaged
    }

    /// Counts anew what follows from the entries. False when they and the counts of the messages contradict each other.
    mutating func reindex() -> Bool {
        pending = []
        findContested()
        for index in messages.indices {
            var states = InlineArray<16, UInt32>(repeating: 0)
            var waiting: [UInt32] = []
            entries[index].visit { device, entry in
                states[Int(entry.state.rawValue)] += 1
                if entry.state.isPending { waiting.append(device) }
            }
            for state in states.indices where states[state] != messages[index].states[state] { return false }
            for device in waiting {
                if Int(device) >= pending.count {
                    pending += repeatElement(0, count: Int(device) + 1 - pending.count)
                }
                pending[Int(device)] = UInt8(clamping: Int(pending[Int(device)]) + 1)
            }
        }
        return true
    }
}

extension DeviceOrder {
    fileprivate var numbers: [UInt64] { [UInt64(rank), seq, UInt64(behind)] }

    fileprivate init(_ reader: inout ByteReader) {
        (rank, seq, behind) = (reader.read32(), reader.read(), reader.read32())
    }
}
