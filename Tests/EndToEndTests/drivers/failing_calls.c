/* Between a daemon and the kernel: makes chosen calls on chosen files fail, stop short, wait, or be the last thing the process
 * does. Loaded with LD_PRELOAD; what it shall do stands in PURSER_FAULTS, rules separated by spaces:
 *
 *     CALL@PART-OF-THE-PATH@NTH=WHAT        the NTH such call, counted from 1 over all threads
 *     CALL@PART-OF-THE-PATH@NTH+=WHAT       that one and all after it
 *     CALL@PART-OF-THE-PATH@?FILE=WHAT      every one while FILE exists
 *
 * CALL is open, read, write, sync (fdatasync and fsync; pwritev2 and a write of liburing are a write and then a sync), truncate,
 * rename, unlink; ring and submit (setting up liburing, giving it a write; the path is "ring"; with a rule that waits there is no ring
 * either). WHAT is a
 * number (errno), `short:K` (a write that takes K bytes and says so), `cut:K:E` (K bytes reach the file, the call fails with errno
 * E), `die:K` (K bytes reach the file, then SIGKILL), `wait:MS`, `lie` (a sync that does nothing and says it did). Each rule says on
 * standard error when it is first followed.
 *
 * PURSER_TRACE=FILE,FOLDER writes down what happens to files below FOLDER, in order and with the monotonic clock: a write before
 * it is made, a sync after it returned. From that, power_scenarios.py makes what a disk may hold after any moment.
 *
 * Unlike `strace -e inject` it can stop a write short, counts over all threads, and costs no process switch per call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RULES = 16, TEXT = 256 };

struct rule {
    char call[16], part[TEXT], file[TEXT], what[32];
    long nth;
    int onward;
    atomic_long seen;
    atomic_int said;
};

static struct rule rules[RULES];
static int count;

static int trace = -1;
static char traced[TEXT];
static pthread_mutex_t tracing = PTHREAD_MUTEX_INITIALIZER;

/* The trace, one record a happening: kind, time, offset, length, length of the path, 1 if bytes follow (zeros do not), path, bytes. */
static void note(char kind, const char *path, uint64_t offset, uint64_t length, const void *bytes) {
    if (trace < 0 || strncmp(path, traced, strlen(traced)) != 0) return;
    int kept = errno;
    const char *data = bytes;
    int follows = bytes && length > 0 && (data[0] != 0 || memcmp(data, data + 1, length - 1) != 0);
    struct __attribute__((packed)) {
        char kind;
        uint64_t time, offset, length;
        uint16_t name;
        char follows;
    } head = {kind, 0, offset, length, (uint16_t)strlen(path), (char)follows};
    pthread_mutex_lock(&tracing);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    head.time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.name}, {(void *)data, follows ? length : 0}};
    if (writev(trace, parts, 3) < 0) _exit(98);
    pthread_mutex_unlock(&tracing);
    errno = kept;
}

static void note_of(char kind, int descriptor, uint64_t offset, uint64_t length, const void *bytes) {
    if (trace < 0) return;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t got = readlink(link, path, sizeof path - 1);
    if (got < 0) return;
    path[got] = 0;
    note(kind, path, offset, length, bytes);
}

