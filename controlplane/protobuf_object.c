/* Which object does a protobuf message stand for? */
#include "controlplane/protobuf_object.h"

#include "base/protobuf.h"
#include "base/envelope.h"

enum form { TEXT, FLAG, TEXT_MAP, BYTES_MAP, METADATA };
struct member {
    unsigned number;
    enum form form;
    const char *name;
};
struct message {
    const char *kind;
    const struct member *members; /* ended by number 0 */
};

static const struct member metadata_members[] = {{1, TEXT, "name"},
                                                 {2, TEXT, "generateName"},
                                                 {3, TEXT, "namespace"},
                                                 {5, TEXT, "uid"},
                                                 {6, TEXT, "resourceVersion"},
                                                 {11, TEXT_MAP, "labels"},
                                                 {12, TEXT_MAP, "annotations"},
                                                 {0, TEXT, NULL}};
static const struct member configmap_members[] = {{1, METADATA, "metadata"},
                                                  {2, TEXT_MAP, "data"},
                                                  {3, BYTES_MAP, "binaryData"},
                                                  {4, FLAG, "immutable"},
                                                  {0, TEXT, NULL}};
static const struct member secret_members[] = {{1, METADATA, "metadata"},   {2, BYTES_MAP, "data"}, {3, TEXT, "type"},
                                               {4, TEXT_MAP, "stringData"}, {5, FLAG, "immutable"}, {0, TEXT, NULL}};
static const struct message messages[] = {{"ConfigMap", configmap_members}, {"Secret", secret_members}};

static bool is_text(struct slice bytes)
{
    return text_is_utf8(bytes) && !memchr(bytes.p, 0, bytes.n);
}

static void set_text(cJSON *object, const char *name, struct slice text)
{
    AUTO_FREE char *copy = memory_format("%.*s", (int)text.n, text.p);
    json_set_text(object, name, copy);
}

/* An entry of a map: {1: key, 2: value}. */
static bool add_entry(cJSON *map, struct slice entry, bool binary)
{
    struct slice key, value;
    if (!protobuf_bytes(entry, 1, &key) || !protobuf_bytes(entry, 2, &value) || !is_text(key) ||
        (!binary && !is_text(value)) || cJSON_GetArraySize(map) >= PROTOBUF_ENTRIES_MAX)
        return false;
    AUTO_FREE char *name = memory_format("%.*s", (int)key.n, key.p);
    if (!binary) {
        set_text(map, name, value);
        return true;
    }
    AUTO_FREE char *encoded = text_base64(value.p, value.n);
    json_set_text(map, name, encoded);
    return true;
}

static bool read_members(struct slice message, const struct member *members, cJSON *object);

static bool read_member(const struct protobuf_field *field, const struct member *member, cJSON *object)
{
    if (member->form == FLAG) {
        json_set_bool(object, member->name, field->value != 0);
        return !field->delimited;
    }
    if (!field->delimited)
        return false;
    switch (member->form) {
    case TEXT:
        if (!is_text(field->bytes))
            return false;
        if (field->bytes.n) /* they write empty texts, too */
            set_text(object, member->name, field->bytes);
        return true;
    case TEXT_MAP:
    case BYTES_MAP:
        return add_entry(json_object_in(object, member->name), field->bytes, member->form == BYTES_MAP);
    case METADATA:
        return read_members(field->bytes, metadata_members, json_object_in(object, member->name));
    case FLAG:
        break;
    }
    return false;
}

static bool read_members(struct slice message, const struct member *members, cJSON *object)
{
    struct protobuf_field field;
    bool end = false;
    while (protobuf_next(&message, &field, &end) && !end)
        for (const struct member *member = members; member->number; member++)
            if (member->number == field.number && !read_member(&field, member, object))
                return false;
    return end;
}

int protobuf_object_read(struct slice body, cJSON **ret, struct error *error)
{
    struct slice kind, version, raw;
    if (!envelope_read(body, &kind, &version, &raw) || !is_text(kind) || !is_text(version))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body is no Kubernetes protobuf message");
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        if (!slice_is(kind, messages[i].kind))
            continue;
        AUTO_JSON cJSON *object = json_object();
        set_text(object, "apiVersion", version);
        set_text(object, "kind", kind);
        if (!read_members(raw, messages[i].members, object))
            return error_set(error, ERROR_BAD_REQUEST, NULL, "the %s is malformed or has too many entries",
                             messages[i].kind);
        *ret = TAKE_POINTER(object);
        return 0;
    }
    return error_set(error, ERROR_MEDIA_TYPE, NULL,
                     "only ConfigMaps and Secrets are read as protobuf; send application/json");
}
