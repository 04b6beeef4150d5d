/* Whatever the request parser accepts is found the same however it is cut up, and what is made of it for a workload is
 * again one acceptable request without anything that must not pass. */
// clang-format off
// fuzz: gateway/http_scan.c gateway/http_fields.c gateway/http_request.c gateway/chunked.c gateway/headers.c gateway/cookie.c gateway/guard.c gateway/host.c gateway/chunk.c gateway/path.c gateway/route.c gateway/limits.c base/*.c
// clang-format on
#include "gateway/cookie.h"
#include "gateway/guard.h"
#include "gateway/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

/* One byte at a time must say the same as all at once, though perhaps earlier. */
static enum http_verdict scan_bytewise(struct slice all, size_t *ret_bytes)
{
    struct http_scan scan = {0};
    struct http_fault fault;
    for (size_t n = 1; n <= all.n; n++) {
        enum http_verdict verdict = http_scan(&scan, (struct slice){all.p, n}, true, ret_bytes, &fault);
        if (verdict != HTTP_MORE)
            return verdict;
    }
    return HTTP_MORE;
}

static bool decode(const struct slice body, size_t step, struct buffer *ret, enum http_verdict *ret_verdict)
{
    struct http_chunked chunked = {0};
    struct http_fault fault;
    *ret_verdict = HTTP_MORE;
    for (size_t at = 0; at < body.n && *ret_verdict == HTTP_MORE; at += step) {
        size_t count = body.n - at < step ? body.n - at : step, payload = 0, used = 0;
        AUTO_FREE char *piece = memory_text_n(body.p + at, count);
        *ret_verdict = http_chunked_decode(&chunked, piece, count, &payload, &used, &fault);
        if (*ret_verdict == HTTP_REFUSED)
            return false;
        MUST(payload <= used && used <= count);
        buffer_add(ret, piece, payload);
    }
    return true;
}

static void check_chunked(struct slice body)
{
    AUTO_BUFFER struct buffer whole = {0};
    AUTO_BUFFER struct buffer bytewise = {0};
    AUTO_BUFFER struct buffer sevens = {0};
    enum http_verdict a, b, c;
    bool good = decode(body, body.n + 1, &whole, &a);
    MUST(decode(body, 1, &bytewise, &b) == good && decode(body, 7, &sevens, &c) == good && a == b && a == c);
    if (good)
        MUST(slice_equal(buffer_slice(&whole), buffer_slice(&bytewise)) &&
             slice_equal(buffer_slice(&whole), buffer_slice(&sevens)));
}

static void check_forwarded(const struct http_request *request, const struct host *host, const struct route *route)
{
    static const struct target targets[] = {
        {.owner_kind = "RayCluster", .strip_prefix = true, .header_name = "X-Ray-Authorization", .header_value = "T"},
        {.owner_kind = "Notebook", .header_name = "Authorization", .header_value = "token T"}};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct chunk *out = malloc(sizeof(*out) + CHUNK_SMALL_BYTES);
        *out = (struct chunk){.capacity = CHUNK_SMALL_BYTES};
        struct headers_forward forward = {.request = request,
                                          .host = host,
                                          .route = route,
                                          .target = &targets[i],
                                          .email = "alice@example.com",
                                          .peer = "127.0.0.1",
                                          .request_id = "0123456789abcdef",
                                          .main_host = i == 0};
        struct http_request back;
        struct http_fault fault;
        if (headers_write_request(out, &forward, &fault)) {
            /* A head near the limit may have grown past it; nothing else may be wrong with it. */
            if (!http_request_parse(chunk_slice(out), &back, &fault))
                MUST(fault.status == 431);
            else
                MUST(back.framing == request->framing && back.length == request->length &&
                     back.websocket == request->websocket && slice_equal(back.method, request->method) &&
                     http_fields_find(&back.fields, targets[i].header_name) &&
                     !http_fields_has_token(&back.fields, "Upgrade", "h2c"));
            for (size_t f = 0; f < back.fields.count; f++) {
                struct slice rest = back.fields.at[f].value, name;
                if (slice_is_nocase(back.fields.at[f].name, "Cookie"))
                    while (cookie_next(&rest, &name).n > 0)
                        MUST(i == 1 && !cookie_is_reserved(name));
            }
        }
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data, size};
    struct http_scan scan = {0};
    struct http_fault fault = {0, NULL};
    size_t bytes = 0, bytes_again = 0;
    enum http_verdict verdict = http_scan(&scan, all, true, &bytes, &fault);
    enum http_verdict again = scan_bytewise(all, &bytes_again);
    if (verdict != HTTP_DONE) {
        MUST(verdict != HTTP_MORE || again != HTTP_DONE);
        return 0;
    }
    MUST(again == HTTP_REFUSED || bytes == bytes_again);
    check_chunked(slice_skip(all, bytes));
    struct http_request request;
    if (!http_request_parse((struct slice){all.p, bytes}, &request, &fault)) {
        MUST(fault.status >= 400 && fault.status < 600 && fault.what);
        return 0;
    }
    struct host host;
    struct route route;
    struct error error = {0};
    struct identity identity = {.kind = IDENTITY_SESSION, .csrf = "token"};
    struct slice cookie;
    host_parse(request.host, "localhost", &host);
    cookie_find(&request.fields, "atelier_session", &cookie);
    guard_check(&request, &host, false, &identity, &fault);
    guard_is_navigation(&request);
    if (host.kind == HOST_INVALID || !headers_check_connection(&request.fields, &fault) ||
        !route_parse(request.path, &route, &error) || route.kind == ROUTE_API || route.tail.n == 0)
        return 0;
    check_forwarded(&request, &host, &route);
    return 0;
}