__attribute__((constructor)) static void read_rules(void) {
    const char *place = getenv("PURSER_TRACE");
    const char *comma = place ? strchr(place, ',') : NULL;
    if (comma) {
        char file[TEXT];
        snprintf(file, sizeof file, "%.*s", (int)(comma - place), place);
        snprintf(traced, sizeof traced, "%s", comma + 1);
        trace = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    const char *text = getenv("PURSER_FAULTS");
    while (text && *text && count < RULES) {
        struct rule *r = &rules[count];
        char nth[TEXT];
        int used = 0;
        if (sscanf(text, " %15[a-z]@%255[^@ ]@%255[^= ]=%31[^ ]%n", r->call, r->part, nth, r->what, &used) != 4) {
            fprintf(stderr, "fault: not a rule: %s\n", text);
            _exit(99);
        }
        if (nth[0] == '?') {
            snprintf(r->file, sizeof r->file, "%.254s", nth + 1);
        } else {
            char *end;
            r->nth = strtol(nth, &end, 10);
            r->onward = *end == '+';
        }
        text += used;
        count++;
    }
    unsetenv("LD_PRELOAD");
}

static void say(struct rule *r, const char *path, long nth) {
    if (atomic_exchange(&r->said, 1)) return;
    char line[512];
    int length = snprintf(line, sizeof line, "fault: %s %ld of %.300s: %s\n", r->call, nth, path, r->what);
    if (write(2, line, (size_t)length) < 0) return;
}

/* The rule that holds for this call, if any. */
static struct rule *rule_for(const char *call, const char *path) {
    struct rule *found = NULL;
    for (int i = 0; i < count; i++) {
        struct rule *r = &rules[i];
        if (strcmp(r->call, call) != 0 || strstr(path, r->part) == NULL) continue;
        long nth = atomic_fetch_add(&r->seen, 1) + 1;
        int holds = r->file[0] ? access(r->file, F_OK) == 0 : nth == r->nth || (r->onward && nth > r->nth);
        if (!holds || found) continue;
        say(r, path, nth);
        found = r;
    }
    return found;
}

static struct rule *rule_of(const char *call, int descriptor) {
    if (count == 0) return NULL;
    int kept = errno;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return NULL;
    path[length] = 0;
    return rule_for(call, path);
}

static void pause_for(long milliseconds) {
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) continue;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Follows a rule for a call that moves no bytes; 1 when the call is not to be made, errno set. */
static int fails(struct rule *r) {
    if (!r) return 0;
    if (strncmp(r->what, "wait:", 5) == 0) {
        pause_for(atol(r->what + 5));
        return 0;
    }
    if (strncmp(r->what, "die", 3) == 0) die();
    errno = atoi(r->what);
    return 1;
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A part of a write. Past the page cache no part of a sector can be written, so there it goes another way. */
static ssize_t part_of(int fd, const void *bytes, size_t part, off_t at) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int kept = errno;
    /* Only then: closing a second descriptor would give up the locks that SQLite has on its file. */
    int isDirect = (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
    int plain = isDirect ? (int)syscall(SYS_openat, AT_FDCWD, link, O_WRONLY | O_CLOEXEC, 0) : fd;
    if (plain < 0) return -1;
    ssize_t done = 0;
    while ((size_t)done < part) {
        ssize_t got = syscall(SYS_pwrite64, plain, (const char *)bytes + done, part - (size_t)done, at + done);
        if (got <= 0) break;
        done += got;
    }
    if (isDirect) syscall(SYS_close, plain);
    errno = kept;
    return done;
}

/* Follows a rule for a write. 0 when the call is to be made after all; else what it gives, in `result`. */
static int writes_by(struct rule *r, int fd, const void *bytes, size_t length, off_t at, ssize_t *result) {
    const char *colon = strchr(r->what, ':');
    size_t part = colon ? (size_t)atol(colon + 1) : 0;
    if (part > length) part = length;
    if (strncmp(r->what, "short:", 6) == 0) {
        *result = part_of(fd, bytes, part, at);
        return 1;
    }
    int isCut = strncmp(r->what, "cut:", 4) == 0;
    if (isCut || strncmp(r->what, "die:", 4) == 0) {
        part_of(fd, bytes, part, at);
        if (!isCut) die();
        errno = atoi(strrchr(r->what, ':') + 1);
        *result = -1;
        return 1;
    }
    *result = -1;
    return fails(r);
}

/* On the machines this is for, off_t has 64 bits and the two names of each call are one. */
static ssize_t write_at(__typeof__(&pwrite) next, int fd, const void *bytes, size_t length, off_t at) {
    struct rule *r = rule_of("write", fd);
    ssize_t result;
    if (r && writes_by(r, fd, bytes, length, at, &result)) return result;
    if (!r) note_of('w', fd, (uint64_t)at, length, bytes);
    return next(fd, bytes, length, at);
}

/* A durable write is a write and a sync, and rules for either hold for it. */
ssize_t pwritev2(int fd, const struct iovec *parts, int number, off_t at, int flags) {
    NEXT(pwritev2);
    if (number != 1) return next(fd, parts, number, at, flags);
    const void *bytes = parts->iov_base;
    size_t length = parts->iov_len;
    struct rule *r = rule_of("write", fd);
    ssize_t result;
    if (r && writes_by(r, fd, bytes, length, at, &result)) return result;
    if (!r) note_of('w', fd, (uint64_t)at, length, bytes);
    struct rule *sync = flags & RWF_DSYNC ? rule_of("sync", fd) : NULL;
    if (sync && strcmp(sync->what, "lie") == 0) return next(fd, parts, number, at, flags & ~RWF_DSYNC);
    if (sync) next(fd, parts, number, at, flags & ~RWF_DSYNC);
    if (fails(sync)) return -1;
    ssize_t done = next(fd, parts, number, at, flags);
    if (done == (ssize_t)length && flags & RWF_DSYNC) note_of('s', fd, 0, 0, NULL);
    return done;
}

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *parameters) {
    NEXT(io_uring_queue_init_params);
    /* A write that waits shall not hold whoever begins it: the thread makes it. */
    for (int i = 0; i < count; i++) {
        if (strncmp(rules[i].what, "wait:", 5) == 0) return -ENOSYS;
    }
    if (count && fails(rule_for("ring", "ring"))) return -errno;
    return next(entries, ring, parameters);
}

/* The durable write that was begun last, and what is to be said of it instead of the truth. */
static struct {
    int fd, isChanged, result;
    uint64_t length;
} begun;

int io_uring_submit(struct io_uring *ring) {
    NEXT(io_uring_submit);
    struct io_uring_sqe *entry = &ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask];
    if (entry->opcode != IORING_OP_WRITE) return next(ring);
    if (count && fails(rule_for("submit", "ring"))) return -errno;
    const void *bytes = (const void *)(uintptr_t)entry->addr;
    begun.fd = entry->fd;
    begun.length = entry->len;
    struct rule *r = rule_of("write", entry->fd);
    ssize_t result;
    begun.isChanged = r && writes_by(r, entry->fd, bytes, entry->len, (off_t)entry->off, &result);
    if (begun.isChanged) {
        begun.result = result < 0 ? -errno : (int)result;
        entry->opcode = IORING_OP_NOP;
        entry->rw_flags = 0;
        return next(ring);
    }
    note_of('w', entry->fd, entry->off, entry->len, bytes);
    struct rule *sync = rule_of("sync", entry->fd);
    if (!sync) return next(ring);
    entry->rw_flags &= ~RWF_DSYNC;
    /* Nothing is noted of it. */
    if (strcmp(sync->what, "lie") == 0) begun.length = UINT64_MAX;
    if (strcmp(sync->what, "lie") == 0) return next(ring);
    begun.isChanged = fails(sync);
    begun.result = -errno;
    return next(ring);
}

