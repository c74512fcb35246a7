// Version: what this program calls itself. It is written down once, in the changelog of the package.

internal import CVersion

public enum Version {
    /// The version on top of `systemd/debian/changelog`, as `0.1.0`.
    public static let text: String = {
        var length = 0
        let start = UnsafeRawPointer(purser_changelog(&length)!)
        let top = UnsafeRawBufferPointer(start: start, count: length)
        guard let open = top.firstIndex(of: UInt8(ascii: "(")), let close = top[open...].firstIndex(of: UInt8(ascii: ")")) else {
            preconditionFailure("the changelog does not begin with a version")
        }
        return String(decoding: top[(open + 1)..<close], as: UTF8.self)
    }()
}
