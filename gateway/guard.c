/* Did the person mean this, or did another site make their browser send it? */
#include "gateway/guard.h"

#include "base/random.h"

static bool refuse(struct http_fault *fault, const char *what)
{
    *fault = (struct http_fault){403, what};
    return false;
}

/* host[:port] without the port that the scheme implies: browsers leave it out of Origin. */
static struct slice without_default_port(struct slice host, bool secure)
{
    const char *port = secure ? ":443" : ":80";
    if (slice_ends(host, port))
        host.n -= strlen(port);
    return host;
}

bool guard_same_origin(struct slice origin, const struct host *host, bool secure)
{
    const char *scheme = secure ? "https://" : "http://";
    if (!slice_starts(origin, scheme))
        return false;
    struct slice theirs = without_default_port(slice_skip(origin, strlen(scheme)), secure);
    struct slice ours = without_default_port(slice_of(host->text), secure);
    return theirs.n > 0 && slice_equal(theirs, ours);
}

static bool header_is(const struct http_fields *fields, const char *name, const char *value)
{
    const struct header *field = http_fields_find(fields, name);
    return field && slice_is_nocase(field->value, value);
}

/* Every Origin must be ours: a second one could be the one that somebody else reads. */
static bool check_origin(const struct http_request *request, const struct host *host, bool secure, bool *ret_present,
                         struct http_fault *fault)
{
    *ret_present = false;
    for (size_t i = 0; i < request->fields.count; i++) {
        if (!slice_is_nocase(request->fields.at[i].name, "Origin"))
            continue;
        if (*ret_present || !guard_same_origin(request->fields.at[i].value, host, secure))
            return refuse(fault, "the Origin of this request is another site");
        *ret_present = true;
    }
    return true;
}

bool guard_is_console(const struct http_request *request, const struct identity *identity)
{
    const struct header *field = http_fields_find(&request->fields, "X-Atelier-CSRF");
    size_t length = strnlen(identity->csrf, sizeof(identity->csrf));
    return field && length > 0 && field->value.n == length && digest_equal(field->value.p, identity->csrf, length);
}

static bool check_unsafe(const struct http_request *request, const struct host *host, bool secure,
                         const struct identity *identity, struct http_fault *fault)
{
    bool origin;
    if (!check_origin(request, host, secure, &origin, fault))
        return false;
    /* Browsers differ in how they call ws: and http: of one host; a WebSocket always has an Origin, which says it all.
     */
    const struct header *site = request->websocket ? NULL : http_fields_find(&request->fields, "Sec-Fetch-Site");
    if (site && !slice_is_nocase(site->value, "same-origin") && !slice_is_nocase(site->value, "none"))
        return refuse(fault, "this request comes from another site");
    if (identity->kind == IDENTITY_ANONYMOUS)
        return true;
    if (!origin)
        return refuse(fault, "a request with a cookie needs an Origin");
    if (request->websocket || host->kind == HOST_RESOURCE || slice_starts(request->path, "/auth/"))
        return true;
    return guard_is_console(request, identity) || refuse(fault, "X-Atelier-CSRF is missing or wrong");
}

bool guard_check(const struct http_request *request, const struct host *host, bool secure,
                 const struct identity *identity, struct http_fault *fault)
{
    if (request->websocket || !request->safe)
        return check_unsafe(request, host, secure, identity, fault);
    if (identity->kind == IDENTITY_ANONYMOUS || header_is(&request->fields, "Sec-Fetch-Mode", "navigate"))
        return true;
    if (header_is(&request->fields, "Sec-Fetch-Site", "cross-site") ||
        header_is(&request->fields, "Sec-Fetch-Site", "same-site"))
        return refuse(fault, "another site may not load this with your cookie");
    return true;
}

bool guard_impersonates(const struct http_request *request)
{
    static const char prefix[] = "Impersonate-";
    for (size_t i = 0; i < request->fields.count; i++) {
        struct slice name = request->fields.at[i].name;
        if (name.n > sizeof(prefix) - 1 && slice_is_nocase((struct slice){name.p, sizeof(prefix) - 1}, prefix))
            return true;
    }
    return false;
}

bool guard_is_navigation(const struct http_request *request)
{
    if (!request->get || request->websocket)
        return false;
    const struct header *mode = http_fields_find(&request->fields, "Sec-Fetch-Mode");
    if (mode)
        return slice_is_nocase(mode->value, "navigate");
    const struct header *accept = http_fields_find(&request->fields, "Accept");
    return accept && memmem(accept->value.p, accept->value.n, "text/html", 9) != NULL;
}
