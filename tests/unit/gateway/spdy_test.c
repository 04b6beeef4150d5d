/* Are SPDY/3.1's frames read as kubectl writes them, written as it reads them, and refused where they are not? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "gateway/spdy.h"

/* What a kubectl 1.34 sent: two streams for port 8888 and the end of the first, a ping, and bytes on the second. */
#define CAPTURED "tests/fuzz/corpus/spdy_fuzz/kubectl"

static int set_up(void **state)
{
    struct spdy_reader *reader = memory_get(sizeof(*reader));
    reader->unpacker = spdy_unpacker_new();
    *state = reader;
    return 0;
}

static int tear_down(void **state)
{
    struct spdy_reader *reader = *state;
    spdy_unpacker_free(reader->unpacker);
    free(reader);
    return 0;
}

static void assert_header(const struct spdy_reader *reader, const char *name, const char *value)
{
    struct slice text;
    assert_true(spdy_header(reader->unpacker, name, &text));
    assert_true(slice_is(text, value));
}

static struct slice read_captured(struct buffer *buffer)
{
    struct error error = {0};
    assert_int_equal(file_read(CAPTURED, 1 << 16, buffer, &error), 0);
    return buffer_slice(buffer);
}

static void kubectls_streams_are_understood(void **state)
{
    struct spdy_reader *reader = *state;
    AUTO_BUFFER struct buffer captured = {0};
    struct slice bytes = read_captured(&captured), none;
    assert_int_equal(spdy_read(reader, &bytes), SPDY_OPEN);
    assert_int_equal(reader->stream, 1);
    assert_header(reader, "StreamType", "error");
    assert_header(reader, "port", "8888");
    assert_header(reader, "requestID", "0");
    assert_false(spdy_header(reader->unpacker, "host", &none));
    assert_int_equal(spdy_read(reader, &bytes), SPDY_DATA);
    assert_int_equal(reader->stream, 1);
    assert_true(reader->fin && reader->data.n == 0);
    assert_int_equal(spdy_read(reader, &bytes), SPDY_OPEN);
    assert_int_equal(reader->stream, 3);
    assert_header(reader, "streamtype", "data"); /* its block depends on the one before */
    assert_header(reader, "port", "8888");
    assert_int_equal(spdy_read(reader, &bytes), SPDY_DATA);
    assert_int_equal(reader->stream, 3);
    assert_true(slice_starts(reader->data, "GET /"));
    assert_false(reader->fin);
}

static void assert_broken(struct spdy_reader *reader, const char *bytes, size_t count)
{
    struct slice rest = {bytes, count};
    assert_int_equal(spdy_read(reader, &rest), SPDY_BROKEN);
}
#define ASSERT_BROKEN(reader, bytes) assert_broken(reader, bytes, sizeof(bytes) - 1)

static void what_is_not_a_clients_frame_is_refused(void **state)
{
    struct spdy_reader *reader = *state;
    static const struct {
        const char *bytes;
        size_t count;
    } cases[] = {
#define CASE(text) {text, sizeof(text) - 1}
        CASE("\x80\x02\0\x06\0\0\0\x04\0\0\0\x01"),               /* SPDY/2 */
        CASE("\x81\x03\0\x06\0\0\0\x04\0\0\0\x01"),               /* version 259 */
        CASE("\x80\x03\0\x06\0\0\0\x05\0\0\0\x01\0"),             /* a ping of five bytes */
        CASE("\x80\x03\0\x03\0\0\0\x04\0\0\0\x01"),               /* a reset without a reason */
        CASE("\x80\x03\0\x02\0\0\0\x04\0\0\0\x01"),               /* an answer to nothing */
        CASE("\x80\x03\0\x01\0\0\x10\0"),                         /* longer than is collected */
        CASE("\x80\x03\0\x01\0\0\0\x04\0\0\0\x01"),               /* a stream without its fixed part */
        CASE("\x80\x03\0\x01\0\0\0\x0a\0\0\0\x02\0\0\0\0\0\0"),   /* even: the server's */
        CASE("\x80\x03\0\x01\0\0\0\x0c\0\0\0\x01\0\0\0\0\0\0xx"), /* headers that are not packed */
        CASE("\x80\x03\0\x63\0\0\0\0"),                           /* of no known type, before anything else */
        CASE("GET / HTTP/1.1\r\n"),                               /* data of a stream that was never opened */
#undef CASE
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reader->have = reader->last_opened = 0;
        assert_broken(reader, cases[i].bytes, cases[i].count);
    }
}

