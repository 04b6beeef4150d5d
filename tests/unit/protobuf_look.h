/* What a test asks of a protobuf message that it was given; for the programs that include cmocka before. */
#ifndef ATELIER_TESTS_UNIT_PROTOBUF_LOOK_H
#define ATELIER_TESTS_UNIT_PROTOBUF_LOOK_H

#include "base/protobuf.h"

/* Fails the test if <message> is malformed; empty if it has no such field. */
static inline struct slice field(struct slice message, unsigned number)
{
    struct slice found;
    assert_true(protobuf_bytes(message, number, &found));
    return found;
}

/* The first varint <number>; 0 if there is none, as proto3 has it. */
static inline uint64_t number_of(struct slice message, unsigned number)
{
    struct protobuf_field one;
    bool end = false;
    while (protobuf_next(&message, &one, &end) && !end)
        if (one.number == number && !one.delimited)
            return one.value;
    return 0;
}

#endif
