// From the bytes of a body to the filling block: lines in runs, arrays and native batches as a whole.

import Admission
import Bytes
import Events
import Wire

// MARK: Lines

extension EventsRequest {
    /// Reads whole lines, and the last one without its end when nothing follows.
    ///
    /// - Returns: how many bytes have been dealt with.
    mutating func readLines(
        _ bytes: Span<UInt8>, isEnd: Bool, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> (consumed: Int, outcome: Outcome) {
        var at = 0
        while true {
            if at == bytes.count { return (at, .done) }
            let outcome = canRead(ingest)
            guard outcome == .done else { return (at, outcome) }
            let before = count
            var isOver = false
            let arrival = ingest.intake.now
            while count - before < HTTPLimits.linesPerRun, !isOver {
                isOver = gather(bytes, at: &at, isEnd: isEnd, ingest)
                decodeWindow(bytes, arrival: arrival, ingest)
            }
            if count > before { admit(bytes, units: count - before, ingest, peer) }
            if report.refusals > HTTPLimits.refusedLines {
                return (
                    bytes.count,
                    refuseRest(
                        .tooManyEvents, ingest,
                        text: "more than \(HTTPLimits.refusedLines) lines are refused; the rest is not read: mend "
                            + "them, and send again what follows")
                )
            }
            if isOver { return (at, .done) }
        }
    }

    /// Finds whole lines and puts them into the window until it is full.
    ///
    /// - Returns: whether no more of them follow.
    private mutating func gather(
        _ bytes: Span<UInt8>, at: inout Int, isEnd: Bool, _ ingest: IngestContext
    ) -> Bool {
        while ingest.window.count < EventLineWindow.capacity {
            // Between lines, nothing need be searched for.
            if searched == 0, !passesOver {
                while at < bytes.count, isBlank(bytes[at]) { at &+= 1 }
            }
            let end = bytes.first(UInt8(ascii: "\n"), from: at + searched)
            let isLast = end == bytes.count
            if end - at > Limits.jsonEventBytes, !passesOver {
                refuse(.tooBig, index: count, Span(), ingest)
                count += 1
                passesOver = true
            }
            if isLast, !isEnd {
                // Neither what is passed over nor what is blank so far has to be kept.
                if passesOver { at = end }
                while at < end, isBlank(bytes[at]) { at += 1 }
                searched = end - at
                return true
            }
            searched = 0
            if passesOver {
                passesOver = false
            } else {
                let content = lineContent(bytes, in: at..<end)
                if !content.isEmpty { addToWindow(bytes, content, ingest) }
            }
            at = isLast ? end : end + 1
            if isLast { return true }
        }
        return false
    }

    private mutating func addToWindow(_ bytes: Span<UInt8>, _ range: Range<Int>, _ ingest: IngestContext) {
        ingest.window.add(bytes, range)
        ingest.requests.windowOrigins.append(
            RequestScratch.Origin(index: count, start: range.lowerBound, end: range.upperBound))
        count += 1
    }

    /// Makes events of the lines in the window, and empties it.
    private mutating func decodeWindow(_ bytes: Span<UInt8>, arrival: Timestamp, _ ingest: IngestContext) {
        let intake = ingest.intake
        ingest.window.search(bytes, &intake.vocabulary)
        let requests = ingest.requests
        let entries = ingest.window.count
        var noted = 0
        for index in 0..<entries {
            do throws(Refusal) {
                _ = try ingest.window.append(
                    index, bytes, arrival: arrival, vocabulary: &intake.vocabulary, into: &intake.filling)
            } catch {
                requests.noteOrigins(of: noted..<index)
                noted = index + 1
                let origin = requests.windowOrigins[index]
                refuse(error, index: origin.index, bytes.extracting(origin.range), ingest)
            }
        }
        requests.noteOrigins(of: noted..<entries)
        ingest.window.removeAll()
        requests.windowOrigins.removeAll(keepingCapacity: true)
    }

    @inline(never)
    private mutating func refuse(_ refusal: Refusal, index: Int, _ line: Span<UInt8>, _ ingest: IngestContext) {
        let reason = ingest.reason(refusal)
        ingest.intake.refuse(reason, events: 1, transport: .http)
        let text =
            report.explainsMore
            ? explanation(of: reason, line: line) : reason.explanation.description
        if reason == .tooManyNewNames { report.retryAfter = 60 }
        report.refuse(reason, index: index, text: text)
    }

    /// Charges what was read, has the decoded events judged, and notes the verdicts.
    private mutating func admit(
        _ bytes: Span<UInt8>, units: Int, _ ingest: IngestContext, _ peer: any CommitListener
    ) {
        let decoded = ingest.requests.origins.count
        due = max(due, ingest.charge(events: decoded, units: units))
        guard decoded > 0 else { return }
        let result = ingest.intake.admit(.http)
        report.add(result, of: decoded)
        for one in result.named where one.index < decoded {
            let origin = ingest.requests.origins[one.index]
            let line = report.explainsMore ? bytes.extracting(origin.range) : Span()
            report.tell(one.verdict, index: origin.index, text: explanation(of: one.verdict, one.event, line: line))
        }
        ingest.requests.origins.removeAll(keepingCapacity: true)
        ticket = ingest.intake.notifyOnCommit(peer)
    }
}

// MARK: Whole bodies

extension EventsRequest {
    /// Reads a body that is there as a whole.
    mutating func readWhole(
        _ bytes: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        switch form {
        case .lines: return .done
        case .protobuf: return readNativeBatch(bytes, ingest, peer)
        case .json: return beginsAsArray(bytes) ? readArray(bytes, ingest, peer) : readOne(bytes, ingest, peer)
        case .batch: return readArray(bytes, ingest, peer)
        case .event: return readOne(bytes, ingest, peer)
        case .binary:
            var line: [UInt8] = []
            do throws(Refusal) {
                try writeBinaryEvent(attributes, contentType: contentType, data: bytes, into: &line)
            } catch {
                let text = error == .badUTF8 ? "an attribute in the head is not UTF-8; percent-encode it" : nil
                return refuseRest(error, ingest, text: text ?? explanation(of: error, line: bytes))
            }
            return readOne(line.span, ingest, peer)
        }
    }

