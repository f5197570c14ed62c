// swift-tools-version: 6.2
// Targets are listed in the order in which an event passes through them; a target may only import
// targets above it (CPrefetch, CDatagrams, CDeflate, CZlib and CProgram are of C and stand at the end).
import PackageDescription

/// One set of rules for every target, so that none can be laxer than its neighbour.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// The processors that the daemon is built for: on x86-64 those since 2013 (level x86-64-v3 of its psABI: Intel's
/// Haswell, AMD's Zen), which count bits, shift and round in one instruction each. `TIDINGS_CPU=x86-64 swift build`
/// builds for all of them; `tidings` says so when the one at hand is too old. What the client library consists of has
/// no such flags, for no package with flags of its own can be a dependency.
#if arch(x86_64)
    let level = Context.environment["TIDINGS_CPU"] ?? "x86-64-v3"
    let processor: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(level)"])]
    let processorName: [SwiftSetting] = level == "x86-64-v3" ? [.define("TIDINGS_X86_64_V3")] : []
    let processorCheck: [CSetting] = level == "x86-64-v3" ? [.define("TIDINGS_NEEDS_X86_64_V3")] : []
#else
    let processor: [SwiftSetting] = []
    let processorName: [SwiftSetting] = []
    let processorCheck: [CSetting] = []
#endif
let daemon = strict + processor

/// The Swift runtime becomes part of the program: it runs where no Swift is installed, and starts in half the time.
/// The linker is told here rather than by `--static-swift-stdlib`, for the tests, whose library there is only to be
/// linked at run time, share their objects with it. The four are what the runtime's static Foundation is made of.
let withRuntime: [LinkerSetting] =
    ["CoreFoundation", "_FoundationICU", "_FoundationCShims", "_FoundationCollections"]
    .map { .linkedLibrary($0, .when(platforms: [.linux], configuration: .release)) }
    + [.unsafeFlags(["-static-stdlib"], .when(platforms: [.linux], configuration: .release))]

