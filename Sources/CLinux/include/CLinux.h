// Calls of the Linux kernel that Swift's Glibc module leaves out: epoll with a timeout in nanoseconds, alarms, durable and direct
// writes, names of threads, who is at the other end of a Unix socket; and what Glibc hides as GNU extensions: memmem, its
// allocator's settings. Results are those of the calls; -1 and errno when they fail.
#ifndef PURSER_LINUX_H
#define PURSER_LINUX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A descriptor that is ready: `flags` holds 1 for readable (or gone), 2 for writable.
typedef struct {
    uint64_t token;
    uint32_t flags;
} purser_ready;

#define PURSER_READABLE 1u
#define PURSER_WRITABLE 2u
#define PURSER_READY_MOST 256

/// A descriptor for waiting. Sets the calling thread's timer slack to the least there is, so that waits end in time.
int purser_epoll_open(void);
/// Adds `fd` to what is waited for, or changes it. Readable always, writable when `writes` is not 0.
int purser_epoll_add(int epoll, int fd, uint64_t token, int writes);
int purser_epoll_change(int epoll, int fd, uint64_t token, int writes);
int purser_epoll_remove(int epoll, int fd);
/// Waits up to `nanoseconds` (for ever when below 0); at most PURSER_READY_MOST results at a time.
int purser_epoll_wait(int epoll, purser_ready *ready, int64_t nanoseconds);

/// Makes writes through `fd` go past the page cache, or not any more; -1 where the file system cannot.
int purser_set_direct(int fd, int on);

/// An alarm: a descriptor that becomes readable at a moment of the monotonic clock. uv's timers know whole milliseconds.
int purser_alarm_open(void);
/// Sets the moment, in nanoseconds.
int purser_alarm_set(int alarm, uint64_t at);

/// A bell: a descriptor that is readable from when it was rung until that was heard.
int purser_bell_open(void);
void purser_bell_ring(int bell);

/// Takes notice of an alarm or a bell: no longer readable.
void purser_heard(int fd);

/// What `top -H` and `perf` call the calling thread: fifteen bytes at most.
void purser_name_thread(const char *name);

/// Opens a file for reading and writing past the page cache.
int purser_open_direct(const char *path);
/// Writes at `offset`; the bytes are on disk when it returns (RWF_DSYNC).
int64_t purser_write_durable(int fd, const void *bytes, size_t count, int64_t offset);

/// The magic number of the file system that a path is on (statfs(2)); 0 when that cannot be told.
uint64_t purser_file_system(const char *path);

/// The process at the other end of a Unix socket, -1 when that is not known.
int32_t purser_peer_process(int fd);

/// The first place of `pattern` in `bytes` (memmem(3)); NULL when it is not there.
const void *purser_find(const void *bytes, size_t count, const void *pattern, size_t length);

/// Before there are threads: they share two heaps of the allocator instead of having one each.
void purser_share_heaps(void);
/// Gives back what only the start needed: free memory of the heaps, and pages of the program and its libraries that can be read again.
void purser_release_start(void);
/// Gives the whole pages of a stretch of memory back; what is read there next is zeros.
void purser_give_back(void *start, size_t bytes);
/// Gives free memory of the heaps back.
void purser_trim(void);
/// Ends the process at once, whatever its threads are at: what the kernel holds for it, locks among it, goes when the last of them is gone.
void purser_end(int status) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
