// The files of the page inside the binary, and their compression. README.md says how they are served.
#pragma once

#include <stddef.h>

/// One file. The bytes are static and are not terminated.
typedef struct {
    const char *name;
    const unsigned char *bytes;
    size_t length;
} PurserPageFile;

/// How many files there are.
size_t purser_page_count(void);

/// The file at `index`, which must be less than the count.
const PurserPageFile *purser_page_file(size_t index);

/// What gzip makes of these bytes, in memory that `purser_page_free` gives back; NULL when there is no memory for it, or
/// when it would not be shorter. A few milliseconds for the longest file.
unsigned char *purser_page_gzip(const unsigned char *bytes, size_t length, size_t *compressed);

void purser_page_free(const void *gzip);
