/* Whatever the response parser accepts from a workload becomes, for the client, again one acceptable response of the
 * same framing, and never sets a cookie of ours. */
// clang-format off
// fuzz: gateway/http_scan.c gateway/http_fields.c gateway/http_response.c gateway/headers.c gateway/cookie.c gateway/host.c gateway/chunk.c gateway/limits.c base/*.c
// clang-format on
#include "gateway/cookie.h"
#include "gateway/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_cookies(const struct http_response *back, bool main_host)
{
    for (size_t i = 0; i < back->fields.count; i++) {
        if (!slice_is_nocase(back->fields.at[i].name, "Set-Cookie"))
            continue;
        struct slice rest = back->fields.at[i].value, name;
        MUST(cookie_next(&rest, &name).n > 0 && !cookie_is_reserved(name) && !main_host);
        while (cookie_next(&rest, &name).n > 0)
            MUST(!slice_is_nocase(name, "Domain"));
    }
}

static void check_returned(const struct http_response *response, const struct host *host, bool main_host)
{
    struct chunk *out = malloc(sizeof(*out) + CHUNK_SMALL_BYTES);
    *out = (struct chunk){.capacity = CHUNK_SMALL_BYTES};
    bool open_ended = response->framing == HTTP_BODY_CHUNKED || response->framing == HTTP_BODY_UNTIL_CLOSE;
    struct headers_return back = {.response = response,
                                  .host = host,
                                  .prefix = SLICE("/ray/alice/rc1"),
                                  .main_host = main_host,
                                  .chunked = open_ended,
                                  .keep_alive = true};
    struct http_fault fault;
    struct http_response again;
    if (headers_write_response(out, &back, &fault)) {
        bool to_head = response->framing == HTTP_BODY_NONE;
        if (!http_response_parse(chunk_slice(out), to_head, &again, &fault)) {
            MUST(response->fields.count > LIMIT_FIELDS - 4);
        } else {
            MUST(again.status == response->status && again.length == response->length);
            MUST(again.framing == (open_ended ? HTTP_BODY_CHUNKED : response->framing));
            check_cookies(&again, main_host);
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data, size};
    struct http_scan scan = {0};
    struct http_fault fault = {0, NULL};
    struct http_response response;
    struct host host;
    size_t bytes = 0;
    if (http_scan(&scan, all, false, &bytes, &fault) != HTTP_DONE)
        return 0;
    for (int to_head = 0; to_head < 2; to_head++) {
        if (!http_response_parse((struct slice){all.p, bytes}, to_head != 0, &response, &fault)) {
            MUST(fault.status == 502 && fault.what);
            continue;
        }
        if (response.status < 200)
            continue;
        host_parse(SLICE("localhost:8080"), "localhost", &host);
        check_returned(&response, &host, true);
        host_parse(SLICE("ray-rc1--alice.localhost"), "localhost", &host);
        check_returned(&response, &host, false);
    }
    return 0;
}
