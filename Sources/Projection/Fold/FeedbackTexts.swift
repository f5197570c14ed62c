// What customers say, in their own words: the texts that wait for the next checkpoint.

import Events

extension SummaryState {
    /// Keeps the text of an event until the checkpoint; events of kinds that say nothing to read are passed over.
    mutating func addText(
        _ event: borrowing Event, _ product: Int, at offset: UInt64, _ text: [UInt8], isUnreadable: Bool
    ) {
        let kind = event.kind
        guard kind == .feedbackText || kind == .ratingGiven else { return }
        let rating = kind == .ratingGiven ? event.number : nil
        let start = dirty.textBytes.count
        let end = Int(event.textStart) + Int(event.textLength)
        guard end <= text.count else { return }
        dirty.textBytes += text[Int(event.textStart)..<end]
        dirty.texts.append(
            PendingText(
                product: UInt32(product), number: products[product].textNumber, offset: offset,
                aspect: event.aspect.rawValue, language: event.language.rawValue, time: event.time.rawValue,
                rating: rating, scale: event.scale, start: start, length: Int(event.textLength),
                customer: event.customer.rawValue, device: event.device.rawValue, isUnreadable: isUnreadable))
        products[product].textNumber += 1
        if dirty.texts.count > dirty.textBound || dirty.textBytes.count > dirty.textBytesBound {
            dropOldTexts()
        }
    }

    /// Whether the text of an event cannot be read; nil when it has none.
    @inline(__always)
    static func isUnreadable(_ event: borrowing Event, _ details: [EventDetails]) -> Bool? {
        if event.textLength > 0 { return false }
        guard event.detail != 0, Int(event.detail) <= details.count,
            !details[Int(event.detail) - 1].sealedText.isEmpty
        else { return nil }
        return true
    }

    /// What somebody has said who is forgotten from here on is not shown: neither what waits nor what is written.
    mutating func eraseTexts(of event: borrowing Event) {
        let (customer, device) = (event.customer.rawValue, event.device.rawValue)
        if customer != 0 { dirty.erasedCustomers.append(customer) }
        if device != 0 { dirty.erasedDevices.append(device) }
        for index in dirty.texts.indices {
            let text = dirty.texts[index]
            guard customer != 0 && text.customer == customer || device != 0 && text.device == device else { continue }
            for byte in text.start..<(text.start + text.length) { dirty.textBytes[byte] = 0 }
            dirty.texts[index].isUnreadable = true
        }
    }

    /// Forgets waiting texts that later ones have pushed out of the latest `ProjectionLimits.textsPerProduct`.
    private mutating func dropOldTexts() {
        var kept: [PendingText] = []
        var bytes: [UInt8] = []
        let room = UInt64(ProjectionLimits.textsPerProduct)
        for var text in dirty.texts where text.number + room >= products[Int(text.product)].textNumber {
            let start = bytes.count
            bytes += dirty.textBytes[text.start..<text.start + text.length]
            text.start = start
            kept.append(text)
        }
        dirty.texts = kept
        dirty.textBytes = bytes
        dirty.textBound = max(dirty.textBound, kept.count * 2)
        dirty.textBytesBound = max(dirty.textBytesBound, bytes.count * 2)
    }
}