    private mutating func readOne(
        _ bytes: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        let content = lineContent(bytes, in: 0..<bytes.count)
        guard !content.isEmpty else {
            return refuseRest(.malformedJSON, ingest, text: "the body is empty; send an event")
        }
        addToWindow(bytes, content, ingest)
        return takeWindow(bytes, ingest, peer)
    }

    /// Takes all elements of an array, or none when it is no good array.
    private mutating func readArray(
        _ bytes: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        ingest.requests.ranges.removeAll(keepingCapacity: true)
        do throws(Refusal) {
            try findEvents(inArray: bytes, limit: Limits.batchEvents, &ingest.requests.ranges)
        } catch {
            count = ingest.requests.ranges.count
            return refuseRest(
                error, ingest,
                text: error == .tooManyEvents
                    ? error.explanation.description
                    : "no array of JSON objects at its event \(count); nothing is stored")
        }
        for range in ingest.requests.ranges { addToWindow(bytes, range, ingest) }
        for index in 0..<ingest.window.count {
            guard let refusal = ingest.window.refusal(of: index),
                refusal == .malformedJSON || refusal == .badUTF8
            else { continue }
            let element = bytes.extracting(ingest.requests.windowOrigins[index].range)
            ingest.window.removeAll()
            ingest.requests.windowOrigins.removeAll(keepingCapacity: true)
            count = index
            return refuseRest(refusal, ingest, text: explanation(of: refusal, line: element) + "; nothing is stored")
        }
        return takeWindow(bytes, ingest, peer)
    }

    private mutating func takeWindow(
        _ bytes: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        decodeWindow(bytes, arrival: ingest.intake.now, ingest)
        admit(bytes, units: count, ingest, peer)
        return .done
    }

    private mutating func readNativeBatch(
        _ bytes: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        let intake = ingest.intake
        ingest.requests.table.reset()
        let header: BatchHeader
        do throws(Refusal) {
            header = try readBatch(
                bytes, context: ingest.batchContext(), table: &ingest.requests.table, vocabulary: &intake.vocabulary,
                into: &intake.filling)
        } catch {
            let reason = ingest.reason(error)
            return refuseRest(reason, ingest)
        }
        due = max(due, ingest.charge(events: header.count, units: header.count))
        if header.oldest > 0, header.device != .none {
            intake.closeGap(header.device, epoch: header.epoch, below: header.oldest, transport: .http)
        }
        let result = intake.admit(.http)
        report.add(result, of: header.count)
        for one in result.named {
            report.tell(one.verdict, index: one.index, text: explanation(of: one.verdict, one.event, line: Span()))
        }
        count = header.count
        ticket = intake.notifyOnCommit(peer)
        return .done
    }
}
