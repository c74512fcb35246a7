/* Sends messages that were made beforehand to a server on the loopback, and times the answers: one client for every system of
 * `.ci/side-by-side`, so that no system is measured through a better client than another.
 *
 *     replay PROTOCOL PORT CONNECTIONS IN-FLIGHT SECONDS GREETING GREETING-ANSWERS MESSAGES
 *
 * PROTOCOL says how answers are told apart: http, frames (Purser's own), resp (Redis), postgres, nats. Every connection sends the
 * first message of GREETING and waits for so many answers to it; then all keep IN-FLIGHT messages each waiting (closed loop) for
 * SECONDS, and then take what is still owed. One thread and one epoll: next to nothing is worked out while it measures.
 *
 * A file of messages is: u32 length, u32 patches, then for each patch a u32, then the bytes, filled up to four; little-endian,
 * again and again. When all were sent they are sent again: a patch is where four decimal digits of the round stand, or, with its
 * top bit set, of the connection. So the events of each round have keys of their own without being made while it measures.
 *
 * Prints one line of JSON. Exit status 1 when a message was refused, or a server did not answer for ten seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_IN_FLIGHT = 1024, MOST_CONNECTIONS = 1024, SLOWEST = 2000000 };

struct message {
    const uint8_t *bytes;
    const uint32_t *patches;
    uint32_t length, patch_count;
};

struct connection {
    int socket, number;
    uint8_t *in, *out;
    size_t in_used, in_room, out_at, out_used, out_room;
    uint64_t sent_at[MOST_IN_FLIGHT];
    unsigned first, waiting, greeted;
    int wants_write;
};

/* What the bytes at the front of the input are. */
enum kind { PARTIAL, OTHER, ANSWER, REFUSED, ASKED };

static struct message *messages;
static size_t message_count, next_message;
static unsigned rounds;
static uint64_t sent, answered, refused, end_at;
static uint32_t in_flight, greeting_answers;
static uint32_t *slow;
static char complaint[400];

static void fail(const char *what) {
    fprintf(stderr, "replay: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint8_t *read_file(const char *path, size_t *length) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) fail(path);
    long size = ftell(f);
    rewind(f);
    uint8_t *bytes = malloc((size_t)size + 1);
    if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size) fail(path);
    fclose(f);
    *length = (size_t)size;
    return bytes;
}

static struct message *load(const char *path, size_t *count) {
    size_t length, at = 0, room = 0;
    const uint8_t *bytes = read_file(path, &length);
    struct message *found = NULL;
    *count = 0;
    while (at + 8 <= length) {
        if (*count == room) {
            room = room ? room * 2 : 1024;
            found = realloc(found, room * sizeof *found);
            if (!found) fail("memory");
        }
        struct message m;
        memcpy(&m.length, bytes + at, 4);
        memcpy(&m.patch_count, bytes + at + 4, 4);
        m.patches = (const uint32_t *)(const void *)(bytes + at + 8);
        m.bytes = bytes + at + 8 + 4 * (size_t)m.patch_count;
        at += 8 + 4 * (size_t)m.patch_count + m.length;
        /* Padded to four bytes by whoever wrote it, so that the next patches are aligned. */
        at = (at + 3) & ~(size_t)3;
        found[(*count)++] = m;
    }
    if (*count == 0) fail("no messages");
    return found;
}

/* Answers ------------------------------------------------------------------------------------------------------------- */

static uint32_t big32(const uint8_t *b) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }
static uint32_t little32(const uint8_t *b) { return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0]; }

static enum kind http(const uint8_t *b, size_t n, size_t *used) {
    const uint8_t *end = memmem(b, n, "\r\n\r\n", 4);
    if (!end) return PARTIAL;
    const size_t head = (size_t)(end - b) + 4;
    const char *length = memmem(b, head, "content-length: ", 16);
    *used = head + (length ? strtoul(length + 16, NULL, 10) : 0);
    if (n < *used) return PARTIAL;
    /* A duplicate of a single event is 409: it was answered as it should be. */
    return b[9] == '2' || memcmp(b + 9, "409", 3) == 0 ? ANSWER : REFUSED;
}

