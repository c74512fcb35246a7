// The rows about sealed segments: the segments of the rows before are sealed at once instead of later, and measured.

import Bench
import Core
import Glibc
import Journal

extension BenchSuite {
    /// Seconds that sealing all of them may take.
    private static let patience: Int64 = 60

    mutating func sealing() throws {
        daemon.stop()
        try daemon.start(configuration: "seal_after = \"at once\"\n")
        let begin = ServerUsage(process: daemon.process)
        let end = Instant.monotonic + BenchSuite.patience * 1_000_000_000
        while segments(".segment") > 2, Instant.monotonic < end { usleep(100_000) }
        // Its last file is removed a moment after it was sealed.
        usleep(200_000)
        let used = ServerUsage(process: daemon.process)
        let (bytes, events) = sealedBytes()
        guard events > 0 else { return add(.sealing, "disk per event after sealing", "<= 40 B", "no segment was left", .notMeasured) }
        let perEvent = Double(bytes) / Double(events)
        var measured = "\(BenchText.oneDigit(perEvent)) B"
        if let begin, let used, let thread = used.since(begin).first(where: { $0.name == "seal" }) {
            measured += ", \(BenchText.duration(Double(thread.nanoseconds) / Double(events))) of CPU"
        }
        add(
            .sealing, "disk per event after sealing", "<= 40 B", measured, perEvent <= 40 ? .reached : .missed,
            .fields(("bytes", .number(String(bytes))), ("events", .number(String(events)))))
        var service = Service(target: daemon.socket, key: nil, seconds: 60)
        try page(&service, "sealed events") { $0 ? .reached : .missed }
        daemon.stop()
        try daemon.start()
        let ready = daemon.readyNanoseconds
        let isFull = events >= UInt64(BenchSuite.tenMillion * 9 / 10)
        add(
            .sealing, "start to READY, \(BenchText.count(Int(events))) sealed events", "<= 2 s", BenchText.duration(Double(ready)),
            isFull ? (ready <= 2_000_000_000 ? .reached : .missed) : .notMeasured, .fields(("nanoseconds", .number(String(ready)))))
    }

    private var journal: String { daemon.state + "/journal" }

    private func names(_ suffix: String) -> [String] {
        guard let directory = opendir(journal) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(suffix) { names.append(name) }
        }
        return names
    }

    private func segments(_ suffix: String) -> Int { names(suffix).count }

    /// What sealed files take, and the events in them.
    private func sealedBytes() -> (bytes: Int, events: UInt64) {
        var (bytes, events) = (0, UInt64(0))
        for name in names(".sealed") {
            guard let number = SealedFormat.number(ofFile: name), let file = fopen(journal + "/" + name, "r") else { continue }
            defer { fclose(file) }
            var block = [UInt8](repeating: 0, count: SegmentFormat.headerBytes)
            guard fread(&block, 1, block.count, file) == block.count,
                let header = block.withUnsafeBytes({ SealedHeader.read($0, number: number) })
            else { continue }
            bytes += header.fileBytes
            events += header.events
        }
        return (bytes, events)
    }
}
