/* Plays tests/attacks/wire/<name>.wire against the running gateway of gateway_harness.h. See wire/README.md. */
#ifndef ATELIER_TESTS_WIRE_H
#define ATELIER_TESTS_WIRE_H

#include "tests/attacks/gateway_harness.h"

struct wire_case {
    char title[160];
    struct buffer send, says;
    bool says_close, says_nothing;
    int status; /* -1 any, 0 dropped */
    bool close;
    int forwarded, handled; /* -1: not looked at */
    struct {
        char kind[16];
        struct buffer text;
    } checks[16];
    size_t check_count;
};

static const struct {
    const char *name, *text;
} wire_macros[] = {
    {"{host}", "Host: localhost\r\n"},
    {"{alice}", "Authorization: Bearer token-alice\r\n"},
    {"{bob}", "Authorization: Bearer token-bob\r\n"},
    {"{dora}", "Authorization: Bearer token-dora\r\n"},
    {"{victor}", "Authorization: Bearer token-victor\r\n"},
    {"{session}", "Cookie: atelier_session=session-alice\r\n"},
    {"{resource}", "Host: notebook-nb1--alice.localhost\r\nCookie: atelier_resource=resource-alice\r\n"},
    {"{origin}", "Origin: http://notebook-nb1--alice.localhost\r\n"},
    {"{ws}", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"},
};

static inline const char *wire_escape(const char *p, struct buffer *ret)
{
    char byte;
    unsigned value;
    switch (p[1]) {
    case 'r':
        byte = '\r';
        break;
    case 'n':
        byte = '\n';
        break;
    case 't':
        byte = '\t';
        break;
    case 'x':
        if (sscanf(p + 2, "%2x", &value) != 1)
            abort();
        byte = (char)value;
        buffer_add(ret, &byte, 1);
        return p + 4;
    default:
        byte = p[1];
        break;
    }
    buffer_add(ret, &byte, 1);
    return p + 2;
}

/* C escapes, and macros unless <plain>. */
static inline void wire_unescape(const char *p, bool plain, struct buffer *ret)
{
    while (*p) {
        size_t used = 0;
        for (size_t i = 0; i < COUNT_OF(wire_macros) && !plain && !used; i++)
            if (strncmp(p, wire_macros[i].name, strlen(wire_macros[i].name)) == 0) {
                buffer_add_text(ret, wire_macros[i].text);
                used = strlen(wire_macros[i].name);
            }
        if (used)
            p += used;
        else if (*p == '\\')
            p = wire_escape(p, ret);
        else
            buffer_add(ret, p++, 1);
    }
}

static inline void wire_repeat(const char *text, struct buffer *ret)
{
    char *end;
    long count = strtol(text, &end, 10);
    AUTO_BUFFER struct buffer once = {0};
    wire_unescape(end + 1, false, &once);
    for (long i = 0; i < count; i++)
        buffer_add_slice(ret, buffer_slice(&once));
}

static inline void wire_line(struct wire_case *c, char *line)
{
    char *text = strchr(line, ' ');
    if (text)
        *text++ = '\0';
    else
        text = line + strlen(line);
    if (strcmp(line, "case") == 0) {
        snprintf(c->title, sizeof(c->title), "%s", text);
    } else if (strcmp(line, "send") == 0) {
        wire_unescape(text, false, &c->send);
    } else if (strcmp(line, "repeat") == 0) {
        wire_repeat(text, &c->send);
    } else if (strcmp(line, "says") == 0) {
        wire_unescape(text, false, &c->says);
    } else if (strcmp(line, "says-repeat") == 0) {
        wire_repeat(text, &c->says);
    } else if (strcmp(line, "says-close") == 0) {
        c->says_close = true;
    } else if (strcmp(line, "says-nothing") == 0) {
        c->says_nothing = true;
    } else if (strcmp(line, "expect") == 0) {
        c->status = strncmp(text, "any", 3) == 0 ? -1 : strncmp(text, "drop", 4) == 0 ? 0 : (int)strtol(text, NULL, 10);
        c->close = strstr(text, "close") || c->status == 0;
    } else if (strcmp(line, "forwarded") == 0) {
        c->forwarded = (int)strtol(text, NULL, 10);
    } else if (strcmp(line, "handled") == 0) {
        c->handled = (int)strtol(text, NULL, 10);
    } else if (strncmp(line, "saw", 3) == 0 || strncmp(line, "answer", 6) == 0) {
        snprintf(c->checks[c->check_count].kind, sizeof(c->checks[0].kind), "%s", line);
        wire_unescape(text, true, &c->checks[c->check_count++].text);
    } else {
        fprintf(stderr, "%s: unknown word \"%s\"\n", c->title, line);
        abort();
    }
}

static inline bool wire_complain(const struct wire_case *c, const char *what, const char *text, struct slice got)
{
    char shown[600];
    text_printable(got, shown, sizeof(shown));
    fprintf(stderr, "FAILED %s: %s %s\n    answer: %s\n", c->title, what, text, shown);
    return false;
}

/* The status of the last answer in <all>: a line that begins with HTTP/1.1 after the start or a blank line. */
static inline int wire_last_status(struct slice all)
{
    int status = 0;
    for (size_t i = 0; i + 12 < all.n; i++)
        if (memcmp(all.p + i, "HTTP/1.", 7) == 0 && all.p[i + 8] == ' ' && all.p[i + 9] >= '1' && all.p[i + 9] <= '5' &&
            (i == 0 || all.p[i - 1] == '\n'))
            status = (int)strtol(all.p + i + 9, NULL, 10);
    return status;
}

static inline bool wire_check(const struct wire_case *c, int handled_before, bool closed, struct slice all)
{
    int status = wire_last_status(all);
    char number[32];
    snprintf(number, sizeof(number), "%d", status);
    if (c->status >= 0 && status != c->status)
        return wire_complain(c, "wrong status", number, all);
    if (c->close && !closed)
        return wire_complain(c, "the connection stays open", "", all);
    snprintf(number, sizeof(number), "%u", workload_requests());
    if (c->forwarded >= 0 && (int)workload_requests() != c->forwarded)
        return wire_complain(c, "forwarded", number, all);
    snprintf(number, sizeof(number), "%d", handled - handled_before);
    if (c->handled >= 0 && handled - handled_before != c->handled)
        return wire_complain(c, "handled", number, all);
    for (size_t i = 0; i < c->check_count; i++) {
        const char *kind = c->checks[i].kind, *text = c->checks[i].text.p;
        bool there = kind[0] == 's' ? workload_saw(text) : memmem(all.p, all.n, text, c->checks[i].text.n) != NULL;
        if (there == (strstr(kind, "-not") != NULL))
            return wire_complain(c, kind, text, all);
    }
    return true;
}

/* Over TLS origins are https and our cookies have their prefix; the rest of what is said stays. */
static inline void wire_for_tls(struct buffer *text)
{
    static const char *const changes[][2] = {{"http://", "https://"},
                                             {"X-Forwarded-Proto: http\r", "X-Forwarded-Proto: https\r"},
                                             {"atelier_session=session", "__Host-atelier_session=session"},
                                             {"atelier_resource=resource", "__Host-atelier_resource=resource"}};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct buffer changed = {0};
        struct slice rest = buffer_slice(text);
        size_t length = strlen(changes[i][0]);
        for (const char *at; rest.n > 0 && (at = memmem(rest.p, rest.n, changes[i][0], length));) {
            buffer_add(&changed, rest.p, (size_t)(at - rest.p));
            buffer_add_text(&changed, changes[i][1]);
            rest = slice_skip(rest, (size_t)(at - rest.p) + length);
        }
        buffer_add_slice(&changed, rest);
        buffer_free(text);
        *text = changed;
    }
}

