// DescriptorTable: the files kept open, eight at most. A descriptor in use is never closed; the one unused for longest
// makes room.

internal import Glibc

struct DescriptorTable: ~Copyable {
    /// A descriptor lent out. It is good until `give`.
    struct Slot {
        let index: Int
        let descriptor: Int32
    }

    private struct Entry {
        var file = ""
        /// Opened to write past the page cache.
        var isDirect = false
        var descriptor: Int32 = -1
        var users = 0
        var lastUse: UInt64 = 0
        /// Renamed or removed: close it when the last user is done.
        var isForgotten = false
    }

    private var entries = [Entry](repeating: Entry(), count: 8)
    private var uses: UInt64 = 0

    /// Lends the descriptor of an open file.
    mutating func take(_ file: String, direct: Bool = false) -> Slot? {
        for index in entries.indices where entries[index].descriptor >= 0 && !entries[index].isForgotten {
            if entries[index].isDirect == direct, entries[index].file == file { return lend(index) }
        }
        return nil
    }

    /// Keeps a descriptor and lends it. When the same file was opened meanwhile, that one is lent and this one closed.
    /// nil when every slot is in use; then the caller keeps the descriptor.
    mutating func insert(_ file: String, _ descriptor: Int32, direct: Bool = false) -> Slot? {
        if let present = take(file, direct: direct) {
            close(descriptor)
            return present
        }
        var best: Int?
        for index in entries.indices where entries[index].users == 0 {
            if entries[index].descriptor < 0 {
                best = index
                break
            }
            if best == nil || entries[index].lastUse < entries[best!].lastUse { best = index }
        }
        guard let best else { return nil }
        if entries[best].descriptor >= 0 { close(entries[best].descriptor) }
        entries[best] = Entry(file: file, isDirect: direct, descriptor: descriptor)
        return lend(best)
    }

    private mutating func lend(_ index: Int) -> Slot {
        uses += 1
        entries[index].users += 1
        entries[index].lastUse = uses
        return Slot(index: index, descriptor: entries[index].descriptor)
    }

    /// Takes a lent descriptor back.
    mutating func give(_ slot: Slot) {
        entries[slot.index].users -= 1
        if entries[slot.index].isForgotten, entries[slot.index].users == 0 { drop(slot.index) }
    }

    /// The name means another file from now on, or none.
    mutating func forget(_ file: String) {
        for index in entries.indices where entries[index].descriptor >= 0 && entries[index].file == file {
            entries[index].isForgotten = true
            if entries[index].users == 0 { drop(index) }
        }
    }

    private mutating func drop(_ index: Int) {
        close(entries[index].descriptor)
        entries[index] = Entry()
    }

    mutating func closeAll() {
        for index in entries.indices where entries[index].descriptor >= 0 { drop(index) }
    }
}
