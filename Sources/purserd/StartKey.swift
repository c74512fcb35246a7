// StartKey: the API key that a start brings with it: one the operator gave as a credential, or, on a journal without any key, one that
// is made and left in a file for its owner's eyes.
//
// The journal keeps digests only. A key that it knows already is left as it is, also when it was revoked since.

import Core
import FileStorage
import Glibc
import Journal
import Ledger
import Server
import Settings

struct StartKeyError: Error {
    var status: ExitStatus
    var text: String
}

struct StartKey {
    var first: FirstKey
    /// Where it is from, for the log.
    var said: String

    /// The name of the credential (systemd's `LoadCredential=`).
    private static let credential = "purser.api-key"

    static func find(_ configuration: Configuration, _ known: KeyRing) throws(StartKeyError) -> StartKey? {
        if let given = try credentialKey() {
            let digest = given.withUnsafeBytes { Digest(sha256: $0) }
            if let record = known.records.first(where: { $0.digest == digest }) {
                if record.revokedAt != nil { Log.warning("key", "purserd: the API key of the credential \(credential) is revoked") }
                return nil
            }
            let key = FirstKey(digest: digest, hint: ApiKey.hint(given), name: "credential", isLent: true)
            return StartKey(first: key, said: "took over the API key of the credential \(credential)")
        }
        guard known.records.isEmpty else { return nil }
        let path = configuration.state + "/api-key"
        let key = existingKey(path) ?? ApiKey.make()
        guard writeKey(key, to: path) else {
            throw StartKeyError(status: .state, text: "\(path): \(String(cString: strerror(errno)))")
        }
        let first = FirstKey(digest: key.withUnsafeBytes { Digest(sha256: $0) }, hint: ApiKey.hint(key))
        return StartKey(first: first, said: "made an API key; it is in \(path)")
    }

    /// The key that the service manager handed over, if it did.
    private static func credentialKey() throws(StartKeyError) -> [UInt8]? {
        guard let directory = getenv("CREDENTIALS_DIRECTORY") else { return nil }
        let path = String(cString: directory) + "/" + credential
        guard access(path, F_OK) == 0 else { return nil }
        guard let bytes = readFile(path) else {
            throw StartKeyError(status: .usage, text: "\(path): \(String(cString: strerror(errno)))")
        }
        guard let key = text(of: bytes) else {
            throw StartKeyError(status: .usage, text: "the credential \(credential) is no API key: sk_live_ and 32 hexadecimal digits")
        }
        return key
    }

    /// A key left in the file by a first start that did not get as far as recording it.
    private static func existingKey(_ path: String) -> [UInt8]? { readFile(path).flatMap { text(of: $0) } }

    /// The key that a file holds, without the end of its line.
    private static func text(of bytes: [UInt8]) -> [UInt8]? {
        let text = Array(bytes.prefix { $0 > 0x20 })
        let digits = text.dropFirst(8)
        let areHexadecimal = digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        return text.count == 40 && text.starts(with: "sk_live_".utf8) && areHexadecimal ? text : nil
    }

    /// Writes the key for its owner's eyes only, durably.
    private static func writeKey(_ key: [UInt8], to path: String) -> Bool {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { return false }
        let bytes = key + [0x0A]
        guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            close(descriptor)
            return false
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else { return false }
        // The journal keeps its digest only: were the name lost with the power, nobody would have the key.
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        do throws(StorageError) { try FileStorage(directory: folder).syncDirectory() } catch {
            errno = error.errno
            return false
        }
        return true
    }
}
