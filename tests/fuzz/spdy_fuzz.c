/* However a client's SPDY frames are cut up, the same streams, headers and data come out, and the same fault. */
// fuzz: gateway/spdy.c gateway/spdy_headers.c base/*.c
#include "gateway/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_headers(const struct spdy_unpacker *unpacker, struct buffer *ret)
{
    static const char *const names[] = {"streamtype", "port", "requestid"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice value;
        if (spdy_header(unpacker, names[i], &value))
            buffer_add_slice(ret, value);
    }
}

/* False: it is broken. Data is noted by stream and byte, for where it is cut is not the client's to say. */
static bool note(const struct spdy_reader *reader, enum spdy_event event, struct buffer *ret)
{
    if (event != SPDY_DATA)
        buffer_add_format(ret, "[%d %u %d]", (int)event, event == SPDY_BROKEN ? 0 : reader->stream,
                          event == SPDY_OPEN && reader->fin);
    if (event == SPDY_OPEN)
        note_headers(reader->unpacker, ret);
    for (size_t i = 0; event == SPDY_DATA && i < reader->data.n; i++)
        buffer_add_format(ret, "%u:%02x ", reader->stream, (unsigned char)reader->data.p[i]);
    if (event == SPDY_DATA && reader->fin)
        buffer_add_format(ret, "%u:end ", reader->stream);
    return event != SPDY_BROKEN;
}

static void read_all(const uint8_t *data, size_t size, size_t step, struct buffer *ret)
{
    struct spdy_reader reader = {.unpacker = spdy_unpacker_new()};
    bool good = true;
    for (size_t at = 0; at < size && good; at += step) {
        struct slice piece = {(const char *)data + at, size - at < step ? size - at : step};
        enum spdy_event event;
        while (good && (event = spdy_read(&reader, &piece)) != SPDY_MORE)
            good = note(&reader, event, ret);
    }
    spdy_unpacker_free(reader.unpacker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUFFER struct buffer whole = {0};
    AUTO_BUFFER struct buffer bytewise = {0};
    AUTO_BUFFER struct buffer fives = {0};
    read_all(data, size, size + 1, &whole);
    read_all(data, size, 1, &bytewise);
    read_all(data, size, 5, &fives);
    if (!slice_equal(buffer_slice(&whole), buffer_slice(&bytewise)) ||
        !slice_equal(buffer_slice(&whole), buffer_slice(&fives)))
        abort();
    return 0;
}
