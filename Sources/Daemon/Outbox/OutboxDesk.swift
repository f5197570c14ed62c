// Takes messages from their authors: finds whom they name, holds them to the bounds, and puts them in the log.

import Admission
import Events
import Ingest
import Log
import NIOCore
import Projection
import Synchronization
import Wire

/// What may send messages and end them. Used by one task at a time (`OutboxService`).
struct OutboxDesk<Engine: EventLog>: Sendable {
    let ingest: IngestLoop<Engine>
    let storage: Storage<Engine>
    /// The last ordinal that was given to a message.
    private let given = GivenOrdinals()

    init(ingest: IngestLoop<Engine>, storage: Storage<Engine>) { (self.ingest, self.storage) = (ingest, storage) }

    // MARK: Sending

    func send(_ order: MessageOrder) async throws(MessageFault) -> MessageAnswer {
        let now = wallClock()
        let request = try MessageRequest(Array(order.json.utf8), now: now)
        if request.terms.basis != .consent, !order.isAdmin {
            throw MessageFault(.forbidden, "the basis \(request.terms.basis.name) needs the role admin")
        }
        let target = try await find(request, order)
        try await waitForFold()
        if let known = try await repeated(request, order) { return known }
        try await check(request, target, now)
        if request.isDryRun { return try await dryRun(request, target, now) }
        let number = given.next(after: try await ask { $0.lastMessage })
        let id = MessageID(number: number, tag: UInt32.random(in: 0...UInt32.max))
        let form = QuestionForm(request.payload, request.kind)
        try await append { pipeline throws(MessageFault) in
            let batch = try Self.message(request, target, id, order, now, &pipeline.vocabulary)
            pipeline.messages.add(.init(id, target.product, form?.known(&pipeline.vocabulary)))
            return batch
        }
        try await settle()
        var answer = MessageAnswer()
        (answer.id, answer.isStored) = ("\(id)", true)
        if let standing = try await ask({ $0.standing(ofMessage: number) }) {
            answer.asOf = standing.asOf?.rawValue
            answer.withheld = standing.count(.withheld)
            answer.addressed = standing.addressed
        }
        answer.devices = try await ask { $0.deviceCount(of: target.product) }
        return answer
    }

    /// Whom a message is for, by numbers.
    struct Target: Sendable {
        var product = SymbolID.none
        var device = DeviceID.none
        var customer = CustomerID.none
        /// Of a list.
        var devices: [DeviceID] = []
        var feedback: Offset?
        var isPersonal = false
    }

    private func find(_ request: MessageRequest, _ order: MessageOrder) async throws(MessageFault) -> Target {
        if case .feedback(let offset) = request.target { return try await findFeedback(offset, order) }
        let aspect = request.aspect
        let found = await onLoop { pipeline -> Result<Target, MessageFault> in
            Result { () throws(MessageFault) in
                var target = try Self.find(request.target, order.scope, pipeline.vocabulary)
                if let aspect, let known = pipeline.vocabulary.find(.aspect, Array(aspect.utf8).span) {
                    target.isPersonal = pipeline.vocabulary.personal.contains(known)
                }
                return target
            }
        }
        return try found.get()
    }

    private static func find(
        _ named: MessageTarget, _ scope: Scope?, _ words: borrowing Vocabulary
    ) throws(MessageFault) -> Target {
        var target = Target()
        func product(_ name: String) throws(MessageFault) -> SymbolID {
            let bytes = Array(name.utf8)
            guard let id = words.find(.product, bytes.span) else {
                throw MessageFault(.unknownTarget, "the log has no product \(shortened(name)); is it spelt right?")
            }
            return id
        }
        func device(_ name: String, of product: String) throws(MessageFault) -> DeviceID {
            let (product, bytes) = (Array(product.utf8), Array(name.utf8))
            if let scope, !scope.contains(product: product.span, name: bytes.span) { throw MessageFault(.forbidden) }
            guard let id = words.find(device: bytes.span, of: target.product) else {
                throw MessageFault(.unknownTarget, "the log has no device \(shortened(name)) of that product")
            }
            return id
        }
        func checkWhole(_ name: String) throws(MessageFault) {
            let bytes = Array(name.utf8)
            if let scope, !scope.contains(product: bytes.span) { throw MessageFault(.forbidden) }
        }
        switch named {
        case .product(let name):
            target.product = try product(name)
            try checkWhole(name)
        case .device(let name, let own):
            target.product = try product(name)
            target.device = try device(own, of: name)
        case .devices(let name, let names):
            target.product = try product(name)
            for own in names { target.devices.append(try device(own, of: name)) }
        case .customer(let name, let customer):
            target.product = try product(name)
            try checkWhole(name)
            guard let id = words.find(customer: Array(customer.utf8).span) else {
                throw MessageFault(.unknownTarget, "no event names this customer")
            }
            target.customer = id
        case .feedback: break
        }
        return target
    }

