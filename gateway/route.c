/* Which workload, if any, does this path lead to? */
#include "base/random.h"
#include "gateway/gateway.h"
#include "gateway/path.h"

/* A label of 63 bytes: what fits, a mark that no unhashed label can hold (names never contain "--", so never "---"),
 * and 64 bits of the digest, so that nobody can name a resource into another one's host. */
enum { LABEL_KEPT = 44, LABEL_DIGEST = 16, LABEL_BYTES = 63 };

void resource_label(const char *kind, const char *namespace, const char *name, char ret[64])
{
    char full[256], digest[2 * DIGEST_SIZE + 1];
    int length = snprintf(full, sizeof(full), "%s-%s--%s", kind, name, namespace);
    if (length <= LABEL_BYTES) {
        memcpy(ret, full, (size_t)length + 1);
        return;
    }
    digest_sha256_hex(slice_of(full), digest);
    snprintf(ret, 64, "%.*s---%.*s", LABEL_KEPT, full, LABEL_DIGEST, digest);
}

static bool refuse(struct error *error, const char *field, const char *what)
{
    error_set(error, ERROR_BAD_REQUEST, field, "%s", what);
    return false;
}

static void copy(char *ret, struct slice text)
{
    if (text.n > 0)
        memcpy(ret, text.p, text.n);
    ret[text.n] = '\0';
}

/* Takes one segment off <rest>, which begins with '/' or is empty. */
static struct slice take_segment(struct slice *rest)
{
    struct slice segment = slice_skip(*rest, 1);
    const char *slash = segment.n > 0 ? memchr(segment.p, '/', segment.n) : NULL;
    if (slash)
        segment.n = (size_t)(slash - segment.p);
    *rest = slice_skip(*rest, 1 + segment.n);
    return segment;
}

static bool take_name(struct slice *rest, const char *field, char ret[64], struct error *error)
{
    struct slice segment = take_segment(rest);
    if (!name_is_label(segment))
        return refuse(error, field, "must be lower-case letters, digits and '-', at most 63");
    copy(ret, segment);
    return true;
}

static bool port_is_good(struct slice port)
{
    int64_t number;
    if (port.n > 0 && port.p[0] >= '0' && port.p[0] <= '9')
        return text_parse_i64(port, 1, 65535, &number);
    return port.n <= 15 && name_is_label(port);
}

/* Splits at ':' or "%3A". */
static struct slice split_colon(struct slice text, struct slice *rest, bool *ret_found)
{
    for (size_t i = 0; i < text.n; i++) {
        bool encoded = text.n - i >= 3 && strncasecmp(text.p + i, "%3a", 3) == 0;
        if (text.p[i] != ':' && !encoded)
            continue;
        *ret_found = true;
        *rest = slice_skip(text, i + (encoded ? 3 : 1));
        return (struct slice){text.p, i};
    }
    *ret_found = false;
    *rest = (struct slice){text.p + text.n, 0};
    return text;
}

/* "svc", "svc:port", "http:svc:port" (the port may be empty there), as kube-apiserver's service proxy reads them. */
static bool parse_service(struct slice segment, struct route *ret, struct error *error)
{
    struct slice parts[3], rest = segment;
    size_t count = 0;
    bool more = true;
    while (more) {
        if (count == COUNT_OF(parts))
            return refuse(error, "service", "must be NAME, NAME:PORT or http:NAME:PORT");
        parts[count++] = split_colon(rest, &rest, &more);
    }
    size_t name = 0;
    if (count == 3) {
        if (!slice_is(parts[0], "http") && parts[0].n > 0)
            return refuse(error, "service", "only the scheme http is proxied");
        name = 1;
    }
    if (!name_is_label(parts[name]))
        return refuse(error, "service", "must be lower-case letters, digits and '-', at most 63");
    copy(ret->name, parts[name]);
    struct slice port = count > 1 ? parts[name + 1] : (struct slice){NULL, 0};
    if (port.n > 0 && !port_is_good(port))
        return refuse(error, "port", "must be a port's name or number");
    if (count == 2 && port.n == 0)
        return refuse(error, "port", "must be a port's name or number");
    copy(ret->port, port);
    return true;
}

static bool count_segments(struct slice rest, size_t wanted)
{
    while (wanted > 0 && rest.n > 1) {
        if (take_segment(&rest).n == 0)
            return false;
        wanted--;
    }
    return wanted == 0;
}

/* /notebook/{ns}/{name}/… and its siblings */
static bool parse_workload(struct slice rest, enum route_kind kind, struct route *ret, struct error *error)
{
    ret->kind = kind;
    if (!take_name(&rest, "namespace", ret->namespace, error) || !take_name(&rest, "name", ret->name, error))
        return false;
    ret->tail = rest;
    return true;
}

