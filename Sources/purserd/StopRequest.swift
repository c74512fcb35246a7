// StopRequest: SIGTERM and SIGINT before there is a loop that hears them, which with a long journal is seconds.
//
// The handler only takes a note. It is looked at after each batch of the journal, and once the loop listens for signals itself;
// nothing that is written meanwhile (files of keys) is cut short.

import Glibc

enum StopRequest {
    private nonisolated(unsafe) static var note: sig_atomic_t = 0

    static var isThere: Bool { note != 0 }

    /// From now on a signal is noted instead of ending the process.
    static func watch() {
        for number in [SIGTERM, SIGINT] { signal(number) { _ in StopRequest.note = 1 } }
    }
}