    /// The device that has said something, as the log has it.
    private func findFeedback(_ offset: Offset, _ order: MessageOrder) async throws(MessageFault) -> Target {
        let unknown = MessageFault(.unknownTarget, "event \(offset.rawValue) is no feedback of a device")
        guard offset < storage.head else { throw unknown }
        let blocks: [Block]
        do { blocks = try await storage.log.read(from: offset, limit: 1) } catch {
            throw MessageFault(.storageUnavailable, "\(error)")
        }
        guard let block = blocks.first, block.firstOffset <= offset, offset < block.endOffset else { throw unknown }
        let event = block.batch.events[Int(offset.rawValue - block.firstOffset.rawValue)]
        guard event.kind == .feedbackText || event.kind == .ratingGiven, event.device != .none,
            event.quarantine == .none
        else { throw unknown }
        var target = Target()
        (target.product, target.device, target.customer) = (event.product, event.device, event.customer)
        target.feedback = offset
        if let scope = order.scope {
            let isOwn = await onLoop { pipeline in
                let product = Array(pipeline.vocabulary.text(.product, event.product))
                let name = Array(pipeline.vocabulary.name(of: event.device))
                return scope.contains(product: product.span, name: name.span)
            }
            guard isOwn else { throw MessageFault(.forbidden) }
        }
        return target
    }

    // MARK: May it be sent

    private func repeated(
        _ request: MessageRequest, _ order: MessageOrder
    ) async throws(MessageFault) -> MessageAnswer? {
        guard let key = request.key else { return nil }
        let hash = Self.hash(key, order.author)
        guard let known = try await ask({ $0.message(withKey: hash) }) else { return nil }
        var answer = MessageAnswer()
        (answer.id, answer.isStored, answer.isRepeated) = ("\(known)", true, true)
        let standing = try await ask { $0.standing(ofMessage: known.number) }
        (answer.addressed, answer.asOf) = (standing?.addressed, standing?.asOf?.rawValue)
        return answer
    }

    private static func hash(_ key: String, _ author: String) -> UInt64 {
        max(1, identityHash((Array(author.utf8) + [0] + Array(key.utf8)).span))
    }

    private func check(
        _ request: MessageRequest, _ target: Target, _ now: Timestamp
    ) async throws(MessageFault) {
        if target.isPersonal {
            throw MessageFault(
                .badMessage, "the values of the aspect say something about a person, and are no words of the log")
        }
        let (open, bytes) = try await ask { ($0.openMessages(of: target.product), $0.outboxBytes) }
        let live = open.count { $0.terms.isLive }
        // A newer setting of the same target ends the older one.
        let bound = request.terms.isLive ? MessageLimits.live : MessageLimits.open
        guard open.count < MessageLimits.open, !request.terms.isLive || live < MessageLimits.live,
            bytes < MessageLimits.outboxBytes
        else {
            throw MessageFault(
                .tooManyOpen,
                "\(open.count) messages of the product are open, \(live) of them for devices that come later; at most "
                    + "\(MessageLimits.open) and \(MessageLimits.live): cancel some, or try later (bound \(bound))")
        }
        let needsConsent = request.kind.isForPeople && request.terms.basis == .consent
        if needsConsent, request.terms.scope == .device || request.terms.scope == .customer {
            let agrees = try await ask { state in
                let devices =
                    target.device != .none
                    ? [target.device] : state.devices(of: target.customer, product: target.product)
                return devices.isEmpty || devices.contains { state.agrees($0, at: now) }
            }
            guard agrees else { throw MessageFault(.noConsent) }
        }
        guard let wanted = request.ifVersion, let aspect = request.aspect else { return }
        let word = await onLoop { $0.vocabulary.find(.aspect, Array(aspect.utf8).span) }
        let version = try await ask {
            $0.settingVersion(of: word ?? .none, product: target.product, device: target.device)
        }
        guard version == wanted else {
            throw MessageFault(.versionConflict, "the version in force is \(version), not \(wanted)")
        }
    }

