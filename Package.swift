// swift-tools-version: 6.3
import PackageDescription

// Purser: targets are rooms. What a room may import is the list beside it, and nothing else;
// `TidyTests` compares every `import` line in Sources/ with this file and with the table in
// Sources/README.md.

// `.ci/fuzz` sets this: every room gets coverage counters and AddressSanitizer, and there is one more executable, the fuzzer.
let isFuzzed = Context.environment["PURSER_FUZZ"] != nil
let cFuzzed = ["-fsanitize=fuzzer-no-link,address", "-g"]

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
    ] + (isFuzzed ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing", "-g"])] : [])

let cSettings: [CSetting] = [.treatAllWarnings(as: .error)] + (isFuzzed ? [.unsafeFlags(cFuzzed)] : [])
let cxxSettings: [CXXSetting] = [.treatAllWarnings(as: .error)] + (isFuzzed ? [.unsafeFlags(cFuzzed)] : [])

/// What the fuzz targets reach: everything that reads bytes from outside.
let fuzzedRooms: [Target.Dependency] = [
    "Settings", "Server", "Ledger", "Upstream", "Pricing", "Journal", "Toml", "Wire", "Frames", "Core", "CLinux",
]

let package = Package(
    name: "purser",
    products: [
        .executable(name: "purserd", targets: ["purserd"]),
        .executable(name: "purser", targets: ["purser"]),
        .library(name: "PurserClient", targets: ["Client"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // System libraries, one module map each.
        .systemLibrary(name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),

        // Thin shims over C and C++ libraries and compiler intrinsics.
        .target(name: "CHash", cSettings: cSettings),
        .target(name: "CVersion", cSettings: cSettings),
        .target(name: "CSimdjson", cxxSettings: cxxSettings, linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CToml", cxxSettings: cxxSettings),
        .target(name: "CCurl", cSettings: cSettings),
        .target(name: "CLinux", cSettings: cSettings),
        .target(name: "CRing", cSettings: cSettings, linkerSettings: [.linkedLibrary("uring")]),
        .target(
            name: "CCatalogue",
            exclude: [
                "catalogue", "make_catalogue.py", "catalogue_names.py", "catalogue_providers.py", "genai_rows.py", "litellm_rows.py",
                "merge.py", "NOTICE",
            ], cSettings: cSettings),

        // The page, inside the binary.
        .target(name: "Dashboard", exclude: ["README.md", "page"], cSettings: cSettings, linkerSettings: [.linkedLibrary("z")]),

        // Pure rooms: no Foundation, no I/O.
        .target(name: "Core", dependencies: ["CHash", "CSodium", "CVersion"], swiftSettings: settings),
        .target(name: "Frames", dependencies: ["Core"], swiftSettings: settings),
        .target(name: "Wire", dependencies: ["CSimdjson", "Core"], swiftSettings: settings),
        .target(name: "Toml", dependencies: ["CToml"], swiftSettings: settings),
        .target(name: "Pricing", dependencies: ["CCatalogue", "Core", "Toml"], swiftSettings: settings),
        .target(name: "Upstream", dependencies: ["Wire", "Pricing", "Core"], swiftSettings: settings),
        .target(name: "Journal", dependencies: ["Core"], swiftSettings: settings),
        .target(name: "Ledger", dependencies: ["Pricing", "Journal", "Core"], swiftSettings: settings),
        .target(
            name: "Server",
            dependencies: ["Dashboard", "Frames", "Wire", "Ledger", "Pricing", "Journal", "Core"],
            swiftSettings: settings
        ),

        // The world of the rooms above, made up.
        .target(
            name: "Simulator", dependencies: ["Server", "Ledger", "Frames", "Pricing", "Journal", "Core"],
            exclude: ["README.md"], swiftSettings: settings),

        // Rooms that touch the world.
        .target(name: "Fetch", dependencies: ["CCurl", "Core"], swiftSettings: settings),
        .target(name: "FileStorage", dependencies: ["CLinux", "Journal", "Core"], swiftSettings: settings),
        .target(name: "Sealing", dependencies: ["CZstd", "Journal", "Core"], swiftSettings: settings),
        .target(name: "Projection", dependencies: ["CSQLite", "Core", "Journal", "Pricing"], swiftSettings: settings),
        .target(
            name: "Runtime",
            dependencies: ["CUV", "CLinux", "CRing", "FileStorage", "Server", "Journal", "Core"],
            swiftSettings: settings
        ),
        .target(name: "Settings", dependencies: ["Runtime", "Server", "Toml", "Core"], swiftSettings: settings),
        .target(name: "Client", dependencies: ["Frames", "Core"], swiftSettings: settings),
        .target(name: "Bench", dependencies: ["CLinux", "Client", "Frames", "Core"], exclude: ["README.md"], swiftSettings: settings),

        .executableTarget(
            name: "purserd",
            dependencies: [
                "Settings", "Runtime", "FileStorage", "Sealing", "Projection", "Server", "Ledger", "Journal", "Upstream", "Fetch",
                "Pricing", "Core", "CLinux",
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "purser",
            dependencies: [
                "Bench", "Client", "FileStorage", "Sealing", "Journal", "Upstream", "Fetch", "Pricing", "Wire", "Frames", "Core",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),

        .executableTarget(name: "purser-sim", dependencies: ["Simulator"], swiftSettings: settings),

        .testTarget(name: "CoreTests", dependencies: ["Core", "CHash"], exclude: ["oracle"], swiftSettings: settings),
        .testTarget(
            name: "FramesTests",
            dependencies: ["Frames", "Client", "Core"],
            exclude: ["purser_frames.py"],
            swiftSettings: settings
        ),
        .testTarget(name: "WireTests", dependencies: ["Wire", "Core"], swiftSettings: settings),
        .testTarget(
            name: "PricingTests", dependencies: ["Pricing", "Toml", "Core"], exclude: ["oracle.py", "oracle", "measure"],
            swiftSettings: settings),
        .testTarget(
            name: "UpstreamTests", dependencies: ["Upstream", "Wire", "Pricing", "Core"], exclude: ["genai_json.py", "litellm_json.py"],
            resources: [.copy("fixtures")], swiftSettings: settings),
        .testTarget(name: "FetchTests", dependencies: ["Fetch", "Core"], exclude: ["server.py"], swiftSettings: settings),
        .testTarget(name: "JournalTests", dependencies: ["Journal", "Sealing", "FileStorage", "Core"], swiftSettings: settings),
        .testTarget(
            name: "LedgerTests", dependencies: ["Ledger", "FileStorage", "Pricing", "Journal", "Core"], exclude: ["measure"],
            swiftSettings: settings),
        .testTarget(
            name: "ServerTests", dependencies: ["Server", "Ledger", "Frames", "Wire", "Pricing", "Journal", "Core"], swiftSettings: settings
        ),
        .testTarget(name: "SimulatorTests", dependencies: ["Simulator", "Journal", "Core"], swiftSettings: settings),
        .testTarget(
            name: "ProjectionTests", dependencies: ["Projection", "FileStorage", "Journal", "Pricing", "Core"], exclude: ["oracle"],
            swiftSettings: settings),
        .testTarget(name: "BenchTests", dependencies: ["Bench", "Frames", "Core"], swiftSettings: settings),
        .testTarget(
            name: "ToolTests", dependencies: ["purser", "Client", "Frames", "Upstream", "Wire", "Pricing", "Core"], swiftSettings: settings),
        // Reads the sources, the protocol pages and this file; and drives the built binaries.
        .testTarget(name: "TidyTests", dependencies: ["Core"], swiftSettings: settings),
        // Every seed and every input that ever failed, through the entries that the fuzzer calls (see `isFuzzed`).
        .testTarget(
            name: "FuzzCorpusTests", dependencies: fuzzedRooms, path: "Tests/Fuzz",
            exclude: ["Driver", "dictionaries", "found", "sanitizers", "seeds"],
            sources: ["Replay", "Entries"], swiftSettings: settings),
        .testTarget(name: "EndToEndTests", dependencies: ["purserd", "purser"], exclude: ["drivers"], swiftSettings: settings),
    ],
    cLanguageStandard: .c17,
    cxxLanguageStandard: .cxx20
)

if isFuzzed {
    package.targets.removeAll { $0.name == "FuzzCorpusTests" }
    package.targets.append(
        .executableTarget(
            name: "purser-fuzz",
            dependencies: fuzzedRooms, path: "Tests/Fuzz", exclude: ["Replay", "dictionaries", "found", "sanitizers", "seeds"],
            sources: ["Driver", "Entries"], swiftSettings: settings,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]))
}
