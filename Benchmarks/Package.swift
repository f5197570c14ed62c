// swift-tools-version: 6.2
// The workload generator of the benchmarks: a package of its own, so that building the daemon never builds it.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "tidings-benchmarks",
    platforms: [.macOS(.v26)],
    products: [.executable(name: "generate", targets: ["Generate"])],
    targets: [
        .target(name: "Workload", swiftSettings: strict),
        .executableTarget(name: "Generate", dependencies: ["Workload"], swiftSettings: strict),
        .testTarget(name: "WorkloadTests", dependencies: ["Workload"], swiftSettings: strict),
    ]
)
