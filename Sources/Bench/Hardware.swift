// Hardware: what a figure was measured on. A figure without it says nothing.

import CLinux
import Glibc

public struct Hardware: Equatable, Sendable {
    public var processor = "unknown processor"
    public var processors = 0
    /// Bytes.
    public var memory: Int64 = 0
    public var kernel = "unknown kernel"
    public var fileSystem = "unknown"
    /// How many wanted a processor in the last minute, as the kernel writes it.
    public var load = "unknown"

    /// This machine, and the file system that `directory` is on.
    public init(directory: String) {
        let lines = (smallFile("/proc/cpuinfo") ?? "").split(separator: "\n")
        if let line = lines.first(where: { $0.hasPrefix("model name") }), let colon = line.firstIndex(of: ":") {
            processor = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        memory = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        var names = utsname()
        if uname(&names) == 0 {
            func text<T>(_ field: T) -> String { withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }
            kernel = text(names.sysname) + " " + text(names.release)
        }
        fileSystem = Hardware.name(of: purser_file_system(directory))
        if let first = smallFile("/proc/loadavg")?.split(separator: " ").first { load = String(first) }
    }

    /// statfs(2) lists them.
    private static func name(of magic: UInt64) -> String {
        switch magic {
        case 0xEF53: "ext4"
        case 0x5846_5342: "xfs"
        case 0x9123_683E: "btrfs"
        case 0x0102_1994: "tmpfs"
        case 0x794C_7630: "overlay"
        case 0x2FC1_2FC1: "zfs"
        case 0x6969: "nfs"
        case 0x6573_5546: "fuse"
        case 0: "unknown"
        case let other: "type 0x" + String(other, radix: 16)
        }
    }
}
