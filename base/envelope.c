/* What does this Kubernetes protobuf envelope hold? */
#include "base/envelope.h"

#include "base/protobuf.h"

bool envelope_read(struct slice body, struct slice *ret_kind, struct slice *ret_version, struct slice *ret)
{
    struct slice type, encoding;
    if (body.n < sizeof(ENVELOPE_MAGIC) || memcmp(body.p, ENVELOPE_MAGIC, sizeof(ENVELOPE_MAGIC)) != 0)
        return false;
    struct slice unknown = slice_skip(body, sizeof(ENVELOPE_MAGIC));
    return protobuf_bytes(unknown, 1, &type) && protobuf_bytes(type, 1, ret_version) &&
           protobuf_bytes(type, 2, ret_kind) && protobuf_bytes(unknown, 3, &encoding) && encoding.n == 0 &&
           protobuf_bytes(unknown, ENVELOPE_RAW, ret);
}

bool envelope_open(struct slice body, const char *kind, struct slice *ret)
{
    struct slice name, version, raw;
    if (!envelope_read(body, &name, &version, &raw) || !slice_is(name, kind))
        return false;
    *ret = raw;
    return true;
}
