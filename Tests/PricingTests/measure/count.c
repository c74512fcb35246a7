// Counts allocations by standing before the C library's functions. For one thread.
#include "count.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static int counting;
static long allocations;

void startCounting(void) {
    allocations = 0;
    counting = 1;
}

long stopCounting(void) {
    counting = 0;
    return allocations;
}

void *malloc(size_t size) {
    allocations += counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations += counting;
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    allocations += counting;
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocations += counting;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    allocations += counting;
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : 12;
}
