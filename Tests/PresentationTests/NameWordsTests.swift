// When a text mentions a name.

import Presentation
import Testing

@Suite struct NameWordsTests {
    @Test(arguments: [
        ("Anna", "it is ANNA's kettle", true), ("Anna", "it is Annabel's", false), ("Anna", "Hannah", false),
        ("household-17", "ask Household 17", true), ("household-17", "household 171", false),
        ("household-17", "17 household", false), ("Jos\u{e9}", "with JOSE\u{301}.", true), ("Anna", "", false),
        ("***", "what *** is", false), ("", "anything", false), ("a b", "b a b", true),
    ]) func wordsOfANameInATextInTheirOrder(_ name: String, _ text: String, _ isMentioned: Bool) {
        #expect(NameWords(text).contain(NameWords(name)) == isMentioned, "\(name) in \(text)")
    }
}
