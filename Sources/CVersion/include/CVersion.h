// The top of the package's changelog, as bytes inside the binary: what is released and what runs have one number.
#ifndef PURSER_CVERSION_H
#define PURSER_CVERSION_H

#include <stddef.h>

/// The first bytes of `systemd/debian/changelog`: `purser (VERSION) …`.
const char *purser_changelog(size_t *length);

#endif
