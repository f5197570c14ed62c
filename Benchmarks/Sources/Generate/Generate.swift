// The command that writes the workload's files.
import Foundation
import Workload

/// `generate --out FOLDER [--events N] [--seed S] FILE...`
@main
enum Generate {
    static let usage = """
        usage: generate --out FOLDER [--events N] [--seed S] [--gateways K] [--part P] [--devices D] FILE...
        files: ndjson csv answers tcp-256 tcp-256-one tcp-1 tcp-latency json udp-1 udp-1200
               tcp-256-product tcp-1-product http-lines http-cloudevents http-single
               devices.names gateways.names (who needs a key, in the order of the connections)
        --part 20: a twentieth of the standard fleet, for short runs. --devices: so many instead of 100,000.
        Same events and options: the same bytes.
        """

    struct Options {
        var folder = ""
        var events = 2_000_000
        var seed: UInt64 = 1
        var gateways = 128
        var part = 1
        var devices: Int?
        var files: [String] = []
    }

    static func main() throws {
        guard let options = parse(CommandLine.arguments.dropFirst()) else {
            FileHandle.standardError.write(Data((usage + "\n").utf8))
            exit(64)
        }
        let fleet = Fleet(seed: options.seed, part: options.part, devices: options.devices)
        var recorders: [any Recorder] = []
        for file in options.files where file != "answers" {
            guard let recorder = recorder(file, fleet, options) else {
                FileHandle.standardError.write(Data("generate: no such file kind: \(file)\n\(usage)\n".utf8))
                exit(64)
            }
            recorders.append(recorder)
        }
        try FileManager.default.createDirectory(atPath: options.folder, withIntermediateDirectories: true)
        try write(options, fleet, &recorders)
    }

    static func parse(_ arguments: ArraySlice<String>) -> Options? {
        var options = Options()
        var rest = arguments
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                options.files.append(argument)
                continue
            }
            guard let value = rest.popFirst() else { return nil }
            switch argument {
            case "--out": options.folder = value
            case "--events":
                guard let number = Int(value), (1...500_000_000).contains(number) else { return nil }
                options.events = number
            case "--seed":
                guard let number = UInt64(value) else { return nil }
                options.seed = number
            case "--gateways":
                guard let number = Int(value), (1...10_000).contains(number) else { return nil }
                options.gateways = number
            case "--part":
                guard let number = Int(value), (1...1_000).contains(number) else { return nil }
                options.part = number
            case "--devices":
                guard let number = Int(value), (1...10_000_000).contains(number) else { return nil }
                options.devices = number
            default: return nil
            }
        }
        return options.folder.isEmpty || options.files.isEmpty ? nil : options
    }

    static func recorder(_ file: String, _ fleet: Fleet, _ options: Options) -> (any Recorder)? {
        switch file {
        case "ndjson": LineRecorder(fleet: fleet, fileName: "events.ndjson")
        case "csv": CSVRecorder(fleet: fleet, fileName: "events.csv")
        case "tcp-256":
            FrameRecorder(fleet: fleet, fileName: "tcp-256.load", gateways: options.gateways, batch: 256)
        case "tcp-256-one": FrameRecorder(fleet: fleet, fileName: "tcp-256-one.load", gateways: 1, batch: 256)
        case "tcp-1": FrameRecorder(fleet: fleet, fileName: "tcp-1.load", gateways: 1_000, batch: 1)
        case "tcp-latency":
            FrameRecorder(
                fleet: fleet, fileName: "tcp-latency.load", gateways: options.gateways, batch: 1, onlyFirst: 5_000)
        case "tcp-256-product":
            FrameRecorder(
                fleet: fleet, fileName: "tcp-256-product.load", of: ProductGateways(fleet: fleet), batch: 256)
        case "tcp-1-product":
            FrameRecorder(fleet: fleet, fileName: "tcp-1-product.load", of: ProductGateways(fleet: fleet), batch: 1)
        case "devices.names": KeyNamesRecorder(devicesOf: fleet)
        case "gateways.names": KeyNamesRecorder(ProductGateways(fleet: fleet), of: fleet)
        case "json": LineRecorder(fleet: fleet, fileName: "json.load", connections: 16)
        case "http-lines":
            RequestRecorder(fleet: fleet, fileName: "http-lines.load", body: .lines, connections: 16)
        case "http-cloudevents":
            RequestRecorder(fleet: fleet, fileName: "http-cloudevents.load", body: .cloudEvents, connections: 16)
        case "http-single":
            RequestRecorder(fleet: fleet, fileName: "http-single.load", body: .event, connections: 100, batch: 1)
        case "udp-1": DatagramRecorder(fleet: fleet, fileName: "udp-1.load", limit: 0)
        case "udp-1200": DatagramRecorder(fleet: fleet, fileName: "udp-1200.load", limit: 1_200)
        default: nil
        }
    }

    static func write(_ options: Options, _ fleet: Fleet, _ recorders: inout [any Recorder]) throws {
        let handles = try recorders.map { recorder in
            let path = options.folder + "/" + recorder.fileName
            try Data().write(to: URL(filePath: path))
            return try FileHandle(forWritingTo: URL(filePath: path))
        }
        var answers = Answers(fleet: fleet, products: [0, min(99, fleet.productCount - 1)])
        var occurrences = Occurrences(fleet: fleet, count: options.events, seed: options.seed)
        var slice: [Occurrence] = []
        var more = true
        while more {
            more = occurrences.next(into: &slice)
            if options.files.contains("answers") { answers.add(slice) }
            for index in recorders.indices {
                if more { recorders[index].add(slice) } else { recorders[index].finish() }
                try handles[index].write(contentsOf: recorders[index].bytes)
                recorders[index].bytes.removeAll(keepingCapacity: true)
            }
        }
        for handle in handles { try handle.close() }
        if options.files.contains("answers") {
            let json = Data(answers.json(seed: options.seed).utf8)
            try json.write(to: URL(filePath: options.folder + "/answers.json"))
        }
        for case let recorder as FrameRecorder in recorders {
            let table = recorder.largestTable
            print("\(recorder.fileName): largest table \(table.entries) entries, \(table.bytes) bytes")
        }
    }
}
