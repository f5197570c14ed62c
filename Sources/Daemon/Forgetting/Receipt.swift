// The receipt of an erasure: what was done, what is left, and until when a copy may still know more. Without the name:
// whoever keeps receipts must not keep the names in them.

import Admission
import Bytes
import Events
import Foundation
import Presentation

/// The text of a receipt, which is signed as it is.
struct Receipt {
    let text: String

    init(
        log: String, kind: String, digest: NameDigest, line: String, time: Timestamp, remains: ErasureRemains,
        exports: [Timestamp], backupDays: Int, pending: String?
    ) {
        let day = String(rfc3339(Timestamp(rawValue: time.rawValue + Int64(backupDays) * 86_400_000)).prefix(10))
        let fields = Fields(
            log: log, kind: kind, nameDigest: hexadecimal(digest.bytes), erased: rfc3339(time),
            done: Self.done(kind, pending), remains: remains, exports: exports.map(rfc3339),
            identityBackupsExpire: day, statement: Self.statement(kind, day, remains), line: line)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        text = (try? encoder.encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private struct Fields: Encodable {
        var format = "tidings.erasure-receipt.1"
        var log: String
        var kind: String
        var nameDigest: String
        var erased: String
        var done: [String]
        var remains: ErasureRemains
        var exports: [String]
        var identityBackupsExpire: String
        var statement: String
        var line: String
    }

    private static func done(_ kind: String, _ pending: String?) -> [String] {
        var done = [
            "name noted on the erasure list, as a digest",
            (kind == "customer" ? "name and seed of the key" : "name")
                + " deleted from identity.sqlite and its write-ahead log",
            "customer.erased appended to the log",
        ]
        done.append(pending.map { "texts in the summaries: not yet: \($0)" } ?? "texts deleted from summaries.sqlite")
        return done
    }

    private static func statement(_ kind: String, _ day: String, _ remains: ErasureRemains) -> String {
        var text =
            "What the log still has of this \(kind) is unreadable and unlinkable by us once the last copy of the "
            + "identity file expires on \(day)."
        if remains.readableTexts > 0 {
            text +=
                " Excepted are \(remains.readableTexts) texts that are not sealed with a key of this \(kind): they can "
                + "be read in \(remains.segments.joined(separator: ", "))."
        }
        if remains.isIncomplete { text += " Damaged parts of the log could not be looked at." }
        return text
    }
}
