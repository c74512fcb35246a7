#include "CCurl.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// The functions of libcurl that are used, found by name once. Its header gives their types and the option numbers, which
// are the same for every libcurl.so.4.
static struct {
    __typeof__(&curl_global_init) global_init;
    __typeof__(&curl_easy_init) easy_init;
    __typeof__(&curl_easy_setopt) setopt;
    __typeof__(&curl_easy_perform) perform;
    __typeof__(&curl_easy_getinfo) getinfo;
    __typeof__(&curl_easy_cleanup) cleanup;
    __typeof__(&curl_easy_strerror) strerror;
    __typeof__(&curl_slist_append) slist_append;
    __typeof__(&curl_slist_free_all) slist_free_all;
    __typeof__(&curl_url) url;
    __typeof__(&curl_url_set) url_set;
    __typeof__(&curl_url_get) url_get;
    __typeof__(&curl_url_cleanup) url_cleanup;
    __typeof__(&curl_free) free;
} curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int loaded;

static void load(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    int whole = 1;
#define FIND(member, name) whole &= (curl.member = (__typeof__(curl.member))dlsym(library, name)) != NULL
    FIND(global_init, "curl_global_init");
    FIND(easy_init, "curl_easy_init");
    FIND(setopt, "curl_easy_setopt");
    FIND(perform, "curl_easy_perform");
    FIND(getinfo, "curl_easy_getinfo");
    FIND(cleanup, "curl_easy_cleanup");
    FIND(strerror, "curl_easy_strerror");
    FIND(slist_append, "curl_slist_append");
    FIND(slist_free_all, "curl_slist_free_all");
    FIND(url, "curl_url");
    FIND(url_set, "curl_url_set");
    FIND(url_get, "curl_url_get");
    FIND(url_cleanup, "curl_url_cleanup");
    FIND(free, "curl_free");
#undef FIND
    // Never unloaded: the TLS library behind it leaves handlers with the process.
    if (whole && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) atomic_store(&loaded, 1);
}

int purser_fetch_is_loaded(void) { return atomic_load(&loaded); }

// One fetch under way.
typedef struct {
    CURL *handle;
    purser_fetch_take take;
    void *context;
    size_t limit, taken;
    int too_large;
} Fetch;

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    Fetch *fetch = context;
    size_t length = size * count;
    long status = 0;
    curl.getinfo(fetch->handle, CURLINFO_RESPONSE_CODE, &status);
    if (length > fetch->limit - fetch->taken) {
        fetch->too_large = 1;
        return 0;
    }
    fetch->taken += length;
    if (status == 200 && length > 0 && fetch->take(fetch->context, purser_fetch_body, bytes, length) != 0) {
        fetch->too_large = 1;
        return 0;
    }
    return length;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    Fetch *fetch = context;
    size_t length = size * count, start = 5, end = length;
    if (length > start && strncasecmp(bytes, "etag:", start) == 0) {
        while (start < end && (bytes[start] == ' ' || bytes[start] == '\t')) start++;
        while (end > start && (bytes[end - 1] == '\r' || bytes[end - 1] == '\n' || bytes[end - 1] == ' ')) end--;
        fetch->take(fetch->context, purser_fetch_etag, bytes + start, end - start);
    } else if (length > 5 && strncmp(bytes, "HTTP/", 5) == 0) {
        // Another answer begins, after a redirect: the tag of the one before is not its.
        fetch->take(fetch->context, purser_fetch_etag, "", 0);
    }
    return length;
}

// Whether a host, as an address names it, is this machine.
static int is_loopback(const char *host) {
    struct in_addr four;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127);
}

