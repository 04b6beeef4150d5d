/* However a client's frames are cut up, the same payload comes out and the same fault is found. */
// fuzz: gateway/websocket.c base/*.c
#include "gateway/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size, size_t step, struct buffer *ret)
{
    struct websocket_decoder decoder = {0};
    struct websocket_meter meter = {0};
    enum websocket_close code;
    for (size_t at = 0; at < size; at += step) {
        size_t count = size - at < step ? size - at : step;
        AUTO_FREE char *piece = memory_text_n((const char *)data + at, count);
        char *p = piece;
        websocket_meter_feed(&meter, piece, count);
        for (;;) {
            struct slice payload;
            enum websocket_event event = websocket_decode(&decoder, &p, &count, &payload, &code);
            if (event == WEBSOCKET_MORE)
                break;
            if (event == WEBSOCKET_DATA)
                buffer_add_slice(ret, payload);
            if (event == WEBSOCKET_CONTROL) {
                buffer_add_format(ret, "[control %d %d]", decoder.opcode, decoder.control_length);
                buffer_add(ret, decoder.control, decoder.control_length);
            }
            if (event == WEBSOCKET_BROKEN) {
                buffer_add_format(ret, "[broken %d]", (int)code);
                return;
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUFFER struct buffer whole = {0};
    AUTO_BUFFER struct buffer bytewise = {0};
    AUTO_BUFFER struct buffer fives = {0};
    decode(data, size, size + 1, &whole);
    decode(data, size, 1, &bytewise);
    decode(data, size, 5, &fives);
    if (!slice_equal(buffer_slice(&whole), buffer_slice(&bytewise)) ||
        !slice_equal(buffer_slice(&whole), buffer_slice(&fives)))
        abort();
    return 0;
}