unsigned io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **entries, unsigned most) {
    NEXT(io_uring_peek_batch_cqe);
    unsigned got = next(ring, entries, most);
    if (got == 1 && begun.isChanged) {
        entries[0]->res = begun.result;
    } else if (got == 1 && (uint64_t)entries[0]->res == begun.length) {
        note_of('s', begun.fd, 0, 0, NULL);
    }
    return got;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    NEXT(pwrite);
    return write_at(next, fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    NEXT(pwrite64);
    return write_at(next, fd, bytes, length, at);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
    NEXT(pread);
    return fails(rule_of("read", fd)) ? -1 : next(fd, bytes, length, at);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
    NEXT(pread64);
    return fails(rule_of("read", fd)) ? -1 : next(fd, bytes, length, at);
}

static int sync_of(int (*next)(int), int fd) {
    struct rule *r = rule_of("sync", fd);
    if (r && strcmp(r->what, "lie") == 0) return 0;
    if (fails(r)) return -1;
    int result = next(fd);
    if (result == 0) note_of('s', fd, 0, 0, NULL);
    return result;
}

int fdatasync(int fd) {
    NEXT(fdatasync);
    return sync_of(next, fd);
}

int fsync(int fd) {
    NEXT(fsync);
    return sync_of(next, fd);
}

int ftruncate(int fd, off_t length) {
    NEXT(ftruncate);
    if (fails(rule_of("truncate", fd))) return -1;
    note_of('t', fd, (uint64_t)length, 0, NULL);
    return next(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    NEXT(ftruncate64);
    if (fails(rule_of("truncate", fd))) return -1;
    note_of('t', fd, (uint64_t)length, 0, NULL);
    return next(fd, length);
}

int rename(const char *from, const char *to) {
    NEXT(rename);
    if (count && fails(rule_for("rename", from))) return -1;
    note('r', from, 0, strlen(to) + 1, to);
    return next(from, to);
}

int unlink(const char *path) {
    NEXT(unlink);
    if (count && fails(rule_for("unlink", path))) return -1;
    note('u', path, 0, 0, NULL);
    return next(path);
}

static mode_t mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; }

int open(const char *path, int flags, ...) {
    NEXT(open);
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    if (count && fails(rule_for("open", path))) return -1;
    if (flags & O_CREAT && trace >= 0 && access(path, F_OK) != 0) note('c', path, 0, 0, NULL);
    return next(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    NEXT(open64);
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    if (count && fails(rule_for("open", path))) return -1;
    if (flags & O_CREAT && trace >= 0 && access(path, F_OK) != 0) note('c', path, 0, 0, NULL);
    return next(path, flags, mode);
}
