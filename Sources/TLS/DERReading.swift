// The few forms of DER that certificates and revocation lists consist of.

import Bytes
import SwiftASN1

/// The bytes are not what they are said to be.
package struct MalformedDER: Error {}

/// Takes one value apart that fills the bytes.
func readDER(_ bytes: [UInt8]) throws(MalformedDER) -> ASN1Node {
    do { return try DER.parse(bytes) } catch { throw MalformedDER() }
}

extension ASN1Node {
    /// What a sequence, a set or an explicit tag consists of.
    func children() throws(MalformedDER) -> [ASN1Node] {
        guard case .constructed(let nodes) = content else { throw MalformedDER() }
        return Array(nodes)
    }

    /// The bytes of a value that consists of no others.
    func primitive() throws(MalformedDER) -> ArraySlice<UInt8> {
        guard case .primitive(let bytes) = content else { throw MalformedDER() }
        return bytes
    }

    func objectIdentifier() throws(MalformedDER) -> ASN1ObjectIdentifier {
        do { return try ASN1ObjectIdentifier(derEncoded: self) } catch { throw MalformedDER() }
    }

    /// The bytes of a bit string that has no odd bits.
    func bitString() throws(MalformedDER) -> [UInt8] {
        guard let bits = try? ASN1BitString(derEncoded: self), bits.paddingBits == 0 else { throw MalformedDER() }
        return Array(bits.bytes)
    }

    /// Seconds since 1970, of either form that a time can have.
    func seconds() throws(MalformedDER) -> Int64 {
        if let time = try? UTCTime(derEncoded: self) {
            return try Calendar.seconds(time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
        }
        guard let time = try? GeneralizedTime(derEncoded: self) else { throw MalformedDER() }
        return try Calendar.seconds(time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
    }

    /// Whether it is tagged `[number]`.
    func isTagged(_ number: UInt) -> Bool {
        identifier == ASN1Identifier(tagWithNumber: number, tagClass: .contextSpecific)
    }
}

/// Takes the nodes of a sequence one after the other.
struct NodeReader {
    private var nodes: ArraySlice<ASN1Node>

    init(_ node: ASN1Node) throws(MalformedDER) { nodes = try node.children()[...] }

    var next: ASN1Node? { nodes.first }

    mutating func take() throws(MalformedDER) -> ASN1Node {
        guard let node = nodes.popFirst() else { throw MalformedDER() }
        return node
    }

    /// Takes the next node if it is one that may be left out.
    mutating func take(if isThere: (ASN1Node) -> Bool) -> ASN1Node? {
        guard let node = nodes.first, isThere(node) else { return nil }
        return nodes.popFirst()
    }
}

private enum Calendar {
    static func seconds(
        _ year: Int, _ month: Int, _ day: Int, _ hours: Int, _ minutes: Int, _ seconds: Int
    ) throws(MalformedDER) -> Int64 {
        guard let date = CivilDate(year: year, month: month, day: day) else { throw MalformedDER() }
        return Int64(date.daysSinceEpoch) * 86_400 + Int64(hours * 3_600 + minutes * 60 + seconds)
    }
}
