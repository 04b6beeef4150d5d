/*
 * How long after a change until the last of many browsers has been told of it?
 *
 *     fanout PORT TOKENS PATH ROUNDS      TOKENS: a file with one API token a line, one watch each
 *
 * Opens a watch on PATH's collection for every token, waits until all are quiet, then changes the ConfigMap at PATH
 * once a round and takes the time from the change being sent until each watch has its event. Prints one line a round:
 * the first, the median and the last watch told, in milliseconds, and when the answer to the change had come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define WATCHES_MAX 4096
#define QUIET_MS 1500
#define ROUND_MS 30000

struct watch {
    int fd;
    bool answered;      /* 200 has come */
    struct buffer tail; /* what of the last event has come */
    double told_ms;     /* of this round, or < 0 */
};
static struct watch watches[WATCHES_MAX];
static int watch_count, poller;
static uint16_t port;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "fanout: %s: %s\n", what, strerrordesc_np(errno));
    exit(1);
}

static int ask(const struct buffer *request)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (write(fd, request->p, request->n) != (ssize_t)request->n)
        die("write");
    return fd;
}

static void open_watch(const char *token, const char *collection)
{
    AUTO_BUFFER struct buffer request = {0};
    if (watch_count == WATCHES_MAX)
        return;
    buffer_add_format(&request, "GET %s?watch=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\n\r\n",
                      collection, port, token);
    struct watch *watch = &watches[watch_count];
    watch->fd = ask(&request);
    fcntl(watch->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)watch_count++};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, watch->fd, &event) < 0)
        die("epoll_ctl");
}

/* Remembers the end of the stream, in which this round's mark must be found. */
static void take(struct watch *watch, const char *mark, double begun_ms)
{
    char chunk[65536];
    for (;;) {
        ssize_t count = read(watch->fd, chunk, sizeof(chunk));
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0)
            die("a watch ended");
        buffer_add(&watch->tail, chunk, (size_t)count);
        watch->answered = watch->answered || slice_starts(buffer_slice(&watch->tail), "HTTP/1.1 200");
        if (!watch->answered) {
            fprintf(stderr, "fanout: a watch was refused: %.*s\n", (int)watch->tail.n, watch->tail.p);
            exit(1);
        }
        if (mark && watch->told_ms < 0 && memmem(watch->tail.p, watch->tail.n, mark, strlen(mark))) {
            watch->told_ms = now_ms() - begun_ms;
            buffer_clear(&watch->tail);
        } else if (watch->tail.n > sizeof(chunk)) {
            buffer_drop(&watch->tail, watch->tail.n - 256);
        }
    }
}

/* Until nothing has come for <quiet_ms>, or all are told. */
static void pump(const char *mark, double begun_ms, int quiet_ms)
{
    struct epoll_event events[512];
    int told = 0;
    double end_ms = now_ms() + ROUND_MS;
    while (now_ms() < end_ms) {
        int count = epoll_wait(poller, events, (int)COUNT_OF(events), quiet_ms);
        for (int i = 0; i < count; i++) {
            struct watch *watch = &watches[events[i].data.u32];
            bool before = watch->told_ms >= 0;
            take(watch, mark, begun_ms);
            told += !before && watch->told_ms >= 0;
        }
        if (mark ? told == watch_count : count == 0)
            return;
    }
    fprintf(stderr, "fanout: %d of %d watches were told within %d s\n", told, watch_count, ROUND_MS / 1000);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *path, const char *token, int round)
{
    static double told[WATCHES_MAX];
    char mark[32], answer[4096] = "";
    AUTO_BUFFER struct buffer request = {0};
    snprintf(mark, sizeof(mark), "round-%d-%d", (int)getpid(), round);
    AUTO_FREE char *body = memory_format("{\"data\":{\"mark\":\"%s\"}}", mark);
    buffer_add_format(&request,
                      "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\nContent-Type: "
                      "application/merge-patch+json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      path, port, token, strlen(body), body);
    for (int i = 0; i < watch_count; i++)
        watches[i].told_ms = -1;
    double begun_ms = now_ms();
    int fd = ask(&request);
    pump(mark, begun_ms, 100);
    if (read(fd, answer, sizeof(answer) - 1) <= 0 || !slice_starts(slice_of(answer), "HTTP/1.1 200"))
        die("the change was refused");
    close(fd);
    for (int i = 0; i < watch_count; i++)
        told[i] = watches[i].told_ms;
    qsort(told, (size_t)watch_count, sizeof(told[0]), compare);
    printf("%.2f %.2f %.2f\n", told[0], told[watch_count / 2], told[watch_count - 1]);
    fflush(stdout);
}

int main(int count, char **texts)
{
    char line[512], first[512] = "";
    int64_t number = 0, rounds = 0;
    FILE *tokens = count == 5 ? fopen(texts[2], "r") : NULL;
    if (!tokens || !text_parse_i64(slice_of(texts[1]), 1, 65535, &number) ||
        !text_parse_i64(slice_of(texts[4]), 1, 1000, &rounds)) {
        fprintf(stderr, "fanout PORT TOKENS PATH ROUNDS\n");
        return 2;
    }
    port = (uint16_t)number;
    poller = epoll_create1(EPOLL_CLOEXEC);
    AUTO_FREE char *collection = memory_text_n(texts[3], (size_t)(strrchr(texts[3], '/') - texts[3]));
    while (fgets(line, sizeof(line), tokens)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!first[0])
            snprintf(first, sizeof(first), "%s", line);
        open_watch(line, collection);
    }
    fclose(tokens);
    pump(NULL, 0, QUIET_MS);
    fprintf(stderr, "fanout: %d watches\n", watch_count);
    for (int i = 0; i < (int)rounds; i++)
        measure(texts[3], first, i);
    return 0;
}
