/* Whatever a workload answers, fetching it ends in time: with the JSON of a 200, or with an error that says why not. */
// fuzz: base/*.c
#include <sys/socket.h>
#include <unistd.h>

#include "base/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON cJSON *json = NULL;
    struct error error = {0};
    int ends[2], status = 0;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    MUST(send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size); /* at most 64 KiB: there is room */
    MUST(shutdown(ends[1], SHUT_WR) == 0);
    const struct fetch fetch = {.fd = ends[0], .path = "/", .timeout_ms = 1000, .bytes_max = 4096};
    int r = fetch_json(&fetch, &status, &json, &error);
    MUST((r == 0) == (json != NULL) && (r == 0 ? status == 200 : error.message[0] && error.code != ERROR_TIMEOUT));
    close(ends[0]);
    close(ends[1]);
    return 0;
}
