/* A stream of the API that is read as it comes, and what a test asks of it. */
#ifndef ATELIER_TESTS_API_READER_H
#define ATELIER_TESTS_API_READER_H

#include "tests/integration/api_harness.h"

struct reader {
    int fd;
    struct buffer raw;
    bool ended;
};

static inline struct reader open_stream(enum person person, const char *path)
{
    struct reader reader = {.fd = api_connect(false)};
    AUTO_FREE char *credentials = bearer(person);
    AUTO_FREE char *text = request_text(credentials, "GET", path, NULL, NULL);
    send_all(reader.fd, text, strlen(text));
    return reader;
}

static inline void close_stream(struct reader *reader)
{
    close(reader->fd);
    buffer_free(&reader->raw);
}

/* True once <text> has come; false after <patience_ms> without it, or when the stream has ended without it. */
static inline bool comes(struct reader *reader, const char *text, int64_t patience_ms)
{
    int64_t until = clock_monotonic_ms() + patience_ms;
    char chunk[8192];
    for (;;) {
        if (reader->raw.p && strstr(reader->raw.p, text))
            return true;
        int64_t left = until - clock_monotonic_ms();
        if (reader->ended || left <= 0)
            return false;
        struct timeval patience = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
        setsockopt(reader->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        ssize_t count = recv(reader->fd, chunk, sizeof(chunk), 0);
        if (count > 0)
            buffer_add(&reader->raw, chunk, (size_t)count);
        else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            reader->ended = true;
    }
}

static inline bool ends(struct reader *reader, int64_t patience_ms)
{
    comes(reader, "\1 never comes \1", patience_ms);
    return reader->ended;
}

#define COMES(reader, text)                                                                                            \
    do {                                                                                                               \
        if (!comes((reader), (text), PATIENCE_MS))                                                                     \
            fail_msg("\"%s\" did not come:\n%s", (text), (reader)->raw.p ? (reader)->raw.p : "");                      \
    } while (0)

/* The number by which a grant on alice's profile is changed or taken away. */
static inline int64_t member_id(const char *email)
{
    AUTO_JSON cJSON *list = EXPECT(200, ALICE, "GET", MEMBERS, NULL);
    const cJSON *item;
    int64_t id = 0;
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        if (strcmp(json_text_or("", item, "subject", "name", NULL), email) == 0)
            json_i64(json_member(item, "id"), &id);
    }
    assert_true(id > 0);
    return id;
}

#endif
