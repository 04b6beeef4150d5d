/* Whatever protobuf is read as an object stays the same object when the reader meets its bytes twice over, holds only
 * what JSON can hold, and no field of any message lies outside the message. */
// fuzz: controlplane/protobuf_object.c base/*.c
#include "base/json.h"
#include "base/protobuf.h"
#include "base/envelope.h"
#include "controlplane/protobuf_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

/* Fields lie within what is left of their message, one after the other, and reading ends. */
static void walk(struct slice message)
{
    struct protobuf_field field;
    const char *stop = message.p + message.n;
    bool end = false;
    size_t left = message.n;
    while (protobuf_next(&message, &field, &end) && !end) {
        MUST(message.n < left && message.p + message.n == stop && field.number > 0);
        MUST(!field.delimited || (field.bytes.p + field.bytes.n == message.p && field.bytes.n < left));
        left = message.n;
    }
}

/* The values of a map are texts, whose number is bounded; the rest are texts and flags. */
static void check_object(const cJSON *object)
{
    const cJSON *member, *entry;
    cJSON_ArrayForEach(member, object)
    {
        MUST(member->string && (cJSON_IsString(member) || cJSON_IsBool(member) || cJSON_IsObject(member)));
        if (strcmp(member->string, "data") != 0 && strcmp(member->string, "binaryData") != 0)
            continue;
        MUST(cJSON_GetArraySize(member) <= PROTOBUF_ENTRIES_MAX);
        cJSON_ArrayForEach(entry, member)
        {
            MUST(cJSON_IsString(entry));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON cJSON *object = NULL, *again = NULL, *parsed = NULL;
    struct slice body = {(const char *)data, size}, kind, version, raw;
    struct error error = {0};
    walk(body);
    if (envelope_read(body, &kind, &version, &raw))
        walk(raw);
    if (protobuf_object_read(body, &object, &error) < 0) {
        MUST(!object && error.message[0]);
        return 0;
    }
    check_object(object);
    MUST(protobuf_object_read(body, &again, &error) == 0 && cJSON_Compare(object, again, true));
    AUTO_FREE char *text = json_print(object);
    if (strlen(text) < 65536) /* what is printed is JSON as this service reads it: no name twice, no broken UTF-8 */
        MUST(json_parse(slice_of(text), &json_limits_default, &parsed, &error) == 0 &&
             cJSON_Compare(object, parsed, true));
    return 0;
}