static enum kind frames(const uint8_t *b, size_t n, size_t *used) {
    if (n < 16) return PARTIAL;
    *used = 16 + (size_t)little32(b + 4);
    if (n < *used) return PARTIAL;
    if (b[1] == 0x82) return little32(b + 16 + 8) == 0 ? ANSWER : REFUSED;
    return b[1] == 0x81 ? ANSWER : REFUSED;
}

static enum kind line(const uint8_t *b, size_t n, size_t *used) {
    const uint8_t *end = memmem(b, n, "\r\n", 2);
    if (!end) return PARTIAL;
    *used = (size_t)(end - b) + 2;
    return b[0] == '-' ? REFUSED : ANSWER;
}

static enum kind postgres(const uint8_t *b, size_t n, size_t *used) {
    if (n < 5) return PARTIAL;
    *used = 1 + (size_t)big32(b + 1);
    if (n < *used) return PARTIAL;
    return b[0] == 'E' ? REFUSED : b[0] == 'Z' ? ANSWER : OTHER;
}

static enum kind nats(const uint8_t *b, size_t n, size_t *used) {
    const enum kind kind = line(b, n, used);
    if (kind != ANSWER) return kind;
    if (memcmp(b, "PONG", 4) == 0) return ANSWER;
    if (memcmp(b, "PING", 4) == 0) return ASKED;
    if (memcmp(b, "MSG ", 4) != 0) return OTHER;
    size_t space = *used - 2;
    while (b[space - 1] != ' ') space--;
    const size_t head = *used, size = strtoul((const char *)b + space, NULL, 10);
    *used += size + 2;
    if (n < *used) return PARTIAL;
    return memmem(b + head, size, "\"error\"", 7) ? REFUSED : ANSWER;
}

static enum kind (*framing)(const uint8_t *, size_t, size_t *);

/* Connections --------------------------------------------------------------------------------------------------------- */

static void put(struct connection *c, const void *bytes, size_t length) {
    if (c->out_at == c->out_used) c->out_at = c->out_used = 0;
    if (c->out_used + length > c->out_room) {
        c->out_room = (c->out_used + length) * 2;
        c->out = realloc(c->out, c->out_room);
        if (!c->out) fail("memory");
    }
    memcpy(c->out + c->out_used, bytes, length);
    c->out_used += length;
}

static void digits(uint8_t *at, unsigned number) {
    for (int i = 3; i >= 0; i--, number /= 10) at[i] = (uint8_t)('0' + number % 10);
}

static void put_message(struct connection *c, const struct message *m) {
    put(c, m->bytes, m->length);
    uint8_t *copy = c->out + c->out_used - m->length;
    for (uint32_t i = 0; i < m->patch_count; i++) {
        const uint32_t patch = m->patches[i];
        digits(copy + (patch & 0x7FFFFFFFu), patch >> 31 ? (unsigned)c->number : rounds);
    }
}

static void send_next(struct connection *c, uint64_t now) {
    put_message(c, &messages[next_message]);
    if (++next_message == message_count) {
        next_message = 0;
        /* Four digits. */
        if (++rounds > 9999) fail("too many rounds: more messages are needed");
    }
    c->sent_at[(c->first + c->waiting++) % MOST_IN_FLIGHT] = now;
    sent++;
}

static void flush(struct connection *c, int poll) {
    while (c->out_at < c->out_used) {
        ssize_t n = send(c->socket, c->out + c->out_at, c->out_used - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) fail("send");
        c->out_at += (size_t)n;
    }
    const int wants = c->out_at < c->out_used;
    if (wants == c->wants_write) return;
    c->wants_write = wants;
    struct epoll_event e = {.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poll, EPOLL_CTL_MOD, c->socket, &e) != 0) fail("epoll_ctl");
}