    private func dryRun(
        _ request: MessageRequest, _ target: Target, _ now: Timestamp
    ) async throws(MessageFault) -> MessageAnswer {
        let needsConsent = request.kind.isForPeople && request.terms.basis == .consent
        let (total, found, withheld) = try await ask { state in
            let devices: [DeviceID]
            switch request.terms.scope {
            case .product: devices = state.devices(of: target.product)
            case .device: devices = [target.device]
            case .list: devices = target.devices
            case .customer: devices = state.devices(of: target.customer, product: target.product)
            }
            let withheld = needsConsent ? devices.count { !state.agrees($0, at: now) } : 0
            return (state.deviceCount(of: target.product), devices, withheld)
        }
        var answer = MessageAnswer()
        (answer.addressed, answer.withheld, answer.devices) = (found.count, withheld, total)
        let some = Array(found.prefix(5))
        answer.examples = await onLoop { pipeline in
            some.map { String(decoding: pipeline.vocabulary.name(of: $0), as: UTF8.self) }
        }
        return answer
    }

    // MARK: Into the log

    /// The events of a message. With a list come the events that say whom it is for: both are in one block, so that
    /// none is without the other.
    private static func message(
        _ request: MessageRequest, _ target: Target, _ id: MessageID, _ order: MessageOrder, _ now: Timestamp,
        _ words: inout Vocabulary
    ) throws(MessageFault) -> EventBatch {
        func word(_ kind: SymbolKind, _ text: String?) throws(MessageFault) -> SymbolID {
            guard let text else { return .none }
            guard let id = words.ownSymbol(kind, text) else { throw MessageFault(.vocabularyFull) }
            return id
        }
        var (event, details, batch) = (Event(), EventDetails(), EventBatch())
        (event.kind, event.product, event.device) = (request.kind, target.product, target.device)
        if request.kind.isForPeople { event.customer = target.customer }
        var terms = request.terms
        terms.isScheduled = request.notBefore != nil
        terms.write(to: &event)
        (event.time, event.arrival) = (request.notBefore ?? now, now)
        event.clock = request.notBefore == nil ? .arrival : .device
        event.aspect = try word(.aspect, request.aspect)
        event.unit = try word(.unit, request.unit)
        switch request.value {
        case .flag(let flag): event.value = .flag(flag)
        case .whole(let number): event.value = .whole(number)
        case .real(let number): event.value = .real(number)
        case .text(let text): event.value = .symbol(try word(.value, text))
        case nil, .null, .array, .object: break
        }
        if let key = request.key { (event.identity, event.seq) = (.hash, hash(key, order.author)) }
        details.message = id
        details.collapse = try word(.value, request.collapse)
        details.author = try word(.value, order.author)
        details.expiry = request.expires ?? Timestamp(rawValue: 0)
        details.replays = target.feedback
        batch.append(event, details, request.payload)
        // A setting for whoever comes has no list; who else is meant is known now, and one block says both.
        if request.terms.scope == .product {
            batch.append(addressed: nil, of: id, product: target.product, asOf: nil, at: now)
        }
        let listed = request.terms.scope == .device ? [target.device] : target.devices
        if request.terms.scope == .device || request.terms.scope == .list {
            let numbers = Set(listed.map(\.rawValue)).sorted()
            batch.append(addressed: numbers, of: id, product: target.product, asOf: nil, at: now)
        }
        return batch
    }

    func cancel(_ order: CancelOrder) async throws(MessageFault) -> MessageAnswer {
        try await waitForFold()
        var ending: [MessageStanding] = []
        if let text = order.message {
            var named = EventDetails()
            guard named.setCause(Array(text.utf8).span) else { throw MessageFault(.unknownMessage) }
            let number = named.cause
            let standing = try await ask { $0.standing(ofMessage: number) }
            guard let standing, !named.hasCauseTag || named.causeTag == standing.id.tag else {
                throw MessageFault(.unknownMessage)
            }
            guard standing.closing == nil else { throw MessageFault(.alreadyClosed) }
            ending = [standing]
        } else if let collapse = order.collapse {
            let word = await onLoop { $0.vocabulary.find(.value, Array(collapse.utf8).span) }
            ending = try await ask { $0.openMessages().filter { word != nil && $0.collapse == word } }
            guard !ending.isEmpty else { throw MessageFault(.unknownMessage) }
        }
        var batch = EventBatch()
        for message in ending {
            batch.append(closed: message.id, product: message.product, .cancelled, at: wallClock())
        }
        let events = batch
        try await append { _ throws(MessageFault) in events }
        try await waitForFold()
        var answer = MessageAnswer()
        answer.cancelled = ending.map { "\($0.id)" }
        return answer
    }
}

/// The ordinals that were given to messages.
private final class GivenOrdinals: Sendable {
    private let last = Mutex(UInt32(0))

    func next(after known: UInt32) -> UInt32 {
        last.withLock { last in
            last = max(last, known) + 1
            return last
        }
    }
}
