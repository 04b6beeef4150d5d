/* However a CheckRequest is made, the head that comes of it is one head, of the method, target and host that the
 * message names, and has no field that is not among those that something is decided by. */
// clang-format off
// fuzz: gateway/check_message.c gateway/http_scan.c gateway/http_fields.c gateway/http_request.c gateway/limits.c base/*.c
// clang-format on
#include "base/protobuf.h"
#include "gateway/check_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static struct slice inside(struct slice message, unsigned number)
{
    struct slice found;
    MUST(protobuf_bytes(message, number, &found));
    return found;
}

static void check_fields(const struct http_fields *fields)
{
    static const char *const known[] = {"host",
                                        "authorization",
                                        "cookie",
                                        "x-forwarded-proto",
                                        "accept",
                                        "origin",
                                        "sec-fetch-site",
                                        "sec-fetch-mode",
                                        "x-atelier-csrf",
                                        "connection",
                                        "upgrade",
                                        "sec-websocket-key",
                                        "sec-websocket-version"};
    for (size_t i = 0; i < fields->count; i++) {
        bool found = false;
        for (size_t j = 0; j < COUNT_OF(known); j++)
            found = found || slice_is(fields->at[i].name, known[j]);
        MUST(found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUFFER struct buffer head = {0};
    struct slice message = {(const char *)data, size};
    const char *why = NULL;
    if (!check_request_read(message, &head, &why)) {
        MUST(why && why[0]);
        return 0;
    }
    struct http_scan scan = {0};
    struct http_fault fault;
    size_t head_bytes;
    if (http_scan(&scan, buffer_slice(&head), true, &head_bytes, &fault) != HTTP_DONE)
        return 0;
    MUST(head_bytes == head.n);
    static struct http_request request;
    if (!http_request_parse_asked(buffer_slice(&head), &request, &fault))
        return 0;
    struct slice http = inside(inside(inside(message, 1), 4), 2);
    MUST(slice_equal(request.method, inside(http, 2)) && slice_equal(request.target, inside(http, 4)));
    MUST(slice_equal(request.host, slice_trim(inside(http, 5))));
    MUST(request.framing == HTTP_BODY_NONE && request.minor == 1);
    check_fields(&request.fields);
    return 0;
}
