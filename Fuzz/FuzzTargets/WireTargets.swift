// What reads bytes from the network: frames, datagrams, batches, JSON lines, deflated bodies.

import Events
import Wire

/// Stands for a reader's table, names and batch; fresh for every input, so that a finding can be repeated.
private struct Connection {
    var table = StringTable(maxEntries: 64, maxBytes: 1_024)
    var vocabulary = Vocabulary()
    var batch = EventBatch()
    let context = BatchContext(source: .none, arrival: Timestamp(rawValue: 1_795_132_805_000), keepsUnknown: true)

    mutating func read(_ body: Span<UInt8>) {
        let before = batch
        do throws(Refusal) {
            let header = try readBatch(
                body, context: context, table: &table, vocabulary: &vocabulary, into: &batch)
            precondition(header.count == batch.count - before.count)
            check()
        } catch {
            precondition(batch == before)
        }
    }

    /// Writes every event as text, and takes every text as UTF-8.
    func check() {
        var output: [UInt8] = []
        for event in batch.events {
            writeEventLine(event, in: batch, offset: .zero, vocabulary: vocabulary, into: &output)
        }
        precondition(String(validating: output, as: UTF8.self) != nil)
    }
}

func readStream(_ input: [UInt8]) {
    var connection = Connection()
    var inflatedBody: [UInt8] = []
    var at = 0
    while let frame = try? readFrame(input.span, at: at) {
        precondition(frame.end > at && frame.end <= input.count)
        let body = input.span.extracting(frame.body)
        if frame.flags == .deflated {
            if (try? inflateBody(body, limit: 1 << 16, into: &inflatedBody)) != nil {
                connection.read(inflatedBody.span)
            }
        } else {
            connection.read(body)
        }
        at = frame.end
    }
}

/// The bodies of control frames. What was read can be written, and is then read as the same.
func readControl(_ input: [UInt8]) {
    if let hello = try? Hello(decoding: input.span) {
        precondition((try? Hello(decoding: hello.encode().span)) == hello)
    }
    if let welcome = try? Welcome(decoding: input.span) {
        precondition((try? Welcome(decoding: welcome.encode().span)) == welcome)
    }
    if let ack = try? Ack(decoding: input.span) { precondition((try? Ack(decoding: ack.encode().span)) == ack) }
    if let reject = try? Reject(decoding: input.span) {
        precondition((try? Reject(decoding: reject.encode().span)) == reject)
    }
}

func readDatagram(_ input: [UInt8]) {
    answerDatagram(input)
    guard (try? DatagramHeader.read(input.span)) != nil else { return }
    var connection = Connection()
    connection.read(input.span.extracting(DatagramHeader.body(count: input.count)))
}

/// Checksums keep the fuzzer out, so bodies are also read bare.
func readBody(_ input: [UInt8]) {
    var connection = Connection()
    connection.read(input.span)
    connection.read(input.span)
}

func readInflated(_ input: [UInt8]) {
    var output: [UInt8] = []
    for limit in [0, 100, 1 << 16] where (try? inflateBody(input.span, limit: limit, into: &output)) != nil {
        precondition(output.count <= limit)
        var connection = Connection()
        connection.read(output.span)
    }
}

func readLine(_ input: [UInt8]) {
    var connection = Connection()
    do throws(Refusal) {
        try readEventLine(
            input.span, arrival: connection.context.arrival, vocabulary: &connection.vocabulary,
            into: &connection.batch)
        precondition(connection.batch.count == 1)
        connection.check()
    } catch {
        precondition(connection.batch == EventBatch())
    }
}
