/* Which header fields pass between a client and a workload? */
#include "gateway/headers.h"

#include <pthread.h>

#include "gateway/cookie.h"

enum rule {
    PASS,
    DROP,      /* never passes: identity, credentials, what we write ourselves */
    HOP,       /* belongs to one connection (RFC 9110 7.6.1) */
    COOKIE,    /* filtered */
    BROWSER,   /* marks a browser: Ray answers 405 to those on unsafe methods */
    HANDSHAKE, /* only with an upgrade */
    PROTECTED  /* passes, but may not be nominated */
};
/* By exact name. Prefixes stand below. */
static const struct {
    const char *name;
    enum rule rule;
} rules[] = {
    {"host", DROP}, /* written first, unchanged */
    {"authorization", DROP},
    {"proxy-authorization", DROP},
    {"proxy-authenticate", HOP},
    {"proxy-connection", HOP},
    {"proxy", DROP}, /* httpoxy */
    {"cookie", COOKIE},
    {"cookie2", DROP},
    {"connection", HOP},
    {"keep-alive", HOP},
    {"te", HOP},
    {"trailer", HOP},
    {"transfer-encoding", DROP},
    {"content-length", DROP}, /* written from what was parsed */
    {"upgrade", HOP},
    {"http2-settings", DROP},
    {"expect", DROP}, /* answered here */
    {"forwarded", DROP},
    {"via", DROP},
    {"x-real-ip", DROP},
    {"x-request-id", DROP},
    {"x-ray-authorization", DROP},
    {"x-scheme", DROP},
    {"x-scheme-forwarded", DROP},
    {"x-proxy-user", DROP},
    {"x-http-method-override", DROP},
    {"x-http-method", DROP},
    {"x-method-override", DROP},
    {"x-cluster-client-ip", DROP},
    {"x-client-ip", DROP},
    {"true-client-ip", DROP},
    {"cf-connecting-ip", DROP},
    {"x-arr-ssl", DROP},
    {"front-end-https", DROP},
    {"ssl-client-cert", DROP},
    {"content-type", PROTECTED},
    {"content-encoding", PROTECTED},
    {"origin", BROWSER},
    {"referer", BROWSER},
    {"sec-fetch-site", BROWSER},
    {"sec-fetch-mode", BROWSER},
    {"sec-fetch-dest", BROWSER},
    {"sec-fetch-user", BROWSER},
    {"access-control-request-method", BROWSER},
    {"access-control-request-headers", BROWSER},
    {"user-agent", BROWSER},
    {"sec-websocket-key", HANDSHAKE},
    {"sec-websocket-version", HANDSHAKE},
    {"sec-websocket-protocol", HANDSHAKE},
    {"sec-websocket-extensions", HANDSHAKE},
    {"sec-websocket-accept", HANDSHAKE},
};
/* Whatever begins like this carries somebody's word on who or where the caller is. */
static const char *const dropped_prefixes[] = {
    "x-forwarded-", "x-atelier-",       "x-original-",   "x-rewrite-", "x-envoy-",     "x-goog-",
    "x-auth-",      "x-authenticated-", "x-remote-",     "x-user",     "x-webauth-",   "x-kubeflow-",
    "x-istio-",     "x-ssl-",           "x-client-cert", "x-jwt-",     "x-email",      "x-group",
    "x-amzn-oidc-", "x-ms-client-",     "x-token-",      "kubeflow-",  "impersonate-", "remote-",
    "cf-access-",   "tailscale-",       "x-pomerium-",   "x-vouch-",   "x-authentik-", "x-ray-",
};

enum { BUCKETS = 256 };
static unsigned char index_[BUCKETS][4]; /* positions in rules, plus one */
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static unsigned bucket_of(const char *name, size_t length)
{
    return (unsigned)(length * 37 + lower(name[0]) * 5u + lower(name[length - 1]) * 11u + lower(name[length / 2])) %
           BUCKETS;
}

static void index_build(void)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        unsigned char *bucket = index_[bucket_of(rules[i].name, strlen(rules[i].name))];
        size_t at = 0;
        while (bucket[at] != 0)
            if (++at == COUNT_OF(index_[0]))
                abort(); /* the table above is static: a unit test runs into this, never a user */
        bucket[at] = (unsigned char)(i + 1);
    }
}

static enum rule rule_of(struct slice name)
{
    const unsigned char *bucket = index_[bucket_of(name.p, name.n)];
    for (size_t i = 0; i < COUNT_OF(index_[0]) && bucket[i]; i++)
        if (slice_is_nocase(name, rules[bucket[i] - 1].name))
            return rules[bucket[i] - 1].rule;
    unsigned char first = lower(name.p[0]);
    if (first != 'x' && first != 'k' && first != 'i' && first != 'r' && first != 'c' && first != 't')
        return PASS;
    for (size_t i = 0; i < COUNT_OF(dropped_prefixes); i++)
        if (name.n >= strlen(dropped_prefixes[i]) &&
            strncasecmp(name.p, dropped_prefixes[i], strlen(dropped_prefixes[i])) == 0)
            return DROP;
    return PASS;
}

