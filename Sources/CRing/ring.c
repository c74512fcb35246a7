#define _GNU_SOURCE
#include "CRing.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>

struct purser_ring {
    struct io_uring ring;
};

static int open_with(purser_ring *ring, unsigned flags) {
    struct io_uring_params parameters = {.flags = flags};
    return io_uring_queue_init_params(4, &ring->ring, &parameters);
}

purser_ring *purser_ring_open(void) {
    purser_ring *ring = malloc(sizeof *ring);
    if (!ring) return NULL;
    // What is over is told when the thread is in the kernel anyway, not by an interrupt. Kernels before 6.0 know less of it.
    int status = open_with(ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN);
    if (status == -EINVAL) status = open_with(ring, 0);
    if (status == 0 && !(ring->ring.features & IORING_FEAT_NODROP)) {
        io_uring_queue_exit(&ring->ring);
        status = -ENOSYS;
    }
    if (status == 0) {
        io_uring_ring_dontfork(&ring->ring);
        return ring;
    }
    free(ring);
    errno = -status;
    return NULL;
}

void purser_ring_close(purser_ring *ring) {
    io_uring_queue_exit(&ring->ring);
    free(ring);
}

int purser_ring_descriptor(const purser_ring *ring) { return ring->ring.ring_fd; }

int purser_ring_write(purser_ring *ring, int fd, const void *bytes, size_t count, int64_t offset) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    if (!entry || count > INT32_MAX) {
        errno = EOVERFLOW;
        return -1;
    }
    io_uring_prep_write(entry, fd, bytes, (unsigned)count, (uint64_t)offset);
    entry->rw_flags = RWF_DSYNC;
    int taken = io_uring_submit(&ring->ring);
    if (taken == 1) return 0;
    errno = taken < 0 ? -taken : EAGAIN;
    return -1;
}

int purser_ring_result(purser_ring *ring, int64_t *result) {
    struct io_uring_cqe *entry;
    if (io_uring_peek_batch_cqe(&ring->ring, &entry, 1) != 1) return 0;
    *result = entry->res;
    io_uring_cqe_seen(&ring->ring, entry);
    return 1;
}

void purser_ring_wait(purser_ring *ring) {
    struct io_uring_cqe *entry;
    while (io_uring_wait_cqe(&ring->ring, &entry) == -EINTR) continue;
}
