/* Does a tunnel's framing say what RFC 6455 says, and is what no server sends refused? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/websocket.h"

/* RFC 6455, 5.7: "Hello" masked with 37 fa 21 3d. */
static void writes_the_example_of_the_rfc(void **state)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    static const unsigned char wanted[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    unsigned char header[FRAME_HEADER_MAX];
    char payload[] = "Hello";
    (void)state;
    assert_int_equal(frame_header(1, 5, mask, header), 6);
    frame_mask(payload, 5, mask);
    assert_memory_equal(header, wanted, 6);
    assert_memory_equal(payload, wanted + 6, 5);
}

static void lengths_take_the_shortest_form(void **state)
{
    static const unsigned char mask[4] = {0};
    static const struct {
        size_t length, header;
        unsigned char second;
    } cases[] = {{0, 6, 0x80}, {125, 6, 0x80 | 125}, {126, 8, 0x80 | 126}, {65535, 8, 0x80 | 126}, {65536, 14, 0xFF}};
    unsigned char header[FRAME_HEADER_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(frame_header(FRAME_BINARY, cases[i].length, mask, header), cases[i].header);
        assert_int_equal(header[1], cases[i].second);
    }
}

/* Every prefix of a frame asks for more; the whole gives its payload. */
static void reads_whole_frames_only(void **state)
{
    char bytes[4 + 300];
    unsigned opcode = 0;
    struct slice payload = {0};
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "\x82\x7e\x01\x2c", 4);
    for (size_t n = 0; n < sizeof(bytes); n++)
        assert_int_equal(frame_read((struct slice){bytes, n}, 1024, &opcode, &payload), 0);
    assert_int_equal(frame_read((struct slice){bytes, sizeof(bytes)}, 1024, &opcode, &payload), sizeof(bytes));
    assert_int_equal(opcode, FRAME_BINARY);
    assert_int_equal(payload.n, 300);
    assert_ptr_equal(payload.p, bytes + 4);
}

static void refuses_what_no_server_sends(void **state)
{
    static const struct slice cases[] = {
        {"\x82\x85zzzz", 6},     /* masked */
        {"\xc2\x00", 2},         /* a reserved bit */
        {"\x82\x7e\xff\xff", 4}, /* longer than is allowed here */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10},
        {"\x89\x7e\x00\x80", 4}, /* a ping of more than 125 bytes */
        {"\x08\x00", 2},         /* a close in parts */
    };
    unsigned opcode = 0;
    struct slice payload = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(frame_read(cases[i], 1024, &opcode, &payload), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_example_of_the_rfc),
        cmocka_unit_test(lengths_take_the_shortest_form),
        cmocka_unit_test(reads_whole_frames_only),
        cmocka_unit_test(refuses_what_no_server_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
