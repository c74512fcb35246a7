// One durable write at a time, given to the kernel through liburing by a thread that goes on meanwhile. All calls come from the thread
// that opened the ring.
#ifndef PURSER_RING_H
#define PURSER_RING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct purser_ring purser_ring;

/// NULL and errno where the kernel, or who set the machine up, gives none.
purser_ring *purser_ring_open(void);

/// Waits for nobody: a write that is under way goes on.
void purser_ring_close(purser_ring *ring);

/// Readable when a write is over, until that was asked for.
int purser_ring_descriptor(const purser_ring *ring);

/// Begins to write at `offset`; the bytes are on disk when the write is over (RWF_DSYNC), and must stay where they are until then. -1
/// and errno when the kernel did not take it: nothing will be written, and the ring is good for nothing but to be closed.
int purser_ring_write(purser_ring *ring, int fd, const void *bytes, size_t count, int64_t offset);

/// 1 when the write is over; `result` is then the bytes written, or the negative number of why none were. 0 while it goes on.
int purser_ring_result(purser_ring *ring, int64_t *result);

/// Returns when the write is over.
void purser_ring_wait(purser_ring *ring);

#ifdef __cplusplus
}
#endif

#endif