/* --- Connection nominations --------------------------------------------------------------------------------------- */

static bool may_nominate(struct slice name)
{
    if (slice_is_nocase(name, "close") || slice_is_nocase(name, "http2-settings"))
        return true;
    enum rule rule = rule_of(name);
    return rule == PASS || rule == HOP;
}

bool headers_check_connection(const struct http_fields *fields, struct http_fault *fault)
{
    pthread_once(&index_once, index_build);
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->at[i].name.n != 10 || !slice_is_nocase(fields->at[i].name, "Connection"))
            continue;
        for (struct slice rest = fields->at[i].value, one; rest.n > 0;) {
            one = slice_trim(slice_split(rest, ',', &rest));
            if (one.n == 0)
                continue;
            if (!http_is_token(one) || !may_nominate(one)) {
                *fault = (struct http_fault){400, "Connection names a header that must not be removed"};
                return false;
            }
        }
    }
    return true;
}

/* Connection usually says nothing but keep-alive, close or upgrade; only otherwise are fields compared with it. */
static bool connection_nominates(const struct http_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->at[i].name.n != 10 || !slice_is_nocase(fields->at[i].name, "Connection"))
            continue;
        struct slice value = fields->at[i].value;
        if (!slice_is_nocase(value, "keep-alive") && !slice_is_nocase(value, "close") &&
            !slice_is_nocase(value, "upgrade"))
            return true;
    }
    return false;
}

static bool is_nominated(const struct http_fields *fields, struct slice name)
{
    char text[64];
    if (name.n >= sizeof(text))
        return true; /* too long to compare cheaply: goes, as nobody relies on it */
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return http_fields_has_token(fields, "Connection", text);
}

/* --- towards the workload ----------------------------------------------------------------------------------------- */

static void add_field(struct chunk *out, struct slice name, struct slice value)
{
    chunk_add(out, name);
    chunk_add(out, SLICE(": "));
    chunk_add(out, value);
    chunk_add(out, SLICE("\r\n"));
}

static void add_cookies(struct chunk *out, struct slice value)
{
    struct slice name, pair;
    bool first = true;
    while ((pair = cookie_next(&value, &name)).n > 0) {
        if (cookie_is_reserved(name))
            continue;
        chunk_add(out, first ? SLICE("Cookie: ") : SLICE("; "));
        chunk_add(out, pair);
        first = false;
    }
    if (!first)
        chunk_add(out, SLICE("\r\n"));
}

static bool is_ray(const struct headers_forward *forward)
{
    return strcmp(forward->target->owner_kind, "RayCluster") == 0;
}

static bool keeps_browser_mark(const struct headers_forward *forward, struct slice name, struct slice value)
{
    if (!is_ray(forward) || forward->request->safe)
        return true;
    return slice_is_nocase(name, "user-agent") && !slice_starts(value, "Mozilla");
}

static void add_passed(struct chunk *out, const struct headers_forward *forward)
{
    const struct http_fields *fields = &forward->request->fields;
    bool nominates = connection_nominates(fields);
    for (size_t i = 0; i < fields->count; i++) {
        struct slice name = fields->at[i].name, value = fields->at[i].value;
        enum rule rule = rule_of(name);
        if (rule == DROP || rule == HOP || (rule == HANDSHAKE && !forward->request->websocket))
            continue;
        if (forward->target->header_name[0] && slice_is_nocase(name, forward->target->header_name))
            continue;
        if (rule == COOKIE) {
            if (!forward->main_host)
                add_cookies(out, value);
            continue;
        }
        if (rule == BROWSER && !keeps_browser_mark(forward, name, value))
            continue;
        if (nominates && rule == PASS && is_nominated(fields, name))
            continue;
        add_field(out, name, value);
    }
}

static void add_request_line(struct chunk *out, const struct headers_forward *forward)
{
    const struct http_request *request = forward->request;
    chunk_add(out, request->method);
    chunk_add(out, SLICE(" "));
    chunk_add(out, forward->target->strip_prefix ? forward->route->tail : request->path);
    if (request->has_query) {
        chunk_add(out, SLICE("?"));
        chunk_add(out, request->query);
    }
    chunk_add(out, SLICE(" HTTP/1.1\r\n"));
}

static struct slice stripped_prefix(const struct headers_forward *forward)
{
    if (!forward->target->strip_prefix)
        return (struct slice){NULL, 0};
    return (struct slice){forward->request->path.p, forward->request->path.n - forward->route->tail.n};
}