static bool parse_tunnel(struct slice rest, struct route *ret, struct error *error)
{
    if (!parse_workload(rest, ROUTE_TUNNEL, ret, error))
        return false;
    rest = ret->tail;
    struct slice port = take_segment(&rest);
    if (!port_is_good(port))
        return refuse(error, "port", "must be a port's name or number");
    if (rest.n > 0)
        return refuse(error, "path", "nothing may follow the port of a tunnel");
    copy(ret->port, port);
    ret->tail = rest;
    return true;
}

/* /api/v1/namespaces/{ns}/services/{service}/proxy[/…] */
static bool parse_service_proxy(struct slice rest, struct route *ret, struct error *error)
{
    ret->kind = ROUTE_SERVICE;
    if (!take_name(&rest, "namespace", ret->namespace, error))
        return false;
    take_segment(&rest);
    if (!parse_service(take_segment(&rest), ret, error))
        return false;
    take_segment(&rest);
    ret->tail = rest;
    return true;
}

static bool is_service_proxy(struct slice rest)
{
    if (!count_segments(rest, 4))
        return false;
    take_segment(&rest);
    if (!slice_is(take_segment(&rest), "services"))
        return false;
    take_segment(&rest);
    return slice_is(take_segment(&rest), "proxy");
}

bool route_parse_pod(struct slice path, struct route *ret)
{
    static const char *const parts[] = {"exec", "attach", "portforward"};
    static const char namespaces[] = "/api/v1/namespaces";
    struct slice rest = slice_skip(path, sizeof(namespaces) - 1);
    if (!slice_starts(path, "/api/v1/namespaces/") || !count_segments(rest, 4))
        return false;
    struct slice namespace = take_segment(&rest), pods = take_segment(&rest), pod = take_segment(&rest);
    struct slice part = take_segment(&rest);
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        known = known || slice_is(part, parts[i]);
    if (!known || rest.n > 0 || !slice_is(pods, "pods") || !name_is_label(namespace) || !name_is_subdomain(pod) ||
        pod.n >= sizeof(ret->name))
        return false;
    *ret = (struct route){.kind = ROUTE_POD, .tail = part};
    copy(ret->namespace, namespace);
    copy(ret->name, pod);
    return true;
}

bool route_parse_grpc(struct slice label, struct route *ret)
{
    bool client = slice_starts(label, "rayclient-");
    if (!client && !slice_starts(label, "grpc-"))
        return false;
    struct slice rest = slice_skip(label, client ? 10 : 5);
    const char *mark = rest.n > 2 ? memmem(rest.p, rest.n, "--", 2) : NULL;
    if (!mark)
        return false;
    struct slice name = {rest.p, (size_t)(mark - rest.p)}, namespace = slice_skip(rest, name.n + 2);
    if (!name_is_label(name) || !name_is_label(namespace) || memmem(namespace.p, namespace.n, "--", 2))
        return false;
    *ret = (struct route){.kind = client ? ROUTE_RAY_CLIENT : ROUTE_SERVE_GRPC};
    copy(ret->name, name);
    copy(ret->namespace, namespace);
    return true;
}

static bool dispatch_prefix(struct slice path, struct route *ret, struct error *error)
{
    static const struct {
        const char *prefix;
        enum route_kind kind;
    } workloads[] = {{"/notebook/", ROUTE_NOTEBOOK}, {"/ray/", ROUTE_RAY}, {"/serve/", ROUTE_SERVE}};
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        size_t length = strlen(workloads[i].prefix) - 1;
        if (slice_starts(path, workloads[i].prefix) && count_segments(slice_skip(path, length), 2))
            return parse_workload(slice_skip(path, length), workloads[i].kind, ret, error);
    }
    if (slice_starts(path, "/tunnel/") && count_segments(slice_skip(path, 7), 3))
        return parse_tunnel(slice_skip(path, 7), ret, error);
    static const char namespaces[] = "/api/v1/namespaces";
    if (slice_starts(path, "/api/v1/namespaces/") && is_service_proxy(slice_skip(path, sizeof(namespaces) - 1)))
        return parse_service_proxy(slice_skip(path, sizeof(namespaces) - 1), ret, error);
    ret->kind = ROUTE_API;
    return true;
}

bool route_parse(struct slice path, struct route *ret, struct error *error)
{
    memset(ret, 0, sizeof(*ret));
    if (!dispatch_prefix(path, ret, error))
        return false;
    if (ret->kind == ROUTE_API)
        return path_check_strict(path, error);
    /* A stripped target that began with "//" would be read as an authority (RFC 3986 4.2). */
    if (slice_starts(ret->tail, "//"))
        return refuse(error, "path", "the path holds an empty segment");
    return path_check_tail(ret->tail, error);
}
