// EventLines: a file or a pipe of JSON lines, in runs of whole lines.
//
// Reads in large pieces, hands out up to `most` lines at a time and remembers on which line of the input each one stood
// (blank lines are passed over). A pipe that pauses gets its lines handed out at once: nothing waits for a full run.

import Glibc

/// A reader of lines that owns its descriptor unless it is standard input.
struct EventLines: ~Copyable {
    /// Longest line, in bytes; far beyond what an event within its limits needs.
    static let longest = 4 * 1024 * 1024
    /// Lines of one run.
    static let most = 1_000
    private static let chunk = 1024 * 1024

    /// What `next` found.
    enum Run {
        /// Whole lines; their bytes are valid until the next call.
        case lines(UnsafeRawBufferPointer)
        /// Nothing has come yet; asking again waits for it.
        case pause
        case end
        /// The line of this number is too long; there is nothing after it.
        case tooLong(Int)
        /// Reading failed.
        case failed(Int32)
    }

    private let descriptor: Int32
    private let isOwned: Bool
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var filled = 0
    private var isAtEnd = false
    private var mayWait = false
    private var line = 0
    private var hasBegun = false

    /// The numbers of the lines of the last run that are not blank, from 1.
    private(set) var numbers: [Int] = []
    /// Bytes handed out so far.
    private(set) var bytesTaken = 0
    /// Of a regular file; nil when the end is not known beforehand.
    let size: Int?

    /// Opens a file, or standard input for `-`.
    init(_ path: String) throws {
        if path == "-" {
            self.init(descriptor: STDIN_FILENO, isOwned: false)
            return
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure.usage("cannot open \(path.printable): \(systemError())") }
        self.init(descriptor: descriptor, isOwned: true)
    }

    init(descriptor: Int32, isOwned: Bool) {
        self.descriptor = descriptor
        self.isOwned = isOwned
        buffer = .allocate(byteCount: EventLines.chunk * 2, alignment: 16)
        var status = stat()
        let isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        size = isFile ? Int(status.st_size) : nil
    }

    deinit {
        buffer.deallocate()
        if isOwned { close(descriptor) }
    }

    /// The next run. After `.pause` the next call waits until something comes.
    mutating func next() -> Run {
        numbers.removeAll(keepingCapacity: true)
        var end = start
        while true {
            end = takeLines(from: end)
            if numbers.count >= EventLines.most { return run(to: end) }
            if isAtEnd {
                // The last line may end without a line feed.
                if end < filled, numbers.count < EventLines.most {
                    count(end..<filled)
                    end = filled
                }
                if !numbers.isEmpty { return run(to: end) }
                bytesTaken += end - start
                start = end
                return .end
            }
            if filled - end >= EventLines.longest { return numbers.isEmpty ? .tooLong(line + 1) : run(to: end) }
            guard mayWait || size != nil || isReady() else {
                if !numbers.isEmpty { return run(to: end) }
                mayWait = true
                return .pause
            }
            // A run whose pieces would have to be moved is handed out first.
            if filled == buffer.count, !numbers.isEmpty { return run(to: end) }
            if let number = fill(&end) { return .failed(number) }
            mayWait = false
        }
    }

    private mutating func run(to end: Int) -> Run {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
        bytesTaken += bytes.count
        start = end
        return .lines(bytes)
    }

    /// Counts whole lines from `position` on, up to a full run; the result is where they end.
    private mutating func takeLines(from position: Int) -> Int {
        var position = position
        let base = buffer.baseAddress!
        while numbers.count < EventLines.most, position < filled {
            guard let feed = memchr(base + position, 0x0A, filled - position) else { break }
            let lineEnd = UnsafeRawPointer(base).distance(to: UnsafeRawPointer(feed))
            count(position..<lineEnd)
            position = lineEnd + 1
        }
        return position
    }

    private mutating func count(_ range: Range<Int>) {
        line += 1
        for index in range where buffer[index] != 0x20 && buffer[index] != 0x09 && buffer[index] != 0x0D {
            numbers.append(line)
            return
        }
    }

    private func isReady() -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, 0) != 0
    }

    /// Reads once, waiting for it; the result is an error number. `end` moves with the bytes.
    private mutating func fill(_ end: inout Int) -> Int32? {
        if start > 0, filled == buffer.count || start == filled {
            buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + start, byteCount: filled - start)
            filled -= start
            end -= start
            start = 0
        }
        if filled == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
            buffer.deallocate()
            buffer = larger
        }
        while true {
            let count = read(descriptor, buffer.baseAddress! + filled, min(EventLines.chunk, buffer.count - filled))
            if count < 0 {
                if errno == EINTR { continue }
                return errno
            }
            if count == 0 { isAtEnd = true }
            filled += count
            // A byte order mark is not part of the first line.
            if !hasBegun, filled >= 3 || isAtEnd {
                hasBegun = true
                if filled >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF {
                    start = 3
                    end = 3
                }
            }
            return nil
        }
    }
}
