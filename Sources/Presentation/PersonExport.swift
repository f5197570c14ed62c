// What a person gets who asks for what is kept of them: one JSON document, written as the log is read.

import Bytes
package import Events
import Wire

/// Everything that the log keeps of one customer, as JSON (GDPR, articles 15 and 20). Owned by one thread at a time.
///
/// The document is an object with, in this order: `schema`, `customer`, `pseudonym`, `as_of`, `events` (each as in an
/// export of the log, with its text where it can be read), and then what is gathered on the way: `consents` (offsets of
/// the events that say so), `accesses` (who looked at it: when, and by which command), `devices`, `products`, `counts`.
package struct PersonExport {
    private let customer: CustomerID
    private let vocabulary: Vocabulary
    private var bytes: [UInt8] = []
    private var isFirst = true
    private var devices: Set<DeviceID> = []
    private var products: Set<SymbolID> = []
    private var consents: [Offset] = []
    private var accesses: [(offset: Offset, event: Event)] = []
    /// The word for an export of all events, which has this customer's.
    private let logExport: SymbolID?
    private var sealed = 0
    /// How many events were written.
    package private(set) var count = 0

    /// - Parameters:
    ///   - head: up to where the log is read.
    ///   - asOf: the time that is given with the answer.
    package init(of customer: CustomerID, vocabulary: Vocabulary, head: Offset, asOf: Timestamp) {
        (self.customer, self.vocabulary) = (customer, vocabulary)
        logExport = vocabulary.find(.logExport)
        var json = JSONWriter()
        json.object { json in
            json.add("schema", "tidings/export/v1")
            json.add("customer", String(decoding: vocabulary.name(of: customer), as: UTF8.self))
            json.add("pseudonym", customer.rawValue)
            json.object("as_of") { json in
                json.add("offset", head.rawValue)
                json.add("time", asOf)
            }
        }
        bytes = Array(json.text.utf8.dropLast())
        bytes += Array(",\"events\":[".utf8)
    }

    /// Adds an event if it is this customer's, or says that somebody looked at it.
    package mutating func append(_ event: Event, in batch: borrowing EventBatch, at offset: Offset) {
        if event.kind == .audited, event.quarantine == .none {
            guard case .symbol(let use) = event.value, event.customer == customer || use == logExport else { return }
            return accesses.append((offset, event))
        }
        guard event.customer == customer else { return }
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(UInt8(ascii: "\n"))
        writeEventLine(event, in: batch, offset: offset, vocabulary: vocabulary, into: &bytes)
        count += 1
        devices.insert(event.device)
        products.insert(event.product)
        if event.kind == .consentGiven || event.kind == .consentWithdrawn { consents.append(offset) }
        let details = batch.details(of: event)
        if EventDetails.parts.contains(where: { details[keyPath: $0].codec == .sealed }) { sealed += 1 }
    }

    /// Ends the document.
    package mutating func finish() {
        var json = JSONWriter()
        json.object { json in
            json.array("consents") { json in for offset in consents { json.add(nil, offset.rawValue) } }
            json.array("accesses") { json in
                for (offset, event) in accesses {
                    guard case .symbol(let use) = event.value else { continue }
                    json.object { json in
                        json.add("offset", offset.rawValue)
                        json.add("time", event.time)
                        json.add("use", text(vocabulary.text(.value, use)))
                    }
                }
            }
            json.array("devices") { json in
                for device in devices.sorted(by: { $0.rawValue < $1.rawValue }) where device != .none {
                    json.object { json in
                        json.add("product", text(vocabulary.text(.product, vocabulary.product(of: device))))
                        json.add("device", text(vocabulary.name(of: device)))
                    }
                }
            }
            json.array("products") { json in
                for product in products.sorted(by: { $0.rawValue < $1.rawValue }) where product != .none {
                    json.add(nil, text(vocabulary.text(.product, product)))
                }
            }
            json.object("counts") { json in
                json.add("events", count)
                json.add("events_with_parts_that_cannot_be_read", sealed)
            }
        }
        bytes += Array("\n],".utf8) + Array(json.text.utf8.dropFirst()) + [UInt8(ascii: "\n")]
    }

    private func text(_ name: ArraySlice<UInt8>) -> String { String(decoding: name, as: UTF8.self) }

    /// Hands over what has been written, if there is anything.
    package mutating func flush(to write: (_ bytes: [UInt8]) -> Void) {
        guard !bytes.isEmpty else { return }
        write(bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