static inline bool wire_play(struct wire_case *c)
{
    AUTO_BUFFER struct buffer all = {0};
    workload_reset();
    if (client_wrap) {
        wire_for_tls(&c->send);
        wire_for_tls(&c->says);
        for (size_t i = 0; i < c->check_count; i++)
            wire_for_tls(&c->checks[i].text);
    }
    if (c->says.n > 0)
        workload_says(c->says.p, c->says.n, c->says_close);
    pthread_mutex_lock(&workload.lock);
    workload.close_before_answer = c->says_nothing;
    pthread_mutex_unlock(&workload.lock);
    int handled_before = handled;
    int fd = client_connect();
    /* The gateway may refuse and stop reading half-way: that is no failure of the client's. */
    send_all(fd, c->send.p, c->send.n);
    bool closed = false;
    if (c->close)
        closed = client_read(fd, &all, NULL, PATIENCE_MS);
    else if (c->status == 101)
        client_read(fd, &all, "\r\n\r\n", PATIENCE_MS);
    else
        client_answer(fd, &all, strncmp(c->send.p, "HEAD", 4) == 0 || c->status == 304, PATIENCE_MS);
    bool good = wire_check(c, handled_before, closed, (struct slice){all.p ? all.p : "", all.n});
    close(fd);
    return good;
}

static inline void wire_case_free(struct wire_case *c)
{
    buffer_free(&c->send);
    buffer_free(&c->says);
    for (size_t i = 0; i < c->check_count; i++)
        buffer_free(&c->checks[i].text);
}

/* Returns how many cases failed; *ret_count how many there are. */
static inline unsigned wire_run(const char *path, unsigned *ret_count)
{
    unsigned failed = 0;
    char *line = NULL;
    size_t size = 0;
    struct wire_case c = {.forwarded = -1, .handled = -1, .status = -1};
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    *ret_count = 0;
    for (bool more = true; more;) {
        ssize_t length = getline(&line, &size, file);
        more = length >= 0;
        if (more && line[0] != '\n') {
            line[length - 1] = '\0';
            wire_line(&c, line);
            continue;
        }
        if (c.send.n > 0) {
            failed += !wire_play(&c);
            (*ret_count)++;
        }
        wire_case_free(&c);
        c = (struct wire_case){.forwarded = -1, .handled = -1, .status = -1};
    }
    free(line);
    fclose(file);
    return failed;
}

#endif
