// Counts this process's allocations: its `malloc` goes before the C library's.
#pragma once

#include <stddef.h>

void startCounting(void);

/// How many allocations there were since the count was started.
long stopCounting(void);
