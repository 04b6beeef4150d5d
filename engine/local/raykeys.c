/* How does the profile's Redis forget the clusters that are gone? */
#include "engine/local/raykeys.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/local/raypods.h"

enum { DEADLINE_S = 5, ANSWER_MAX = 1024 };

/* As one command: no head can write between the look and the deletion. A GCS has a dozen keys. */
#define DROP                                                                                                           \
    "local n = 0 "                                                                                                     \
    "for _, key in ipairs(redis.call('KEYS', 'RAY*')) do "                                                             \
    "local kept = false "                                                                                              \
    "for i = 1, #ARGV do kept = kept or string.sub(key, 1, #ARGV[i]) == ARGV[i] end "                                  \
    "if not kept then redis.call('UNLINK', key) n = n + 1 end "                                                        \
    "end "                                                                                                             \
    "return n"

static void add_word(struct buffer *ret, struct slice word)
{
    buffer_add_format(ret, "$%zu\r\n", word.n);
    buffer_add(ret, word.p, word.n);
    buffer_add_text(ret, "\r\n");
}

void ray_keys_request(struct slice password, const cJSON *uids, struct buffer *ret)
{
    const cJSON *uid;
    buffer_add_text(ret, "*2\r\n");
    add_word(ret, slice_of("AUTH"));
    add_word(ret, password);
    buffer_add_format(ret, "*%d\r\n", 3 + cJSON_GetArraySize(uids));
    add_word(ret, slice_of("EVAL"));
    add_word(ret, slice_of(DROP));
    add_word(ret, slice_of("0"));
    cJSON_ArrayForEach(uid, uids)
    {
        AUTO_FREE char *prefix = memory_format("RAY%s@", cJSON_IsString(uid) ? uid->valuestring : "");
        add_word(ret, slice_of(prefix));
    }
}

int ray_keys_answered(struct slice answers, struct error *error)
{
    static const char *const expected[] = {"+OK", ":"};
    struct slice rest = answers;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const char *end = rest.n ? memmem(rest.p, rest.n, "\r\n", 2) : NULL;
        if (!end && answers.n < ANSWER_MAX)
            return 0;
        struct slice line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        if (!end || !slice_starts(line, expected[i])) {
            char said[128];
            text_printable(line, said, sizeof(said));
            return error_set(error, ERROR_UPSTREAM, NULL, "the profile's Redis answers \"%s\"", said);
        }
        rest = slice_skip(rest, line.n + 2);
    }
    return 1;
}

static int send_all(int fd, struct slice bytes, struct error *error)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the profile's Redis takes no commands");
        bytes = slice_skip(bytes, (size_t)n);
    }
    return 0;
}

static int await_answer(int fd, struct error *error)
{
    AUTO_BUFFER struct buffer answers = {0};
    for (;;) {
        char part[256];
        ssize_t n = recv(fd, part, sizeof(part), 0);
        if (n <= 0)
            return error_set(error, n < 0 ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, NULL,
                             "the profile's Redis does not answer");
        buffer_add(&answers, part, (size_t)n);
        int r = ray_keys_answered(buffer_slice(&answers), error);
        if (r)
            return r < 0 ? r : 0;
    }
}

int ray_keys_keep(struct local *local, const char *namespace, const char *address, const char *password,
                  const cJSON *uids, struct error *error)
{
    static const struct timeval deadline = {.tv_sec = DEADLINE_S};
    AUTO_BUFFER struct buffer plain = {0};
    AUTO_BUFFER struct buffer request = {0};
    int fd = -1;
    if (!password || !text_unbase64(slice_of(password), &plain))
        return error_set(error, ERROR_INTERNAL, NULL, "the password of the profile's Redis is not there");
    int r = sandbox_dial(local->sandbox, namespace, address, RAY_GCS, &fd, error);
    if (r == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
        ray_keys_request(buffer_slice(&plain), uids, &request);
        r = send_all(fd, buffer_slice(&request), error);
    }
    if (r == 0)
        r = await_answer(fd, error);
    if (fd >= 0)
        close(fd);
    memory_wipe(plain.p, plain.n);
    memory_wipe(request.p, request.n);
    return r;
}
