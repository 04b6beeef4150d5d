/* How does a browser get from the main host to a resource's own host, and back to sign-in? */
#include "controlplane/cookies.h"
#include "controlplane/handlers.h"
#include "controlplane/handoff.h"

struct resource {
    const char *label_kind, *kind; /* of the host's label, and for authorization */
    enum engine_kind engine_kind;
};

/* What a tenant path is about; false for those that have no host of their own. */
static bool find_resource(enum route_kind kind, struct resource *ret)
{
    switch (kind) {
    case ROUTE_NOTEBOOK:
        *ret = (struct resource){"notebook", "Notebook", KIND_NOTEBOOK};
        return true;
    case ROUTE_RAY:
        *ret = (struct resource){"ray", "RayCluster", KIND_RAYCLUSTER};
        return true;
    case ROUTE_SERVE:
        *ret = (struct resource){"serve", "RayCluster", KIND_RAYCLUSTER};
        return true;
    case ROUTE_API:
    case ROUTE_SERVICE:
    case ROUTE_TUNNEL:
    case ROUTE_POD:
    case ROUTE_RAY_CLIENT:
    case ROUTE_SERVE_GRPC:
        break;
    }
    return false;
}

bool handoff_is_safe_next(const char *next, const char *host_label)
{
    struct route route;
    struct resource resource;
    char label[64];
    if (!next || next[0] != '/' || next[1] == '/')
        return false;
    for (const char *at = next; *at; at++) {
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f || strchr("\\\"<>#", *at))
            return false;
    }
    struct slice rest, path = slice_split(slice_of(next), '?', &rest);
    if (!route_parse(path, &route, NULL) || !find_resource(route.kind, &resource))
        return false;
    resource_label(resource.label_kind, route.namespace, route.name, label);
    return strcmp(label, host_label) == 0;
}

/* --- on the main host --------------------------------------------------------------------------------------------- */
static const char *resource_origin(const struct call *call, const char *label)
{
    const struct request *request = call->request;
    const char *colon = request->host.n ? memrchr(request->host.p, ':', request->host.n) : NULL;
    size_t length = colon ? (size_t)(request->host.p + request->host.n - colon) : 0;
    if (colon && memchr(colon, ']', length)) /* "[::1]" without a port */
        length = 0;
    return arena_format(request->arena, "%s://%s.%s%.*s", request->secure ? "https" : "http", label,
                        call->server->config.base_domain.text, (int)length, colon ? colon : "");
}

static int hand_over(struct call *call, const struct route *route, const struct resource *resource, struct error *error)
{
    const struct request *request = call->request;
    AUTO_BUFFER struct buffer location = {0};
    AUTO_JSON cJSON *object = NULL;
    char label[64], code[64];
    int status = engine_get(call->server->engine, resource->engine_kind, route->namespace, route->name, &object, error);
    if (status < 0)
        return status;
    call->action = "open";
    resource_label(resource->label_kind, route->namespace, route->name, label);
    if (slice_is(request->method, "HEAD")) {
        call->silent = true;
        call_empty(call, 200);
        return 0;
    }
    status = auth_handoff_new(call->server->auth, request->identity, label, route->namespace, resource->kind,
                              route->name, code, error);
    if (status < 0)
        return status;
    buffer_add_format(&location, "%s/auth/handoff?code=%s&next=", resource_origin(call, label), code);
    text_percent(request->target, &location);
    call_redirect(call, location.p);
    return 0;
}

/* What the path is about for authorization; a service belongs to the workload that the resolver names. */
static void find_access(struct call *call, const struct route *route, const struct resource *resource,
                        struct target *target, const char **ret_kind, const char **ret_name)
{
    *ret_kind = resource->kind;
    *ret_name = route->name;
    if (resource->kind)
        return;
    *ret_kind = "Service";
    if (routes_resolve(call->server->routes, route, target)) {
        *ret_kind = target->owner_kind;
        *ret_name = target->owner_name;
    }
}

/* An application that anybody may use: its pages are at home on its own host. */
static bool lead_to_open(struct call *call, const struct route *route, const struct resource *resource)
{
    struct target target;
    char label[64];
    if (route->kind != ROUTE_SERVE || !server_resolve(call->server, route, &target) || !target.open[0])
        return false;
    const char *next = arena_text_n(call->request->arena, call->request->target.p, call->request->target.n);
    resource_label(resource->label_kind, route->namespace, route->name, label);
    if (!handoff_is_safe_next(next, label))
        return false;
    call_redirect(call, arena_format(call->request->arena, "%s%s", resource_origin(call, label), next));
    call->silent = true;
    return true;
}

