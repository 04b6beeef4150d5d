/* Which of our hosts does this Host field name? */
#include "gateway/host.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool port_is_good(struct slice port)
{
    int64_t number;
    return port.n > 0 && port.n <= 5 && port.p[0] != '-' && text_parse_i64(port, 1, 65535, &number);
}

/* Length of the name part: "[::1]" with its brackets, or everything before the colon. 0: malformed. */
static size_t name_part(struct slice host)
{
    size_t length = 0;
    if (host.n > 0 && host.p[0] == '[') {
        while (length < host.n && host.p[length] != ']')
            length++;
        for (size_t i = 1; i < length; i++)
            if (!((host.p[i] >= '0' && host.p[i] <= '9') || (host.p[i] >= 'a' && host.p[i] <= 'f') ||
                  host.p[i] == ':' || host.p[i] == '.'))
                return 0;
        return length < host.n ? length + 1 : 0;
    }
    while (length < host.n && is_name_byte(host.p[length]))
        length++;
    return length;
}

static bool is_resource_label(struct slice label)
{
    return name_is_label(label) &&
           (slice_starts(label, "notebook-") || slice_starts(label, "ray-") || slice_starts(label, "serve-"));
}

static bool is_grpc_label(struct slice label)
{
    return name_is_label(label) && (slice_starts(label, "rayclient-") || slice_starts(label, "grpc-"));
}

static void classify(struct slice name, const char *base_domain, struct host *ret)
{
    ret->kind = HOST_FOREIGN;
    if (slice_is(name, "127.0.0.1") || slice_is(name, "localhost") || slice_is(name, "[::1]") ||
        slice_is(name, base_domain)) {
        ret->kind = HOST_MAIN;
        return;
    }
    size_t base = strlen(base_domain);
    if (name.n <= base + 1 || memcmp(name.p + name.n - base, base_domain, base) != 0 ||
        name.p[name.n - base - 1] != '.')
        return;
    struct slice label = {name.p, name.n - base - 1};
    if (!is_resource_label(label) && !is_grpc_label(label))
        return;
    ret->kind = is_grpc_label(label) ? HOST_GRPC : HOST_RESOURCE;
    memcpy(ret->label, label.p, label.n);
    ret->label[label.n] = '\0';
}

void host_parse(struct slice value, const char *base_domain, struct host *ret)
{
    ret->kind = HOST_INVALID;
    ret->label[0] = ret->text[0] = '\0';
    ret->name_length = 0;
    if (value.n == 0 || value.n >= sizeof(ret->text))
        return;
    for (size_t i = 0; i < value.n; i++)
        ret->text[i] = (char)(value.p[i] >= 'A' && value.p[i] <= 'Z' ? value.p[i] + 32 : value.p[i]);
    ret->text[value.n] = '\0';
    struct slice lower = {ret->text, value.n};
    size_t length = name_part(lower);
    if (length == 0)
        return;
    if (length < lower.n && (lower.p[length] != ':' || !port_is_good(slice_skip(lower, length + 1))))
        return;
    ret->name_length = length;
    classify((struct slice){lower.p, length}, base_domain, ret);
}
