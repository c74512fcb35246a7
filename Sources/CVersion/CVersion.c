#include "CVersion.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

// As much as a name and the longest version take.
static const char changelog[] = {
#embed "../../systemd/debian/changelog" limit(80)
};

const char *purser_changelog(size_t *length) {
    *length = sizeof changelog;
    return changelog;
}
