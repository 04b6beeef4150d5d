/* Whatever path is accepted names a namespace and a workload by valid names, holds no dot segment, and is made of
 * exactly its prefix and its tail. */
// fuzz: gateway/path.c gateway/route.c gateway/ray_paths.c gateway/host.c gateway/limits.c base/*.c
#include "gateway/gateway.h"
#include "gateway/host.h"
#include "gateway/ray_paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_segments(struct slice path)
{
    AUTO_BUFFER struct buffer decoded = {0};
    /* A NUL or a broken escape would make this fail: they are refused. */
    MUST(text_unpercent(path, &decoded));
    struct slice rest = {decoded.p ? decoded.p : "", decoded.n};
    while (rest.n > 0) {
        struct slice ignored, segment = slice_split(slice_split(rest, '/', &rest), ';', &ignored);
        MUST(!slice_is(segment, ".") && !slice_is(segment, ".."));
    }
    MUST(!memchr(decoded.p ? decoded.p : "", '\\', decoded.n));
}

static void check_prefix(struct slice path, const struct route *route)
{
    static const char *const names[] = {
        [ROUTE_NOTEBOOK] = "notebook", [ROUTE_RAY] = "ray", [ROUTE_SERVE] = "serve", [ROUTE_TUNNEL] = "tunnel"};
    char prefix[256];
    if (route->kind == ROUTE_SERVICE) {
        snprintf(prefix, sizeof(prefix), "/api/v1/namespaces/%s/services/", route->namespace);
        MUST(slice_starts(path, prefix));
        return;
    }
    snprintf(prefix, sizeof(prefix), "/%s/%s/%s%s%s", names[route->kind], route->namespace, route->name,
             route->port[0] ? "/" : "", route->port);
    MUST(path.n - route->tail.n == strlen(prefix) && slice_starts(path, prefix));
}

static void check_label(const struct route *route)
{
    char label[64], host_text[128];
    struct host host;
    resource_label("notebook", route->namespace, route->name, label);
    MUST(name_is_label(slice_of(label)));
    snprintf(host_text, sizeof(host_text), "%s.localhost:8080", label);
    host_parse(slice_of(host_text), "localhost", &host);
    MUST(host.kind == HOST_RESOURCE && strcmp(host.label, label) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data, size}, query, path = slice_split(all, '?', &query);
    struct host host;
    struct route route;
    struct error error = {0};
    host_parse(all, "localhost", &host);
    MUST(host.kind != HOST_RESOURCE || name_is_label(slice_of(host.label)));
    if (path.n == 0 || path.p[0] != '/')
        return 0;
    if (!route_parse(path, &route, &error)) {
        MUST(error.code == ERROR_BAD_REQUEST && error.message[0]);
        return 0;
    }
    check_segments(path);
    if (route.kind == ROUTE_API)
        return 0;
    MUST(name_is_label(slice_of(route.namespace)) && name_is_label(slice_of(route.name)));
    MUST(route.tail.n == 0 || (route.tail.p[0] == '/' && !slice_starts(route.tail, "//")));
    check_prefix(path, &route);
    check_label(&route);
    ray_path_is_sensitive(route.tail, query);
    return 0;
}
