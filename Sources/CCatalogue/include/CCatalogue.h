// The built-in price catalogue: text files inside the binary. The format is described in protocol/pricing.md; the files are
// in catalogue/, made by make_catalogue.py.
#pragma once

#include <stddef.h>

/// One provider's file. The bytes are static and are not terminated.
typedef struct {
    const char *name;
    const unsigned char *bytes;
    size_t length;
} PurserCatalogueFile;

/// How many files there are.
size_t purser_catalogue_count(void);

/// The file at `index`, which must be less than the count.
const PurserCatalogueFile *purser_catalogue_file(size_t index);

/// The rates that the catalogue's sources do not agree on, one a line; the format is in the file's first lines.
const PurserCatalogueFile *purser_catalogue_disagreements(void);
