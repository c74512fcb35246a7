// libcurl behind a C face: one document fetched into the caller's hands.
//
// libcurl is not linked: it and what it brings (TLS, compression) take as much memory as the daemon itself, so it is loaded
// when something is fetched for the first time, and a process that never fetches never pays for it.
#ifndef PURSER_CCURL_H
#define PURSER_CCURL_H

#include <stddef.h>

/// What became of a fetch.
enum {
    purser_fetch_done = 0,         ///< an answer came, whatever its status
    purser_fetch_no_library = 1,   ///< libcurl is not installed
    purser_fetch_bad_address = 2,  ///< not an address that may be fetched
    purser_fetch_unreachable = 3,  ///< no such host, or nobody takes the call
    purser_fetch_untrusted = 4,    ///< the certificate, or TLS as such
    purser_fetch_timeout = 5,
    purser_fetch_too_large = 6,
    purser_fetch_redirect = 7,     ///< too many, or to somewhere that may not be fetched
    purser_fetch_broken = 8,       ///< anything else that ended it
};

/// What is handed to the caller.
enum {
    purser_fetch_body = 0,
    purser_fetch_etag = 1,
};

/// Takes `count` bytes of the body, in order, or a whole entity tag; non-zero ends the fetch as too large.
typedef int (*purser_fetch_take)(void *context, int what, const void *bytes, size_t count);

/// Fetches `address` over HTTPS with the certificate verified, or over HTTP from this machine itself. Redirects are followed
/// to HTTPS only, at most `redirects` of them. Gives up after `connect_seconds` without a connection, `seconds` in all, and
/// when less than 1 kB/s comes for 20 seconds. A body of an answer of status 200 goes to `take`; others are read past.
/// `etag` is sent as If-None-Match unless NULL; `authorities` is a file of certificates to trust in place of the system's
/// unless NULL. `status` gets the HTTP status, `message` a sentence when the result is not `purser_fetch_done`.
/// May be called from several threads.
int purser_fetch(const char *address, const char *agent, const char *etag, const char *authorities, long connect_seconds,
                 long seconds, long redirects, size_t limit, purser_fetch_take take, void *context, long *status, char *message,
                 size_t message_size);

/// Whether libcurl has been loaded into this process.
int purser_fetch_is_loaded(void);

#endif