static void take(struct connection *c, int poll) {
    for (;;) {
        if (c->in_room - c->in_used < 65536) {
            c->in_room = c->in_room * 2 + 131072;
            c->in = realloc(c->in, c->in_room);
            if (!c->in) fail("memory");
        }
        ssize_t n = recv(c->socket, c->in + c->in_used, c->in_room - c->in_used, 0);
        if (n < 0 && errno == EAGAIN) break;
        errno = n == 0 ? 0 : errno;
        if (n <= 0) fail("the server closed a connection");
        c->in_used += (size_t)n;
        if ((size_t)n < 65536) break;
    }
    size_t at = 0, used = 0;
    const uint64_t now = now_ns();
    while (at < c->in_used) {
        const enum kind kind = framing(c->in + at, c->in_used - at, &used);
        if (kind == PARTIAL) break;
        if (kind == ASKED) put(c, "PONG\r\n", 6);
        if (kind == REFUSED) {
            refused++;
            if (!complaint[0]) snprintf(complaint, sizeof complaint, "%.*s", used < 399 ? (int)used : 399, (const char *)c->in + at);
        }
        at += used;
        if (kind != ANSWER && !(kind == REFUSED && framing != postgres)) continue;
        if (c->greeted < greeting_answers) {
            c->greeted++;
        } else if (c->waiting > 0) {
            const uint64_t us = (now - c->sent_at[c->first]) / 1000;
            slow[us < SLOWEST ? us : SLOWEST - 1]++;
            c->first = (c->first + 1) % MOST_IN_FLIGHT;
            c->waiting--;
            answered++;
            if (now < end_at) send_next(c, now);
        }
    }
    memmove(c->in, c->in + at, c->in_used - at);
    c->in_used -= at;
    flush(c, poll);
}

static void turn(int poll) {
    struct epoll_event events[256];
    const int n = epoll_wait(poll, events, 256, 10000);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    errno = 0;
    if (n == 0) fail("no answer for ten seconds");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) flush(c, poll);
        if (events[i].events & ~(uint32_t)EPOLLOUT) take(c, poll);
    }
}

static double quantile(uint64_t total, double share) {
    uint64_t below = 0;
    const uint64_t wanted = (uint64_t)((double)total * share);
    for (uint32_t us = 0; us < SLOWEST; us++)
        if ((below += slow[us]) > wanted) return us;
    return SLOWEST;
}

int main(int argc, char **argv) {
    if (argc != 9) fail("replay PROTOCOL PORT CONNECTIONS IN-FLIGHT SECONDS GREETING GREETING-ANSWERS MESSAGES");
    framing = strcmp(argv[1], "http") == 0 ? http : strcmp(argv[1], "frames") == 0 ? frames : strcmp(argv[1], "resp") == 0 ? line
            : strcmp(argv[1], "postgres") == 0 ? postgres : strcmp(argv[1], "nats") == 0 ? nats : NULL;
    const unsigned connection_count = (unsigned)atoi(argv[3]);
    in_flight = (uint32_t)atoi(argv[4]);
    if (!framing || connection_count > MOST_CONNECTIONS || in_flight < 1 || in_flight > MOST_IN_FLIGHT) fail("arguments");
    size_t greeting_count;
    const struct message *greeting = load(argv[6], &greeting_count);
    greeting_answers = (uint32_t)atoi(argv[7]);
    messages = load(argv[8], &message_count);
    slow = calloc(SLOWEST, sizeof *slow);
    struct connection *connections = calloc(connection_count, sizeof *connections);
    const int poll = epoll_create1(0);
    if (!slow || !connections || poll < 0) fail("memory");

    for (unsigned i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int on = 1;
        c->number = (int)i;
        c->socket = socket(AF_INET, SOCK_STREAM, 0);
        if (c->socket < 0 || connect(c->socket, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(c->socket, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &e) != 0) fail("epoll_ctl");
        put_message(c, greeting);
        flush(c, poll);
        while (c->greeted < greeting_answers && refused == 0) turn(poll);
    }
    if (refused) {
        fprintf(stderr, "replay: the greeting was refused: %s\n", complaint);
        return 1;
    }
    const uint64_t started = now_ns();
    end_at = started + (uint64_t)(atof(argv[5]) * 1e9);
    for (unsigned i = 0; i < connection_count; i++) {
        for (uint32_t k = 0; k < in_flight; k++) send_next(&connections[i], now_ns());
        flush(&connections[i], poll);
    }
    while (answered < sent) turn(poll);
    const double seconds = (double)(now_ns() - started) / 1e9;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                     + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"messages\":%llu,\"refused\":%llu,\"seconds\":%.6f,\"p50\":%.0f,\"p99\":%.0f,\"cpu\":%.3f}\n", (unsigned long long)answered,
           (unsigned long long)refused, seconds, quantile(answered, 0.5), quantile(answered, 0.99), cpu);
    if (refused) fprintf(stderr, "replay: the first refusal: %s\n", complaint);
    return refused ? 1 : 0;
}
