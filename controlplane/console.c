/* Which of the console's files is asked for? */
#include "controlplane/assets.h"
#include "controlplane/handlers.h"

/* Scripts and styles only from here, no frames, no plug-ins: what a tenant writes into a name cannot run (attacks 55).
 */
static const char content_policy[] = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
                                     "form-action 'self'; frame-ancestors 'none'";

static const struct asset *find_asset(struct slice path)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (assets[i].path && slice_is(path, assets[i].path))
            return &assets[i];
    }
    return NULL;
}

/* One of the codings, not refused by "q=0" (RFC 9110 12.5.3). */
static bool takes_gzip(const struct request *request)
{
    struct slice rest = request_header(request, "Accept-Encoding"), parameters;
    while (rest.n) {
        struct slice coding = slice_trim(slice_split(slice_split(rest, ',', &rest), ';', &parameters));
        parameters = slice_trim(parameters);
        if (slice_is_nocase(coding, "gzip"))
            return !slice_is(parameters, "q=0") && !slice_starts(parameters, "q=0.0");
    }
    return false;
}

static void answer(const struct call *call, const struct asset *asset)
{
    const struct request *request = call->request;
    bool page = strcmp(asset->path, "index.html") == 0, packed = asset->packed_size > 0 && takes_gzip(request);
    char tag[80];
    snprintf(tag, sizeof(tag), "\"%s%s\"", asset->tag, packed ? "-gzip" : "");
    response_header(call->response, "Content-Security-Policy", content_policy);
    response_header(call->response, "Cross-Origin-Opener-Policy", "same-origin");
    response_header(call->response, "Cache-Control", page ? "no-store" : "no-cache");
    response_header(call->response, "ETag", tag);
    response_header(call->response, "Vary", "Accept-Encoding");
    if (!page && slice_is(request_header(request, "If-None-Match"), tag)) {
        response_status(call->response, 304);
        return;
    }
    if (packed)
        response_header(call->response, "Content-Encoding", "gzip");
    response_body(call->response, asset->type,
                  packed ? (struct slice){(const char *)asset->packed, asset->packed_size}
                         : (struct slice){(const char *)asset->plain, asset->plain_size});
}

bool console_serve(struct call *call)
{
    const struct request *request = call->request;
    if (!slice_is(request->method, "GET") && !slice_is(request->method, "HEAD"))
        return false;
    struct slice path = slice_skip(request->path, 1);
    const struct asset *asset = path.n ? find_asset(path) : NULL;
    if (!asset && (path.n == 0 || call_is_navigation(request))) /* the console routes the rest by itself */
        asset = find_asset(SLICE("index.html"));
    if (!asset)
        return false;
    answer(call, asset);
    return true;
}