static void a_stream_is_opened_once(void **state)
{
    struct spdy_reader *reader = *state;
    AUTO_BUFFER struct buffer captured = {0};
    struct slice bytes = read_captured(&captured);
    assert_int_equal(spdy_read(reader, &bytes), SPDY_OPEN);
    bytes = buffer_slice(&captured);
    assert_int_equal(spdy_read(reader, &bytes), SPDY_BROKEN);
}

/* A block of this many bytes, packed by the packer of our own. */
static bool unpacks(size_t value_bytes)
{
    struct spdy_packer *packer = spdy_packer_new();
    struct spdy_unpacker *unpacker = spdy_unpacker_new();
    AUTO_BUFFER struct buffer block = {0};
    AUTO_BUFFER struct buffer packed = {0};
    const unsigned char length[4] = {0, 0, (unsigned char)(value_bytes >> 8), (unsigned char)value_bytes};
    buffer_add(&block, "\0\0\0\1\0\0\0\1a", 9);
    buffer_add(&block, length, sizeof(length));
    for (size_t i = 0; i < value_bytes; i++)
        buffer_add(&block, "v", 1);
    spdy_pack(packer, buffer_slice(&block), &packed);
    struct slice value;
    bool good = spdy_unpack(unpacker, buffer_slice(&packed));
    assert_true(packed.n < 600);
    assert_true(!good || (spdy_header(unpacker, "A", &value) && value.n == value_bytes));
    spdy_packer_free(packer);
    spdy_unpacker_free(unpacker);
    return good;
}

static void headers_swell_up_to_a_limit(void **state)
{
    (void)state;
    assert_true(unpacks(10));
    assert_true(unpacks(SPDY_BLOCK_BYTES - 14));
    assert_false(unpacks(SPDY_BLOCK_BYTES - 13));
    assert_false(unpacks(60000));
}

static void data_comes_in_pieces(void **state)
{
    struct spdy_reader *reader = *state;
    reader->last_opened = 3;
    struct slice bytes = {"\0\0\0\x03\x01\0\0\x05"
                          "hel",
                          11};
    assert_int_equal(spdy_read(reader, &bytes), SPDY_DATA);
    assert_true(slice_is(reader->data, "hel") && !reader->fin && reader->stream == 3);
    assert_int_equal(spdy_read(reader, &bytes), SPDY_MORE);
    bytes = (struct slice){"lo\x80\x03\0\x06\0\0\0\x04\0\0\0\x07", 14};
    assert_int_equal(spdy_read(reader, &bytes), SPDY_DATA);
    assert_true(slice_is(reader->data, "lo") && reader->fin);
    assert_int_equal(spdy_read(reader, &bytes), SPDY_PING);
    assert_int_equal(reader->stream, 7);
}

static void frames_are_written_as_drafted(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = {0};
    spdy_add_data(3, SLICE("hi"), true, &out);
    assert_int_equal(out.n, 10);
    assert_memory_equal(out.p, "\0\0\0\x03\x01\0\0\x02hi", 10);
    buffer_clear(&out);
    spdy_add_reset(5, SPDY_REFUSED_STREAM, &out);
    assert_int_equal(out.n, 16);
    assert_memory_equal(out.p, "\x80\x03\0\x03\0\0\0\x08\0\0\0\x05\0\0\0\x03", 16);
    buffer_clear(&out);
    spdy_add_ping(9, &out);
    assert_int_equal(out.n, 12);
    assert_memory_equal(out.p, "\x80\x03\0\x06\0\0\0\x04\0\0\0\x09", 12);
}

/* Each reply's block is a part of one zlib stream that an ordinary reader unpacks. */
static void replies_have_no_headers(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer out = {0};
    struct spdy_packer *packer = spdy_packer_new();
    struct spdy_unpacker *unpacker = spdy_unpacker_new();
    for (uint32_t stream = 1; stream < 8; stream += 2) {
        buffer_clear(&out);
        spdy_add_reply(packer, stream, &out);
        const unsigned char head[] = {
            0x80, 3, 0, 2, 0, 0, 0, (unsigned char)(out.n - 8), 0, 0, 0, (unsigned char)stream};
        struct slice none;
        assert_memory_equal(out.p, head, sizeof(head));
        assert_true(spdy_unpack(unpacker, (struct slice){out.p + 12, out.n - 12}));
        assert_false(spdy_header(unpacker, "port", &none));
    }
    spdy_packer_free(packer);
    spdy_unpacker_free(unpacker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kubectls_streams_are_understood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_a_clients_frame_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_is_opened_once, set_up, tear_down),
        cmocka_unit_test(headers_swell_up_to_a_limit),
        cmocka_unit_test_setup_teardown(data_comes_in_pieces, set_up, tear_down),
        cmocka_unit_test(frames_are_written_as_drafted),
        cmocka_unit_test(replies_have_no_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
