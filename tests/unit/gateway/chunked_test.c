/* Does a chunked body come out the same however it is cut up, and is its end where it is? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/chunk.h"
#include "gateway/http1.h"

static enum http_verdict decode(const char *text, size_t step, struct buffer *ret, size_t *ret_left)
{
    struct http_chunked chunked = {0};
    struct http_fault fault;
    struct slice rest = slice_of(text);
    enum http_verdict verdict = HTTP_MORE;
    while (rest.n > 0 && verdict == HTTP_MORE) {
        char piece[256];
        size_t count = rest.n < step ? rest.n : step, payload, used;
        memcpy(piece, rest.p, count);
        verdict = http_chunked_decode(&chunked, piece, count, &payload, &used, &fault);
        if (verdict == HTTP_REFUSED)
            return verdict;
        buffer_add(ret, piece, payload);
        rest = slice_skip(rest, used);
    }
    *ret_left = rest.n;
    return verdict;
}

static void the_payload_does_not_depend_on_the_cuts(void **state)
{
    (void)state;
    for (size_t step = 1; step < 60; step++) {
        AUTO_BUFFER struct buffer body = {0};
        size_t left;
        assert_int_equal(
            decode("5\r\nhello\r\nA;x=y\r\n, big worl\r\n1\r\nd\r\n0\r\nT: u\r\n\r\nGET /", step, &body, &left),
            HTTP_DONE);
        assert_string_equal(body.p, "hello, big world");
        assert_int_equal(left, 5);
    }
}

static void the_largest_size_that_fits_is_taken(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer body = {0};
    size_t left;
    assert_int_equal(decode("fffffffffffffff\r\nx", 99, &body, &left), HTTP_MORE);
    assert_int_equal(decode("1000000000000000\r\nx", 99, &body, &left), HTTP_REFUSED);
}

static void framing_is_undone_by_decoding(void **state)
{
    (void)state;
    struct chunk_pool pool = {0};
    for (size_t length = 0; length < 5000; length = length * 3 + 1) {
        struct chunk *chunk = chunk_take(&pool, false);
        chunk->start = chunk->end = CHUNK_HEADROOM;
        memset(chunk->bytes + chunk->end, 'x', length);
        chunk->end += length;
        chunk_frame(chunk, true);
        struct http_chunked chunked = {0};
        struct http_fault fault;
        size_t payload, used, framed = chunk_waiting(chunk);
        assert_int_equal(http_chunked_decode(&chunked, chunk->bytes + chunk->start, framed, &payload, &used, &fault),
                         HTTP_DONE);
        assert_int_equal(payload, length);
        assert_int_equal(used, framed);
        chunk_give(&pool, &chunk);
        assert_null(chunk);
    }
    chunk_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_payload_does_not_depend_on_the_cuts),
        cmocka_unit_test(the_largest_size_that_fits_is_taken),
        cmocka_unit_test(framing_is_undone_by_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
