// Host: what the metrics say of the process, of the disk and of the log.

import Core
import Glibc
import Runtime
import Server
import Settings

enum Host {
    private static let started = EventLoop.now
    private static let pageBytes = UInt64(sysconf(Int32(_SC_PAGESIZE)))

    /// Called about once a second, on the loop: three calls of the kernel that do not wait for a disk.
    static func figures(_ state: String) -> HostFigures {
        var figures = HostFigures()
        figures.startedAt = started
        // The second number is resident pages (proc(5)).
        if let text = readFile("/proc/self/statm") {
            let words = text.split(separator: 0x20)
            if words.count > 1 { figures.residentBytes = (UInt64(String(decoding: words[1], as: UTF8.self)) ?? 0) * pageBytes }
        }
        var used = timespec()
        if clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0 {
            figures.cpuNanoseconds = UInt64(used.tv_sec) * 1_000_000_000 + UInt64(used.tv_nsec)
        }
        var disk = statvfs()
        if statvfs(state, &disk) == 0 {
            figures.diskBytes = UInt64(disk.f_blocks) * UInt64(disk.f_frsize)
            figures.diskFreeBytes = UInt64(disk.f_bavail) * UInt64(disk.f_frsize)
        }
        Log.count(into: &figures)
        return figures
    }
}
