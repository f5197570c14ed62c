// Messages that come down to a client: what it makes of them, each once, and what it tells the daemon.

import Events
import Testing
import TidingsClient
import Wire

private func json(_ id: String = "m17-9f31c2aa", _ rest: String = #""type":"notice","text":"Hello""#) -> [UInt8] {
    Array(#"{"product":"kettle","device":"k-1","id":"\#(id)",\#(rest)}"#.utf8)
}

private func read(_ json: [UInt8]) -> TidingsMessage? { TidingsMessage(json.span) }

private func message(_ rest: String) -> TidingsMessage? { read(json("m17-9f31c2aa", rest)) }

extension MessageInbox {
    fileprivate func take(_ json: [UInt8]) -> MessageID? { take(json.span) }
}

extension StreamAnswers {
    fileprivate mutating func take(_ bytes: [UInt8]) -> Int { take(bytes.span) }
}

@Suite struct MessageTests {
    @Test func aNoticeIsReadInTheLanguageOfItsReader() throws {
        let notice = try #require(
            message(#""type":"notice","more":2,"title":"Descale","text":{"en":"Now.","de":"Jetzt.","fr":"Là."}"#))
        #expect(notice.kind == .notice && notice.id == "m17-9f31c2aa" && notice.more == 2)
        #expect(notice.title(in: "de") == "Descale")
        #expect(notice.text() == "Now." && notice.text(in: "de-AT") == "Jetzt." && notice.text(in: "ja") == "Now.")
        let receipt = notice.receipt(.shown)
        #expect(receipt.cause == notice.id && receipt.kind == .receipt(.shown, .app) && receipt.device == "k-1")
    }

    @Test func aQuestionIsAnsweredInItsForm() throws {
        let choice = try #require(
            message(#""type":"question","aspect":"sound","ask":"choice","choices":["a","b"],"text":"Which?""#))
        #expect(choice.question == .choice(["a", "b"]))
        let chosen = choice.answer(.choice("b"), customer: "anna")
        #expect(chosen.kind == .preferenceSet && chosen.aspect == "sound" && chosen.value == .choice("b"))
        #expect(chosen.cause == choice.id && chosen.customer == "anna")
        for (scale, number) in [("0-1", 1), ("1-5", 0), ("0-10", 10)] as [(String, UInt8)] {
            let asked = try #require(message(#""type":"question","ask":"scale","scale":"\#(scale)","text":"?""#))
            let rating = asked.answer(.whole(1))
            #expect(rating.kind == .ratingGiven && rating.scale == number)
        }
        let open = try #require(message(#""type":"question","ask":"text","text":"Why?""#))
        let words = open.answer(.choice("because"))
        #expect(words.kind == .feedbackText && words.text == "because" && words.value == nil)
        #expect(message(#""type":"question","ask":"number","text":"?""#)?.question == .number)
        #expect(message(#""type":"question","ask":"yes_no","text":"?""#)?.question == .yesNo)
    }

    @Test func aSettingSaysWhatTheDaemonHadSeen() throws {
        let setting = try #require(
            message(#""type":"setting","aspect":"t","value":88.5,"unit":"Cel","policy":"require","seen":"7-1042""#))
        #expect(setting.aspect == "t" && setting.value == .real(88.5) && setting.unit == "Cel")
        #expect(setting.policy == .require && setting.seenEpoch == 7 && setting.seenSeq == 1_042)
        let back = try #require(message(#""type":"setting","aspect":"t","value":null"#))
        #expect(back.value == nil && back.seenSeq == nil)
    }

    @Test func whatIsNoMessageIsNone() {
        let wrong = [
            "", "{", "[]", "{}", #"{"id":"m1-00000001"}"#, String(decoding: json("m17"), as: UTF8.self),
            String(decoding: json("x17-9f31c2aa"), as: UTF8.self),
            String(decoding: json("m1-00000001", #""type":"rumour""#), as: UTF8.self),
            String(decoding: json("m1-00000001", #""type":"notice","text":"\u{d800}x"#), as: UTF8.self),
            String(
                decoding: json("m1-00000001", #""type":"notice","text":"\#(String(repeating: "x", count: 9_000))""#),
                as: UTF8.self),
        ]
        for text in wrong { #expect(read(Array(text.utf8)) == nil, "\(text.prefix(60))") }
        // Cut anywhere, it is no message.
        let whole = json()
        for count in whole.indices { #expect(read(Array(whole[..<count])) == nil) }
        #expect(read(whole)?.json == whole)
    }

    @Test func eachComesOutOnceAndIsToldEachTime() async {
        let inbox = MessageInbox()
        func take(_ number: Int) -> UInt32? { inbox.take(json("m\(number)-0000000a"))?.number }
        #expect(take(1) == 1 && take(1) == 1 && take(2) == 2 && take(1) == 1)
        // The oldest of 17 is forgotten.
        for number in 3...17 { #expect(take(number) == UInt32(number)) }
        #expect(take(2) == 2 && take(1) == 1)
        inbox.finish()
        var numbers: [String] = []
        for await message in inbox.messages { numbers.append(message.id) }
        #expect(numbers == ((1...17) + [1]).map { "m\($0)-0000000a" })
    }

    /// What finds no room is not told: the daemon brings it again.
    @Test func whatNobodyTakesIsLeftToTheDaemon() {
        let inbox = MessageInbox()
        for number in 1...MessageInbox.limit { #expect(inbox.take(json("m\(number)-00000001")) != nil) }
        #expect(inbox.take(json("m99-00000001")) == nil)
        #expect(inbox.take(Array("nonsense".utf8)) == nil)
    }

    @Test func aPushIsAnsweredByAnAck() throws {
        var bytes: [UInt8] = []
        for id in ["m17-9f31c2aa", "m18-00000001", "m17-9f31c2aa"] {
            writeFrame(.push, body: json(id).span, into: &bytes)
        }
        let window = StreamSendWindow()
        var deaf = StreamAnswers(window: window, generation: window.connecting(), isNative: true)
        #expect(deaf.take(bytes) == bytes.count && deaf.outgoing.isEmpty)
        var answers = StreamAnswers(
            window: window, generation: window.connecting(), isNative: true, inbox: MessageInbox())
        #expect(answers.take(bytes) == bytes.count)
        let told = answers.outgoing
        var (at, ids) = (0, [] as [MessageID])
        while let frame = try readFrame(told.span, at: at) {
            #expect(frame.type == .ack)
            ids += try readReceived(told.span.extracting(frame.body), .ofAck)
            at = frame.end
        }
        #expect(ids.map(\.number) == [17, 18, 17] && ids[0].tag == 0x9f31_c2aa)
    }
}
