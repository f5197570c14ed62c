// Properties that no schema knows, over HTTP: kept by one setting, whatever form the body has.

import Bytes
import Events
import Testing
import Transport
import Wire

struct HTTPUnknownPropertyTests {
    /// Properties that no schema knows are kept in every form, when they are to be kept.
    @Test(arguments: [true, false]) func unknownPropertiesAreKept(isKept: Bool) throws {
        var writer = BatchWriter()
        writer.begin(epoch: 3, firstSeq: 1, time: nil, device: writer.reference("kettle/k-1"))
        var event = OutgoingEvent(kind: .feedbackText)
        event.text = Array("so".utf8)[...]
        var rare = OutgoingRare()
        rare.extra = Array(#"{"x":1}"#.utf8)[...]
        event.rare = rare
        writer.put(event)
        var native: [UInt8] = []
        writer.finish(into: &native)
        let line = httpEvent(7).dropLast() + #","x":1}"#
        for (type, body) in [("application/x-protobuf", native), ("application/json", Array(line.utf8))] {
            var settings = TransportSettings()
            settings.keepsUnknown = isKept
            let bench = HTTPBench(settings: settings)
            bench.post(type, body)
            let batch = bench.intake.filling
            let details = batch.details(of: try #require(batch.events.first))
            #expect(Array(batch.bytes(of: details.extra)) == Array((isKept ? #"{"x":1}"# : "").utf8), "\(type)")
        }
    }
}
