// The fuzzer: hands one entry, named by PURSER_FUZZ_TARGET, to libFuzzer. Built only by `.ci/fuzz`. The name is in the environment
// because libFuzzer starts itself again with its own arguments when it merges.

import Glibc

@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

@_silgen_name("LLVMFuzzerMutate")
func mutateAnyhow(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int) -> Int

let chosen: FuzzEntry = {
    let name = getenv("PURSER_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let entry = FuzzEntry.named(name) { return entry }
    print("PURSER_FUZZ_TARGET is one of: " + FuzzEntry.all.map(\.name).joined(separator: " ") + ", or canary")
    exit(2)
}()

/// libFuzzer's own changes; then, most of the time, checksums that are right.
@_cdecl("LLVMFuzzerCustomMutator")
func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int, _ seed: UInt32) -> Int {
    let length = mutateAnyhow(data, size, most)
    guard let repair = chosen.repair, seed % 16 != 0 else { return length }
    var bytes = Array(UnsafeBufferPointer(start: data, count: length))
    repair(&bytes)
    let count = min(bytes.count, most)
    bytes.withUnsafeBufferPointer { data.update(from: $0.baseAddress!, count: count) }
    return count
}

func test(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    do {
        try chosen.run(Array(UnsafeBufferPointer(start: data, count: size)))
    } catch {
        print("finding: \(error)")
        fflush(nil)
        abort()
    }
    return 0
}

if CommandLine.argc == 3, CommandLine.arguments[1] == "--seeds" {
    try writeSeeds(to: CommandLine.arguments[2])
    exit(0)
}
var count = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(runDriver(&count, &arguments, { test($0, $1) }))
