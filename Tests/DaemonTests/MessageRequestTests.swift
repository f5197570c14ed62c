// Messages as their authors write them: what is taken, and what is told of what is not.

import Daemon
import Events
import Testing

@Suite struct MessageRequestTests {
    private static let now = Timestamp(rawValue: 1_767_225_600_000)

    private func fault(_ json: String) -> MessageFault? {
        do throws(MessageFault) {
            _ = try MessageRequest(Array(json.utf8), now: Self.now)
            return nil
        } catch {
            return error
        }
    }

    @Test func aNoticeIsReadWithItsTerms() throws {
        let json = """
            {"type":"notice","to":{"product":"kettle","device":"k-1"},"title":"T","text":{"en":"a","de":"b"},
             "priority":"high","expires":"12h","collapse":"descale","id":"d-1","data":{"x":[1,2.5,null]}}
            """
        let request = try MessageRequest(Array(json.utf8), now: Self.now)
        #expect(request.kind == .notice && request.target == .device(product: "kettle", name: "k-1"))
        #expect(request.terms.priority == .high && request.terms.scope == .device && !request.terms.isLive)
        #expect(request.terms.basis == .consent && !request.terms.awaitsApp)
        #expect(request.expires == Timestamp(rawValue: Self.now.rawValue + 12 * 3_600_000))
        #expect(request.collapse == "descale" && request.key == "d-1")
        let wanted = #"{"data":{"x":[1,2.5,null]},"text":{"de":"b","en":"a"},"title":"T"}"#
        #expect(String(decoding: request.payload, as: UTF8.self) == wanted)
    }

    @Test func aSettingOfAProductIsForWhoeverComes() throws {
        let json = #"{"type":"setting","to":{"product":"kettle"},"aspect":"keep_warm","value":null,"policy":"default"}"#
        let request = try MessageRequest(Array(json.utf8), now: Self.now)
        #expect(request.terms.isLive && request.terms.policy == .default && request.value == nil)
        #expect(request.expires == nil)
        #expect(request.payload == Array(#"{"aspect":"keep_warm","policy":"default","value":null}"#.utf8))
    }

    /// Code, and a part of what is told.
    @Test(arguments: [
        (#"{"type":"notise","to":{"product":"k"},"text":"x"}"#, 4014, #"at byte 2: type is "notise"; send one of"#),
        (#"{"type":"notice","text":"x"}"#, 4014, "to is missing"),
        (#"{"type":"notice","to":{"product":"k"}}"#, 4014, "text is missing"),
        (#"{"type":"notice","to":{"product":"k"},"text":""}"#, 4014, "text is"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x","priorty":"low"}"#, 4014, "did you mean priority?"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x","priority":"hihg"}"#, 4014, "low, normal, high"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x","priority":"urgent"}"#, 4014, "another basis than consent"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x","expires":"91d"}"#, 4014, "at most 90 days"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x","expires":"yesterday"}"#, 4014, "a time such as 7d"),
        (#"{"type":"notice","to":{"product":"k","where":"x"},"text":"x"}"#, 4015, "where is not there yet"),
        (#"{"type":"reply","to":{"product":"k"},"text":"x"}"#, 4014, "feedback"),
        (#"{"type":"question","to":{"product":"k"},"text":"x","ask":"maybe"}"#, 4014, "yes_no, scale"),
        (#"{"type":"question","to":{"product":"k"},"text":"x","ask":"choice","aspect":"a"}"#, 4014, "choices"),
        (#"{"type":"setting","to":{"product":"k"},"aspect":"A b","value":1}"#, 4014, "dotted path"),
        (#"{"type":"setting","to":{"product":"k"},"aspect":"a"}"#, 4014, "value is missing"),
        (#"{"type":"setting","to":{"product":"k"},"aspect":"a","value":[1]}"#, 4014, "value is [1]"),
        (#"["notice"]"#, 4014, "a JSON object"),
        (#"{"type":"notice","to":{"product":"k"},"text":"x""#, 4014, "ends before its object does"),
    ]) func whatIsWrongIsNamed(_ json: String, _ code: Int, _ says: String) throws {
        let told = try #require(fault(json), "\(json)")
        #expect(told.refusal.rawValue == UInt16(code), "\(told)")
        #expect(told.description.contains(says), "\(json): \(told)")
    }

    @Test func tooMuchIsRefused() throws {
        let long = String(repeating: "x", count: MessageLimits.payloadBytes)
        #expect(fault(#"{"type":"notice","to":{"product":"k"},"text":"\#(long)"}"#)?.refusal == .messageTooBig)
        let huge = String(repeating: "x", count: 70_000)
        #expect(fault(#"{"type":"notice","to":{"product":"k"},"text":"\#(huge)"}"#)?.refusal == .messageTooBig)
        let words = (0..<17).map { "\"w\($0)\"" }.joined(separator: ",")
        let question = #"{"type":"question","to":{"product":"k"},"text":"x","ask":"choice","aspect":"a""#
        #expect(fault(question + #","choices":[\#(words)]}"#)?.refusal == .badMessage)
    }
}
