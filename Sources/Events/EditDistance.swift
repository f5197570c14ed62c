// How alike two words are, for "did you mean".

/// How many bytes must be changed, put in or taken out to make one word of the other (Levenshtein).
///
/// Costs the product of both lengths: for names, not for texts.
package func editDistance(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Int {
    let target = Array(b)
    var row = Array(0...target.count)
    for (place, byte) in a.enumerated() {
        var diagonal = row[0]
        row[0] = place + 1
        for index in target.indices {
            let substitution = diagonal + (byte == target[index] ? 0 : 1)
            diagonal = row[index + 1]
            row[index + 1] = Swift.min(substitution, row[index] + 1, diagonal + 1)
        }
    }
    return row[target.count]
}

/// The known word that a misspelt one probably stands for: one that it begins with or is the beginning of, else the
/// nearest one; nil when none is near, or the word is longer than any name.
package func nearestWord(to word: String, among known: some Sequence<String>) -> String? {
    let (shortest, longest) = (3, 64)
    guard word.utf8.count <= longest else { return nil }
    let wanted = word.lowercased()
    let ranked = known.map { (distance: editDistance(wanted.utf8, $0.utf8), word: $0) }
        .sorted { ($0.distance, $0.word) < ($1.distance, $1.word) }
    if let best = ranked.first, best.distance <= Swift.max(1, wanted.utf8.count / 3) { return best.word }
    return ranked.first {
        Swift.min($0.word.utf8.count, wanted.utf8.count) >= shortest
            && (wanted.hasPrefix($0.word) || $0.word.hasPrefix(wanted))
    }?.word
}
