// How alike two words are, for "did you mean".

/// How many bytes must be changed, put in or taken out to make one word of the other (Levenshtein).
///
/// Costs the product of both lengths: for names, not for texts.
package func editDistance(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Int {
    let target = Array(b)
    var row = Array(0...target.count)
    for (position, byte) in a.enumerated() {
        var diagonal = row[0]
        row[0] = position + 1
        for index in target.indices {
            let substitution = diagonal + (byte == target[index] ? 0 : 1)
            diagonal = row[index + 1]
            row[index + 1] = Swift.min(substitution, row[index] + 1, diagonal + 1)
        }
    }
    return row[target.count]
}

/// The known word that is nearest to a misspelt one, of several the first in the alphabet; nil when it is farther away
/// than `most` changes.
package func nearestWord(to word: String, among known: some Sequence<String>, within most: Int) -> String? {
    let ranked = known.map { (distance: editDistance(word.utf8, $0.utf8), word: $0) }
    guard let best = ranked.min(by: { ($0.distance, $0.word) < ($1.distance, $1.word) }) else { return nil }
    return best.distance <= most ? best.word : nil
}

/// The known word that a misspelt one probably stands for: the nearest one, else one that it begins with or is the
/// beginning of; nil when none is near, or the word is longer than any name.
package func nearestWord(to word: String, among known: [String]) -> String? {
    let (shortest, longest) = (3, 64)
    guard word.utf8.count <= longest else { return nil }
    let wanted = word.lowercased()
    if let near = nearestWord(to: wanted, among: known, within: max(1, wanted.utf8.count / 3)) { return near }
    let related = known.lazy.filter {
        min($0.utf8.count, wanted.utf8.count) >= shortest && (wanted.hasPrefix($0) || $0.hasPrefix(wanted))
    }
    return nearestWord(to: wanted, among: related, within: .max)
}
