/* Are frames read and written as RFC 6455 shows them? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/websocket.h"

static void the_accept_of_the_rfc(void **state)
{
    (void)state;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept); /* 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void headers_take_the_shortest_length(void **state)
{
    (void)state;
    unsigned char header[WEBSOCKET_HEADER_MAX];
    assert_int_equal(websocket_header(WEBSOCKET_BINARY, 125, header), 2);
    assert_memory_equal(header, "\x82\x7d", 2);
    assert_int_equal(websocket_header(WEBSOCKET_BINARY, 126, header), 4);
    assert_memory_equal(header, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(websocket_header(WEBSOCKET_BINARY, 65536, header), 10);
    assert_memory_equal(header, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

static void the_masked_hello_of_the_rfc(void **state)
{
    (void)state;
    struct websocket_decoder decoder = {0};
    char frame[] = "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", *at = frame; /* 5.7, as binary */
    size_t count = 11;
    struct slice data;
    enum websocket_close code;
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_DATA);
    assert_true(slice_is(data, "Hello"));
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_MORE);
    assert_int_equal(count, 0);
}

static void control_frames_come_between_fragments(void **state)
{
    (void)state;
    struct websocket_decoder decoder = {0};
    char frames[] = "\x02\x81\0\0\0\0a\x89\x82\0\0\0\0hi\x80\x81\0\0\0\0b\x82\x80\0\0\0\0", *at = frames;
    size_t count = sizeof(frames) - 1;
    struct slice data;
    enum websocket_close code;
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_DATA);
    assert_true(slice_is(data, "a"));
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_CONTROL);
    assert_int_equal(decoder.opcode, WEBSOCKET_PING);
    assert_memory_equal(decoder.control, "hi", 2);
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_DATA);
    assert_true(slice_is(data, "b"));
    assert_int_equal(websocket_decode(&decoder, &at, &count, &data, &code), WEBSOCKET_MORE);
}

static void the_meter_tells_data_from_keep_alives(void **state)
{
    (void)state;
    struct websocket_meter meter = {0};
    assert_false(websocket_meter_feed(&meter, "\x89\x00\x8a\x02hi\x88\x02\x03\xe8", 10));
    assert_true(websocket_meter_feed(&meter, "\x81\x05he", 4));
    assert_true(websocket_meter_feed(&meter, "llo", 3));
    assert_false(websocket_meter_feed(&meter, "\x89", 1));
    assert_false(websocket_meter_feed(&meter, "\x80\0\0\0\0", 5));
    assert_true(websocket_meter_feed(&meter, "\x82\xfe\x01\x00\0\0\0\0", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_of_the_rfc),
        cmocka_unit_test(headers_take_the_shortest_length),
        cmocka_unit_test(the_masked_hello_of_the_rfc),
        cmocka_unit_test(control_frames_come_between_fragments),
        cmocka_unit_test(the_meter_tells_data_from_keep_alives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