static void add_ours(struct chunk *out, const struct headers_forward *forward)
{
    const struct target *target = forward->target;
    add_field(out, SLICE("X-Forwarded-For"), slice_of(forward->peer));
    add_field(out, SLICE("X-Forwarded-Proto"), forward->secure ? SLICE("https") : SLICE("http"));
    add_field(out, SLICE("X-Forwarded-Host"), slice_of(forward->host->text));
    struct slice prefix = stripped_prefix(forward);
    if (prefix.n > 0)
        add_field(out, SLICE("X-Forwarded-Prefix"), prefix);
    add_field(out, SLICE("X-Atelier-User"), slice_of(forward->email));
    add_field(out, SLICE("X-Request-Id"), slice_of(forward->request_id));
    if (target->header_name[0])
        add_field(out, slice_of(target->header_name), slice_of(target->header_value));
    /* Ray leaves environments out of what it shows to browsers (dashboard/runtime_env_redaction.py). */
    if (forward->read_only && is_ray(forward) && !http_fields_find(&forward->request->fields, "Sec-Fetch-Site"))
        add_field(out, SLICE("Sec-Fetch-Site"), SLICE("same-origin"));
}

static void add_framing(struct chunk *out, const struct http_request *request)
{
    if (request->framing == HTTP_BODY_CHUNKED) {
        chunk_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    } else if (request->framing == HTTP_BODY_LENGTH || !request->safe) {
        chunk_add(out, SLICE("Content-Length: "));
        chunk_add_number(out, request->length);
        chunk_add(out, SLICE("\r\n"));
    }
    if (request->websocket)
        chunk_add(out, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

bool headers_write_request(struct chunk *out, const struct headers_forward *forward, struct http_fault *fault)
{
    pthread_once(&index_once, index_build);
    add_request_line(out, forward);
    add_field(out, SLICE("Host"), slice_of(forward->host->text));
    add_passed(out, forward);
    add_ours(out, forward);
    add_framing(out, forward->request);
    chunk_add(out, SLICE("\r\n"));
    if (out->full)
        *fault = (struct http_fault){431, "the headers are larger than 16 KiB"};
    return !out->full;
}

/* --- gRPC --------------------------------------------------------------------------------------------------------- */

bool headers_pass_grpc(struct slice name)
{
    char text[64];
    pthread_once(&index_once, index_build);
    if (name.n == 0 || name.n >= sizeof(text))
        return false;
    for (size_t i = 0; i < name.n; i++)
        text[i] = (char)(name.p[i] == '_' ? '-' : lower(name.p[i]));
    struct slice plain = {text, name.n};
    enum rule rule = rule_of(plain);
    static const char *const browsers[] = {"set-cookie", "alt-svc", "clear-site-data"};
    for (size_t i = 0; i < COUNT_OF(browsers); i++)
        if (slice_is(plain, browsers[i]))
            return false;
    return rule == PASS || rule == PROTECTED || slice_is(plain, "user-agent");
}

/* --- towards the cluster's API ------------------------------------------------------------------------------------ */

static bool is_channel(struct slice protocol)
{
    return !slice_starts(protocol, "base64url.") &&
           (slice_ends(protocol, "channel.k8s.io") || slice_ends(protocol, "portforward.k8s.io"));
}

static void add_channels(struct chunk *out, const struct http_fields *fields)
{
    bool first = true;
    for (size_t i = 0; i < fields->count; i++) {
        if (!slice_is_nocase(fields->at[i].name, "Sec-WebSocket-Protocol"))
            continue;
        for (struct slice rest = fields->at[i].value, one; rest.n > 0;) {
            one = slice_trim(slice_split(rest, ',', &rest));
            if (!is_channel(one))
                continue;
            chunk_add(out, first ? SLICE("Sec-WebSocket-Protocol: ") : SLICE(", "));
            chunk_add(out, one);
            first = false;
        }
    }
    if (!first)
        chunk_add(out, SLICE("\r\n"));
}

bool headers_write_api(struct chunk *out, const struct http_request *request, const char *own, struct http_fault *fault)
{
    static const char *const passed[] = {"Sec-WebSocket-Key", "Sec-WebSocket-Version"};
    chunk_add(out, SLICE("GET "));
    chunk_add(out, request->path);
    if (request->has_query) {
        chunk_add(out, SLICE("?"));
        chunk_add(out, request->query);
    }
    chunk_add(out, SLICE(" HTTP/1.1\r\nHost: kubernetes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        const struct header *field = http_fields_find(&request->fields, passed[i]);
        if (field)
            add_field(out, field->name, field->value);
    }
    add_channels(out, &request->fields);
    chunk_add(out, slice_of(own));
    chunk_add(out, SLICE("\r\n"));
    if (out->full)
        *fault = (struct http_fault){431, "the headers are larger than 16 KiB"};
    return !out->full;
}

/* --- back to the client ------------------------------------------------------------------------------------------- */

static bool has_domain_attribute(struct slice rest)
{
    while (rest.n > 0) {
        struct slice value, attribute = slice_split(rest, ';', &rest);
        if (slice_is_nocase(slice_trim(slice_split(attribute, '=', &value)), "Domain"))
            return true;
    }
    return false;
}

static bool passes_set_cookie(struct slice value)
{
    struct slice attributes, ignored;
    struct slice pair = slice_split(value, ';', &attributes);
    struct slice name = slice_trim(slice_split(pair, '=', &ignored));
    /* Without '=' browsers take the text for a value without a name, which may look like a name when it comes back. */
    return memchr(pair.p ? pair.p : "", '=', pair.n) && name.n > 0 && !cookie_is_reserved(name) &&
           !has_domain_attribute(attributes);
}

static void add_location(struct chunk *out, const struct headers_return *back, struct slice name, struct slice value)
{
    struct slice path = value;
    const char *scheme = back->secure ? "https://" : "http://";
    struct slice host = slice_of(back->host->text);
    if (slice_starts(value, scheme)) {
        struct slice rest = slice_skip(value, strlen(scheme));
        if (rest.n > host.n && memcmp(rest.p, host.p, host.n) == 0 && rest.p[host.n] == '/')
            path = slice_skip(rest, host.n);
    }
    bool local = path.n > 0 && path.p[0] == '/' && !slice_starts(path, "//");
    chunk_add(out, name);
    chunk_add(out, SLICE(": "));
    if (back->prefix.n > 0 && local)
        chunk_add(out, back->prefix);
    chunk_add(out, local ? path : value);
    chunk_add(out, SLICE("\r\n"));
}

static bool passes_back(const struct headers_return *back, struct slice name, struct slice value)
{
    if (slice_is_nocase(name, "Set-Cookie"))
        return !back->main_host && passes_set_cookie(value);
    if (slice_is_nocase(name, "Set-Cookie2") || slice_is_nocase(name, "Alt-Svc") ||
        slice_is_nocase(name, "Strict-Transport-Security") || slice_is_nocase(name, "Public-Key-Pins"))
        return false;
    if (back->cookie && slice_is_nocase(name, "Location"))
        return false;
    if (back->main_host &&
        (slice_is_nocase(name, "Clear-Site-Data") || slice_is_nocase(name, "Service-Worker-Allowed") ||
         slice_is_nocase(name, "Content-Security-Policy") || slice_starts(name, "Access-Control-") ||
         slice_starts(name, "access-control-")))
        return false;
    switch (rule_of(name)) {
    case HOP:
    case COOKIE:
        return false;
    case HANDSHAKE:
        return back->upgrade;
    case DROP:
        /* Names that say who the caller is mean nothing in an answer; framing is written from what was parsed. */
        return slice_is_nocase(name, "Via");
    default:
        return true;
    }
}

static void add_returned(struct chunk *out, const struct headers_return *back)
{
    const struct http_fields *fields = &back->response->fields;
    bool nominates = connection_nominates(fields);
    for (size_t i = 0; i < fields->count; i++) {
        struct slice name = fields->at[i].name, value = fields->at[i].value;
        if (!passes_back(back, name, value) || (nominates && is_nominated(fields, name)))
            continue;
        if (slice_is_nocase(name, "Location"))
            add_location(out, back, name, value);
        else
            add_field(out, name, value);
    }
}

static void add_return_framing(struct chunk *out, const struct headers_return *back)
{
    const struct http_response *response = back->response;
    if (back->upgrade) {
        chunk_add(out, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
        return;
    }
    if (back->chunked) {
        chunk_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    } else if (response->length_given && response->status != 204) {
        chunk_add(out, SLICE("Content-Length: "));
        chunk_add_number(out, response->length_said);
        chunk_add(out, SLICE("\r\n"));
    }
    if (!back->keep_alive)
        chunk_add(out, SLICE("Connection: close\r\n"));
}

bool headers_write_response(struct chunk *out, const struct headers_return *back, struct http_fault *fault)
{
    pthread_once(&index_once, index_build);
    chunk_add(out, SLICE("HTTP/1.1 "));
    chunk_add_number(out, (uint64_t)back->response->status);
    chunk_add(out, SLICE(" "));
    chunk_add(out, back->response->reason);
    chunk_add(out, SLICE("\r\n"));
    add_returned(out, back);
    /* Nothing that a workload serves on the main host may run as a page of ours. */
    if (back->main_host && !back->upgrade)
        chunk_add(out, SLICE("Content-Security-Policy: sandbox\r\nX-Content-Type-Options: nosniff\r\n"));
    add_return_framing(out, back);
    chunk_add(out, SLICE("\r\n"));
    if (out->full)
        *fault = (struct http_fault){502, "the workload's headers are too large"};
    return !out->full;
}
