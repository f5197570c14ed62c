// What the program consists of: the releases that were tested together, and what `tidings --version --verbose` prints.

import CDeflate
import CZlib
import Daemon
import SQLite

/// The releases of the packages with which all tests have passed, those that others depend on among them.
///
/// Package.swift takes these and later ones that only mend; TidyTests compares both lists, and Package.resolved.
package let testedPackages: KeyValuePairs = [
    "GRDB.swift": "7.10.0",
    "swift-argument-parser": "1.8.2",
    "swift-asn1": "1.7.4",
    "swift-async-algorithms": "1.1.4",
    "swift-atomics": "1.3.0",
    "swift-collections": "1.6.0",
    "swift-configuration": "1.4.0",
    "swift-crypto": "4.5.2",
    "swift-log": "1.16.2",
    "swift-nio": "2.101.2",
    "swift-nio-ssl": "2.37.6",
    "swift-protobuf": "1.39.0",
    "swift-service-lifecycle": "2.13.0",
    "swift-system": "1.8.1",
    "Yams": "6.2.2",
]

/// A line for the program and for each part of it: a name and a version.
///
/// SQLite's version is that of the library in use; zlib's and libdeflate's are those that were compiled against.
package func componentsText() -> String {
    var lines = [
        ("tidings", tidingsVersion), ("Swift", compilerVersion), ("SQLite", sqliteVersion()), ("zlib", ZLIB_VERSION),
        ("libdeflate", LIBDEFLATE_VERSION_STRING), ("processor", processorLevel),
    ]
    lines += testedPackages.map { ("tested with \($0.key)", $0.value) }
    return lines.map { "\($0.0) \($0.1)\n" }.joined()
}

/// As far as the language can ask for it.
private var compilerVersion: String {
    #if compiler(>=6.4)
        "6.4 or newer"
    #elseif compiler(>=6.3.2)
        "6.3.2 or newer"
    #elseif compiler(>=6.3.1)
        "6.3.1"
    #elseif compiler(>=6.3)
        "6.3"
    #else
        "6.2"
    #endif
}

/// The oldest kind of processor that the program runs on.
private var processorLevel: String {
    #if TIDINGS_X86_64_V3
        "x86-64-v3"
    #elseif arch(x86_64)
        "x86-64, as TIDINGS_CPU said"
    #elseif arch(arm64)
        "arm64"
    #else
        "of another architecture"
    #endif
}