// 0 when the address may be fetched, 1 for HTTPS; -1 with a message when it may not.
static int check(const char *address, char *message, size_t message_size) {
    CURLU *url = curl.url();
    char *scheme = NULL, *host = NULL;
    int result = -1;
    if (!url || curl.url_set(url, CURLUPART_URL, address, 0) != CURLUE_OK || curl.url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl.url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        snprintf(message, message_size, "not an address");
    } else if (strcmp(scheme, "https") == 0) {
        result = 1;
    } else if (strcmp(scheme, "http") != 0) {
        snprintf(message, message_size, "only https addresses are fetched");
    } else if (!is_loopback(host)) {
        snprintf(message, message_size, "http is for this machine itself; use https");
    } else {
        result = 0;
    }
    if (scheme) curl.free(scheme);
    if (host) curl.free(host);
    if (url) curl.url_cleanup(url);
    return result;
}

static int outcome(CURLcode code, const Fetch *fetch) {
    if (fetch->too_large) return purser_fetch_too_large;
    switch (code) {
    case CURLE_OK: return purser_fetch_done;
    case CURLE_URL_MALFORMAT: return purser_fetch_bad_address;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return purser_fetch_unreachable;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return purser_fetch_untrusted;
    case CURLE_OPERATION_TIMEDOUT: return purser_fetch_timeout;
    case CURLE_FILESIZE_EXCEEDED: return purser_fetch_too_large;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL: return purser_fetch_redirect;
    default: return purser_fetch_broken;
    }
}

int purser_fetch(const char *address, const char *agent, const char *etag, const char *authorities, long connect_seconds,
                 long seconds, long redirects, size_t limit, purser_fetch_take take, void *context, long *status, char *message,
                 size_t message_size) {
    *status = 0;
    message[0] = 0;
    pthread_once(&once, load);
    if (!purser_fetch_is_loaded()) {
        snprintf(message, message_size, "libcurl is not installed (package libcurl4)");
        return purser_fetch_no_library;
    }
    int secure = check(address, message, message_size);
    if (secure < 0) return purser_fetch_bad_address;
    CURL *handle = curl.easy_init();
    if (!handle) {
        snprintf(message, message_size, "no memory");
        return purser_fetch_broken;
    }
    Fetch fetch = {.handle = handle, .take = take, .context = context, .limit = limit};
    char text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    char condition[512];
    if (etag && (size_t)snprintf(condition, sizeof condition, "If-None-Match: %s", etag) < sizeof condition) {
        headers = curl.slist_append(NULL, condition);
    }
    CURLcode code = CURLE_OK;
#define SET(option, value) \
    if (code == CURLE_OK) code = curl.setopt(handle, option, value)
    SET(CURLOPT_ERRORBUFFER, text);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_URL, address);
    SET(CURLOPT_USERAGENT, agent);
    SET(CURLOPT_HTTPGET, 1L);
    if (headers) SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_PROTOCOLS, (long)(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
    SET(CURLOPT_REDIR_PROTOCOLS, (long)CURLPROTO_HTTPS);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, redirects);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (authorities) SET(CURLOPT_CAINFO, authorities);
    // What this machine serves to itself goes through no proxy.
    if (!secure) SET(CURLOPT_PROXY, "");
    SET(CURLOPT_CONNECTTIMEOUT, connect_seconds);
    SET(CURLOPT_TIMEOUT, seconds);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1000L);
    SET(CURLOPT_LOW_SPEED_TIME, 20L);
    // Counted again as the bytes come, decompressed: a length may be missing, or a lie.
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limit);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, &fetch);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, &fetch);
#undef SET
    if (code == CURLE_OK) code = curl.perform(handle);
    curl.getinfo(handle, CURLINFO_RESPONSE_CODE, status);
    int result = outcome(code, &fetch);
    if (result == purser_fetch_too_large) {
        snprintf(message, message_size, "more than %zu bytes", limit);
    } else if (result != purser_fetch_done) {
        snprintf(message, message_size, "%s", text[0] ? text : curl.strerror(code));
    }
    curl.cleanup(handle);
    if (headers) curl.slist_free_all(headers);
    return result;
}
