// The reader of Swift source must itself be right, or the rules that stand on it mean nothing.

import Testing

@Suite struct SwiftTextTests {
    @Test func blanksCommentsAndStrings() {
        let source = ##"""
            let a = "fatal { \(b("}")) }" // try!
            let c = #"raw " \(not) "# /* nested /* { */ } */ + d
            let e = """
                { "quoted" }
                """ + f
            """##
        let code = String(decoding: blanked(source), as: UTF8.self)
        #expect(!code.contains("{") && !code.contains("}") && !code.contains("try"))
        #expect(code.contains("let a =") && code.contains("+ d") && code.contains("+ f"))
        #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count == 5)
        #expect(code.utf8.count == source.utf8.count)
    }

    @Test func measuresFunctions() {
        let source = """
            protocol P {
                func bare(_ a: Int) -> Int
                init(x: Int)
            }
            struct S: P {
                init(x: Int) { self.init() }
                func long(
                    _ body: () -> Void = { print("}") }
                ) throws -> Int
                where Int: Equatable {
                    if true {
                        return 1
                    }
                }
                subscript(_ index: Int) -> Int {
                    index
                }
                deinit {
                }
            }
            let s = S.init(x: 1)
            """
        let extents = functions(inBlanked: blanked(source))
        let expected = [
            FunctionExtent(firstLine: 6, lineCount: 1), FunctionExtent(firstLine: 7, lineCount: 8),
            FunctionExtent(firstLine: 15, lineCount: 3), FunctionExtent(firstLine: 18, lineCount: 2),
        ]
        #expect(extents == expected)
    }

    @Test func findsWordsThatStandAlone() {
        let code = blanked("unsafe x\nunsafely y // unsafe\n(unsafe z)\nTask { }")
        #expect(lines(of: "unsafe", inBlanked: code) == [1, 3])
        #expect(lines(of: "Task {", inBlanked: code) == [4])
        #expect(lines(of: "absent", inBlanked: code).isEmpty)
    }
}