let package = Package(
    name: "tidings",
    platforms: [.macOS(.v26)],
    products: [
        .executable(name: "tidings", targets: ["tidings"]),
        .library(name: "TidingsClient", targets: ["TidingsClient"]),
    ],
    // The oldest releases that will do, and of later ones those that only mend. TidyTests compares these versions with
    // the ones that were tested together, in Sources/Commands/Components.swift.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", .upToNextMinor(from: "1.8.2")),
        .package(url: "https://github.com/apple/swift-asn1", .upToNextMinor(from: "1.7.4")),
        .package(
            url: "https://github.com/apple/swift-configuration", .upToNextMinor(from: "1.4.0"),
            traits: [.defaults, "YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", .upToNextMinor(from: "4.5.2")),
        .package(url: "https://github.com/apple/swift-log", .upToNextMinor(from: "1.16.2")),
        .package(url: "https://github.com/apple/swift-nio", .upToNextMinor(from: "2.101.2")),
        .package(url: "https://github.com/apple/swift-nio-ssl", .upToNextMinor(from: "2.37.6")),
        .package(url: "https://github.com/apple/swift-protobuf", .upToNextMinor(from: "1.39.0")),
        .package(url: "https://github.com/groue/GRDB.swift", .upToNextMinor(from: "7.10.0")),
        .package(url: "https://github.com/jpsim/Yams", .upToNextMinor(from: "6.2.2")),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", .upToNextMinor(from: "2.13.0")),
    ],
    targets: [
        .target(name: "Bytes", dependencies: ["CDeflate"], swiftSettings: strict),
        .target(name: "Events", dependencies: ["Bytes", "CPrefetch"], swiftSettings: strict),
        .target(
            name: "Wire",
            dependencies: [
                "Bytes", "Events", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .target(
            name: "Admission",
            dependencies: ["Bytes", "Events", "Wire", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: daemon),
        .target(
            name: "TLS",
            dependencies: [
                "Bytes", "Events", "Wire",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: strict),
        .target(
            name: "Transport",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "TLS", "CZlib", "CDatagrams",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: daemon),
        .target(
            name: "Log",
            dependencies: ["Bytes", "Events", "CZlib", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: daemon),
        .target(
            name: "Ingest",
            dependencies: [
                "Events", "Admission", "Transport", "Log",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: daemon),
        .target(
            name: "SQLite",
            dependencies: [
                "Events", "Log",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: daemon),
        .target(
            name: "Identity",
            dependencies: [
                "Bytes", "Events", "Wire", "Log", "SQLite", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"), .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: daemon),
        .target(
            name: "Access",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "SQLite",
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: daemon),
        .target(
            name: "SQLiteLog",
            dependencies: [
                "Bytes", "Events", "Log", "SQLite", "Identity", "Access", .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: daemon),
        .target(
            name: "Projection",
            dependencies: [
                "Bytes", "Events", "Admission", "Log", "SQLite", .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: daemon),
        .target(
            name: "Presentation",
            dependencies: ["Bytes", "Events", "Wire", "Admission", "Log", "Access", "Projection"],
            swiftSettings: daemon),
        .target(
            name: "TidingsClient",
            dependencies: [
                "Bytes", "Events", "Wire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "Fleet", dependencies: ["Bytes", "Events", "Wire", "TidingsClient"], swiftSettings: daemon),
        .target(
            name: "Daemon",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "SQLite", "Identity", "Access", "SQLiteLog",
                "Projection", "Presentation", "TLS", "Transport", "Ingest",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: daemon),
        .target(
            name: "TidingsTesting",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "SQLiteLog", "Projection",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "Commands",
            dependencies: [
                "CDeflate", "CZlib", "Bytes", "Events", "Admission", "Transport", "Log", "Ingest", "SQLite", "Access",
                "SQLiteLog", "Projection",
                "Presentation", "TidingsClient", "Fleet", "Daemon",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: daemon + processorName),
        .executableTarget(
            name: "tidings", dependencies: ["CProgram", "Commands"], swiftSettings: daemon,
            linkerSettings: withRuntime),
        .systemLibrary(name: "CPrefetch"),
        .systemLibrary(name: "CDatagrams"),
        .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CProgram", cSettings: processorCheck),
        .testTarget(name: "BytesTests", dependencies: ["Bytes", "TidingsTesting"], swiftSettings: strict),
        .testTarget(name: "EventsTests", dependencies: ["Events", "TidingsTesting"], swiftSettings: strict),
        .testTarget(
            name: "WireTests",
            dependencies: [
                "Bytes", "Events", "Wire", "TidingsTesting",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AdmissionTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "TidingsTesting",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LogTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Log", "TidingsTesting",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SQLiteTests",
            dependencies: ["Events", "Log", "SQLite", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),
        .testTarget(
            name: "IdentityTests",
            dependencies: [
                "Bytes", "Events", "Log", "Identity", .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AccessTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Access", "SQLite",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SQLiteLogTests",
            dependencies: [
                "Events", "Wire", "Log", "SQLite", "Identity", "SQLiteLog", "TidingsTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ProjectionTests",
            dependencies: [
                "Bytes", "Events", "Admission", "Log", "Projection", "TidingsTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PresentationTests", dependencies: ["Events", "Log", "Projection", "Presentation"],
            swiftSettings: strict),
        .testTarget(
            name: "TLSTests",
            dependencies: ["TLS", "TidingsTesting", .product(name: "NIOSSL", package: "swift-nio-ssl")],
            swiftSettings: strict),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "TLS", "Transport", "Ingest", "TidingsClient",
                "TidingsTesting", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "IngestTests",
            dependencies: [
                "Events", "Admission", "Transport", "Log", "Ingest",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TidingsClientTests",
            dependencies: [
                "Bytes", "Events", "Wire", "TidingsClient", "TidingsTesting",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FleetTests", dependencies: ["Events", "TidingsClient", "Fleet", "TidingsTesting"],
            swiftSettings: strict),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "Access", "SQLiteLog", "Projection", "Presentation",
                "Transport", "Ingest", "TidingsClient", "Daemon", "TidingsTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "Events", "Log", "Projection", "Presentation", "TidingsClient", "Fleet", "Daemon", "Commands",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "Projection", "Transport", "Ingest", "Daemon",
                "TidingsTesting",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Bytes", "Events", "Wire", "Transport", "Log", "SQLiteLog", "Projection", "TidingsClient",
                "TidingsTesting",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TidyTests",
            dependencies: [
                "Events", "Admission", "Daemon", "Commands",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
    ]
)

// The fuzz targets are built by scripts/fuzz, which links them with libFuzzer; nobody else needs them.
if Context.environment["TIDINGS_FUZZ"] != nil {
    package.products.append(.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"]))
    package.targets.append(
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Bytes", "Events", "Wire", "Admission", "Log", "SQLiteLog", "Projection", "TLS", "Transport",
                "TidingsClient", "Daemon", "TidingsTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "NIOCore", package: "swift-nio"),
            ], path: "Fuzz/FuzzTargets", swiftSettings: strict))
}