int handoff_tenant_path(struct call *call, const struct route *route, struct error *error)
{
    const struct request *request = call->request;
    struct resource resource = {0};
    struct target target;
    const char *kind, *name;
    bool reading = slice_is(request->method, "GET") || slice_is(request->method, "HEAD");
    bool has_host = find_resource(route->kind, &resource);
    bool anonymous = request->identity->kind == IDENTITY_ANONYMOUS;
    if (anonymous && reading && lead_to_open(call, route, &resource))
        return 0;
    if (anonymous || request->identity->kind == IDENTITY_RESOURCE || request->identity->kind == IDENTITY_APPLICATION)
        return error_set(error, ERROR_UNAUTHENTICATED, NULL, "%s", error_text(ERROR_UNAUTHENTICATED));
    find_access(call, route, &resource, &target, &kind, &name);
    call->namespace = arena_text(request->arena, route->namespace);
    call->kind = arena_text(request->arena, kind);
    call->name = arena_text(request->arena, name);
    struct decision decision =
        call_decide(call, route->namespace, call->kind, call->name, reading ? VERB_CONNECT_READ : VERB_CONNECT);
    if (!decision.allowed && reading && lead_to_open(call, route, &resource))
        return 0;
    int status = call_refuse(&decision, error);
    if (status < 0)
        return status;
    if (request->identity->kind != IDENTITY_SESSION) /* the gateway proxies these itself, so nothing is there */
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (!reading || !has_host)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "with a browser's cookie this is served from the resource's own host only");
    return hand_over(call, route, &resource, error);
}

/* --- on a resource's host ----------------------------------------------------------------------------------------- */
static int redeem(struct call *call, struct error *error)
{
    const struct request *request = call->request;
    const char *code = request_query(request, "code"), *next = request_query(request, "next");
    struct auth_session session;
    if (slice_is(request->method, "HEAD")) {
        call_empty(call, 200);
        return 0;
    }
    if (!slice_is(request->method, "GET"))
        return error_set(error, ERROR_METHOD, NULL, "%s", error_text(ERROR_METHOD));
    if (!code || !*code)
        return error_set(error, ERROR_BAD_REQUEST, "code", "code is missing");
    if (!handoff_is_safe_next(next, request->host_resource))
        return error_set(error, ERROR_BAD_REQUEST, "next", "next must be a path of this resource");
    int status = auth_handoff_redeem(call->server->auth, slice_of(code), request->host_resource, &session, error);
    if (status == -ERROR_GONE || status == -ERROR_NOT_FOUND) { /* used already: by its cookie, or by a new code */
        call_redirect(call, next);
        return 0;
    }
    if (status < 0)
        return status;
    call->action = "open on its host";
    call->actor = arena_text(request->arena, session.identity.email);
    call->namespace = arena_text(request->arena, session.identity.scope_namespace);
    call->kind = arena_text(request->arena, session.identity.scope_kind);
    call->name = arena_text(request->arena, session.identity.scope_name);
    cookies_set(call, &session);
    call_redirect(call, next);
    memory_wipe(&session, sizeof(session));
    return 0;
}

/* "/" of the host leads to the one thing that is there. */
static int redirect_home(struct call *call)
{
    const struct identity *identity = call->request->identity;
    bool notebook = strcmp(identity->scope_kind, "Notebook") == 0;
    bool serve = strncmp(call->request->host_resource, "serve-", 6) == 0;
    call_redirect(call, arena_format(call->request->arena, "/%s/%s/%s/",
                                     notebook ? "notebook"
                                     : serve  ? "serve"
                                              : "ray",
                                     identity->scope_namespace, identity->scope_name));
    return 0;
}

int handoff_resource_host(struct call *call, struct error *error)
{
    const struct request *request = call->request;
    AUTO_FREE char *target = memory_text_n(request->target.p, request->target.n);
    if (slice_is(request->path, "/auth/handoff"))
        return redeem(call, error);
    if (request->identity->kind == IDENTITY_RESOURCE && slice_is(request->path, "/") && call_is_navigation(request))
        return redirect_home(call);
    if (request->identity->kind != IDENTITY_ANONYMOUS)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (call_is_navigation(request) && handoff_is_safe_next(target, request->host_resource)) {
        call_redirect(call, arena_format(request->arena, "%s%s", call_main_origin(call), target));
        return 0;
    }
    return error_set(error, ERROR_UNAUTHENTICATED, NULL, "%s", error_text(ERROR_UNAUTHENTICATED));
}
