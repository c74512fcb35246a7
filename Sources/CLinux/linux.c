#define _GNU_SOURCE
#include "CLinux.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

int purser_epoll_open(void) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return epoll_create1(EPOLL_CLOEXEC);
}

static int control(int epoll, int operation, int fd, uint64_t token, int writes) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (writes ? EPOLLOUT : 0), .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event);
}

int purser_epoll_add(int epoll, int fd, uint64_t token, int writes) { return control(epoll, EPOLL_CTL_ADD, fd, token, writes); }

int purser_epoll_change(int epoll, int fd, uint64_t token, int writes) { return control(epoll, EPOLL_CTL_MOD, fd, token, writes); }

int purser_epoll_remove(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

int purser_epoll_wait(int epoll, purser_ready *ready, int64_t nanoseconds) {
    struct epoll_event events[PURSER_READY_MOST];
    struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = epoll_pwait2(epoll, events, PURSER_READY_MOST, nanoseconds < 0 ? NULL : &limit, NULL);
    // Kernels before 5.11 wait in whole milliseconds.
    if (count < 0 && errno == ENOSYS) {
        int64_t milliseconds = nanoseconds < 0 ? -1 : (nanoseconds + 999999) / 1000000;
        count = epoll_wait(epoll, events, PURSER_READY_MOST, milliseconds > 60000 ? 60000 : (int)milliseconds);
    }
    for (int i = 0; i < count; i++) {
        ready[i].token = events[i].data.u64;
        uint32_t flags = events[i].events;
        ready[i].flags = (flags & ~(uint32_t)EPOLLOUT ? PURSER_READABLE : 0) | (flags & EPOLLOUT ? PURSER_WRITABLE : 0);
    }
    return count;
}

int purser_set_direct(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

int purser_alarm_open(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC); }

int purser_alarm_set(int alarm, uint64_t at) {
    struct itimerspec moment = {.it_value = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)}};
    return timerfd_settime(alarm, TFD_TIMER_ABSTIME, &moment, NULL);
}

void purser_heard(int fd) {
    uint64_t count;
    // Nothing to be read means that an alarm was set anew meanwhile.
    if (read(fd, &count, sizeof count) < 0) return;
}

int purser_bell_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void purser_bell_ring(int bell) {
    uint64_t one = 1;
    // It fails only when it has been rung and not heard 2^64 times.
    if (write(bell, &one, sizeof one) < 0) return;
}

void purser_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL); }

int purser_open_direct(const char *path) { return open(path, O_RDWR | O_DIRECT | O_CLOEXEC); }

int64_t purser_write_durable(int fd, const void *bytes, size_t count, int64_t offset) {
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    return pwritev2(fd, &vector, 1, offset, RWF_DSYNC);
}

int32_t purser_peer_process(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return -1;
    return peer.pid;
}

const void *purser_find(const void *bytes, size_t count, const void *pattern, size_t length) {
    return memmem(bytes, count, pattern, length);
}

void purser_share_heaps(void) { mallopt(M_ARENA_MAX, 2); }

// Pages of a file that are only read: what of them is used again comes back from the page cache, sixteen at a time.
static int release(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void purser_release_start(void) {
    malloc_trim(0);
    dl_iterate_phdr(release, NULL);
}

void purser_give_back(void *start, size_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)start + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)start + bytes) & ~(page - 1);
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

// Of the sanitizers' runtime, where it is linked: it would look at the end of `exit`.
extern void __lsan_do_leak_check(void) __attribute__((weak));

void purser_end(int status) {
    fflush(NULL);
    if (__lsan_do_leak_check) __lsan_do_leak_check();
    _exit(status);
}

void purser_trim(void) { malloc_trim(0); }

uint64_t purser_file_system(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (uint32_t)status.f_type : 0;
}
