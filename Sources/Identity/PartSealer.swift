// Texts and other parts of events, sealed on their way into the log and opened on their way out.

import Bytes
import Crypto
import CryptoExtras
package import Events
package import Log

/// Seals what events say in people's own words, each part with the key of its customer, or of its product when the
/// event names nobody: AES-256-GCM-SIV (RFC 8452).
///
/// A sealed part is a function of its key and its place in the log: the nonce is the event's offset, and the customer
/// or product, the kind and the part are authenticated with it. So two copies of a log are equal, and an offset that
/// comes twice, as behind a copy that was put back, gives nothing away. What is sealed is one byte (how many of padding
/// follow), the part, and zeros up to a multiple of 16: so its length tells little more than how many lines a text has.
///
/// Any thread: what changes is the store's.
package struct PartSealer: Sendable {
    private let secret: SealingSecret
    private let store: IdentityStore
    private static let label = Array("tidings seal".utf8)
    /// Of the cipher's tag, and what a part is padded to a multiple of.
    private static let blockBytes = 16

    package init(_ secret: SealingSecret, _ store: IdentityStore) { (self.secret, self.store) = (secret, store) }

    /// Where a part stands: what is authenticated with it, beside the offset.
    private struct Place {
        var owner: PartOwner
        var kind: EventKind
        var tag: PartTag
        var offset: Offset

        var nonce: [UInt8] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(12)
            appendLittleEndian(offset.rawValue, size: 8, to: &bytes)
            appendLittleEndian(0, size: 4, to: &bytes)
            return bytes
        }

        var context: [UInt8] {
            let (mark, id) =
                switch owner {
                case .customer(let id): (UInt8(1), id.rawValue)
                case .product(let id): (UInt8(2), id.rawValue)
                }
            var bytes = [mark]
            appendLittleEndian(UInt64(id), size: 4, to: &bytes)
            bytes += [kind.rawValue, tag.rawValue]
            return bytes
        }
    }

    // MARK: Sealing

    /// Seals all parts of a batch that are not sealed yet.
    ///
    /// - Parameters:
    ///   - first: the offset of its first event.
    ///   - sealed: gets the events with sealed parts; what it held before is gone, and its memory used again.
    /// - Returns: false when there is nothing to be sealed; `sealed` is empty then.
    package func seal(
        _ batch: borrowing EventBatch, at first: Offset, into sealed: inout EventBatch
    ) throws(LogError) -> Bool {
        sealed.removeAll()
        guard batch.events.contains(where: { $0.textLength > 0 || $0.detail != 0 }) else { return false }
        sealed.events.append(contentsOf: batch.events)
        for index in batch.events.indices where batch.events[index].textLength > 0 || batch.events[index].detail != 0 {
            var event = batch.events[index]
            var details = batch.details(of: event)
            var place = Place(
                owner: PartOwner(event), kind: event.kind, tag: .text, offset: first + index)
            let key = try keyForSealing(of: place.owner)
            if event.textLength > 0 {
                details.sealedText = try append(batch.text(of: event), TextPart(), key, place, to: &sealed)
                (event.textStart, event.textLength) = (0, 0)
            }
            if event.detail != 0 {
                for tag in PartTag.allCases {
                    let part = batch.details(of: event)[keyPath: tag.part]
                    guard !part.isEmpty else { continue }
                    place.tag = tag
                    details[keyPath: tag.part] = try append(batch.bytes(of: part), part, key, place, to: &sealed)
                }
            }
            event.detail = 0
            sealed.setDetails(details, of: &event)
            sealed.events[index] = event
        }
        return true
    }

    /// Adds a part to a batch: sealed, or as it is when it was sealed before.
    private func append(
        _ bytes: ArraySlice<UInt8>, _ part: TextPart, _ key: SymmetricKey, _ place: Place, to batch: inout EventBatch
    ) throws(LogError) -> TextPart {
        var part = part
        let start = batch.text.count
        if case .plain = part.codec {
            try seal(bytes, key, place, to: &batch.text)
            part.codec = .sealed
        } else {
            batch.text += bytes
        }
        part.start = UInt32(start)
        part.length = UInt32(batch.text.count - start)
        return part
    }

    private func seal(
        _ bytes: ArraySlice<UInt8>, _ key: SymmetricKey, _ place: Place, to output: inout [UInt8]
    ) throws(LogError) {
        let padding = (Self.blockBytes - (bytes.count + 1) % Self.blockBytes) % Self.blockBytes
        var message: [UInt8] = []
        message.reserveCapacity(bytes.count + 1 + padding)
        message.append(UInt8(padding))
        message += bytes
        message.append(contentsOf: repeatElement(0, count: padding))
        do {
            let nonce = try AES.GCM._SIV.Nonce(data: place.nonce)
            let box = try AES.GCM._SIV.seal(message, using: key, nonce: nonce, authenticating: place.context)
            output += box.combined.dropFirst(12)
        } catch {
            throw .refused("a text of \(bytes.count) bytes that cannot be sealed")
        }
    }

    /// The key of an owner, of a new seed if there was none. Of a customer whose name is gone, a key that nobody keeps:
    /// what is said of them can be read by nobody.
    private func keyForSealing(of owner: PartOwner) throws(LogError) -> SymmetricKey {
        if let seed = try store.seed(of: owner) { return key(seed) }
        if let seed = try store.drawSeed(of: owner) { return key(seed) }
        return SymmetricKey(size: .bits256)
    }

    private func key(_ seed: Seed) -> SymmetricKey {
        var bytes: [UInt8] = []
        seed.append(to: &bytes)
        return SymmetricKey(data: secret.expanded(Self.label, bytes))
    }

    // MARK: Opening

    /// Opens all parts of a batch that can be opened. The others stay sealed: their customer was forgotten, or they are
    /// not what was stored there.
    ///
    /// - Parameter first: the offset of its first event.
    package func open(_ batch: inout EventBatch, at first: Offset) throws(LogError) {
        guard batch.details.contains(where: { $0.hasSealedParts }) else { return }
        var opened = EventBatch()
        opened.text.reserveCapacity(batch.text.count)
        opened.details.reserveCapacity(batch.details.count)
        for index in batch.events.indices where batch.events[index].textLength > 0 || batch.events[index].detail != 0 {
            var event = batch.events[index]
            try open(&event, of: batch, at: first + index, into: &opened)
            batch.events[index] = event
        }
        batch.text = opened.text
        batch.details = opened.details
    }

    private func open(
        _ event: inout Event, of batch: borrowing EventBatch, at offset: Offset, into opened: inout EventBatch
    ) throws(LogError) {
        if event.textLength > 0 {
            let text = batch.text(of: event)
            event.textStart = UInt32(opened.text.count)
            opened.text += text
        }
        guard event.detail != 0 else { return }
        var details = batch.details(of: event)
        let owner = PartOwner(event)
        let key = details.hasSealedParts ? try store.seed(of: owner).map(key) : nil
        for tag in PartTag.allCases {
            var part = details[keyPath: tag.part]
            guard !part.isEmpty else { continue }
            let bytes = batch.bytes(of: part)
            let place = Place(owner: owner, kind: event.kind, tag: tag, offset: offset)
            part.start = UInt32(opened.text.count)
            if part.codec == .sealed, let key, let plain = Self.open(bytes, key, place) {
                opened.text += plain
                (part.codec, part.length) = (.plain, UInt32(plain.count))
            } else {
                opened.text += bytes
            }
            details[keyPath: tag.part] = part
        }
        let text = details.sealedText
        if !text.isEmpty, text.codec == .plain {
            (event.textStart, event.textLength) = (text.start, text.length)
            details.sealedText = TextPart()
        }
        event.detail = 0
        opened.setDetails(details, of: &event)
    }

    /// What was sealed; nil when the key, the place or a byte is another one.
    private static func open(_ bytes: ArraySlice<UInt8>, _ key: SymmetricKey, _ place: Place) -> [UInt8]? {
        let message: [UInt8]? = try? {
            let box = try AES.GCM._SIV.SealedBox(combined: place.nonce + bytes)
            return Array(try AES.GCM._SIV.open(box, using: key, authenticating: place.context))
        }()
        guard let message, let padding = message.first, Int(padding) < min(blockBytes, message.count) else {
            return nil
        }
        return Array(message[1..<(message.count - Int(padding))])
    }
}

extension EventDetails {
    /// Whether any part of it is sealed.
    var hasSealedParts: Bool {
        sealedText.codec == .sealed || extra.codec == .sealed || raw.codec == .sealed || payload.codec == .sealed
            || personalValue.codec == .sealed
    }
}
