/* Which handler answers a method and a path, and who may call it? */
#include "controlplane/router.h"

#include "controlplane/handlers.h"
#include "controlplane/reply.h"

#define PEOPLE "/api/atelier/v1"
/* The object API decides by verb, whatever the method: see objects.c. */
#define COLLECTION(pattern)                                                                                            \
    {"GET", pattern, objects_handle, WHO_OBJECT, NULL},                                                                \
    {                                                                                                                  \
        "POST", pattern, objects_handle, WHO_OBJECT, NULL                                                              \
    }
#define ITEM(pattern)                                                                                                  \
    {"GET", pattern, objects_handle, WHO_OBJECT, NULL}, {"PUT", pattern, objects_handle, WHO_OBJECT, NULL},            \
        {"PATCH", pattern, objects_handle, WHO_OBJECT, NULL},                                                          \
    {                                                                                                                  \
        "DELETE", pattern, objects_handle, WHO_OBJECT, NULL                                                            \
    }
#define PART(pattern)                                                                                                  \
    {"GET", pattern, objects_handle, WHO_OBJECT, NULL}, {"PUT", pattern, objects_handle, WHO_OBJECT, NULL},            \
        {"POST", pattern, objects_handle, WHO_OBJECT, NULL},                                                           \
    {                                                                                                                  \
        "PATCH", pattern, objects_handle, WHO_OBJECT, NULL                                                             \
    }

const struct route_entry route_entries[] = {
    {"GET", "/healthz", health_alive, WHO_ANYONE, NULL},
    {"GET", "/livez", health_alive, WHO_ANYONE, NULL},
    {"GET", "/readyz", health_ready, WHO_ANYONE, NULL},
    {"GET", "/version", discovery_version, WHO_ANYONE, NULL},
    {"POST", "/auth/login", signin_login, WHO_ANYONE, "sign-in"},
    {"GET", "/auth/link/{code}", signin_link, WHO_ANYONE, "sign-in by link"},
    {"POST", "/auth/cli", approvals_redeem, WHO_ANYONE, "command line sign-in"},
    {"POST", "/auth/logout", signin_logout, WHO_ACCOUNT, "sign-out"},
    {"POST", "/auth/logout-everywhere", signin_logout_everywhere, WHO_ACCOUNT, "sign-out everywhere"},

    {"GET", PEOPLE "/ca", authority_get, WHO_ANYONE, NULL},
    {"GET", PEOPLE "/whoami", whoami_get, WHO_SIGNED_IN, NULL},
    {"POST", PEOPLE "/password", password_set, WHO_ACCOUNT, "password change"},
    {"GET", PEOPLE "/users", users_list, WHO_ADMIN, NULL},
    {"POST", PEOPLE "/users", users_create, WHO_ADMIN, "user create"},
    {"PATCH", PEOPLE "/users/{email}", users_change, WHO_ADMIN, "user change"},
    {"DELETE", PEOPLE "/users/{email}", users_delete, WHO_ADMIN, "user delete"},
    {"POST", PEOPLE "/users/{email}/reset-link", users_reset_link, WHO_ADMIN, "user reset-link"},
    {"GET", PEOPLE "/tokens", tokens_list, WHO_SIGNED_IN, NULL},
    {"POST", PEOPLE "/tokens", tokens_create, WHO_SIGNED_IN, "token create"},
    {"DELETE", PEOPLE "/tokens/{id}", tokens_delete, WHO_SIGNED_IN, "token delete"},
    {"POST", PEOPLE "/cli-approvals", approvals_create, WHO_ACCOUNT, "command line approve"},
    {"GET", PEOPLE "/sessions", sessions_list, WHO_ACCOUNT, NULL},
    {"DELETE", PEOPLE "/sessions/{id}", sessions_delete, WHO_ACCOUNT, "session end"},
    {"GET", PEOPLE "/profiles/{p}/members", members_list, WHO_MEMBERS_READ, NULL},
    {"POST", PEOPLE "/profiles/{p}/members", members_add, WHO_MEMBERS_WRITE, "member add"},
    {"PATCH", PEOPLE "/profiles/{p}/members/{id}", members_change, WHO_MEMBERS_WRITE, "member change"},
    {"DELETE", PEOPLE "/profiles/{p}/members/{id}", members_remove, WHO_MEMBERS_WRITE, "member remove"},
    {"PUT", PEOPLE "/profiles/{p}/owner", owner_change, WHO_TRANSFER, "owner change"},
    {"GET", PEOPLE "/profiles/{p}/tokens", tokens_list_of, WHO_MEMBERS_READ, NULL},
    {"DELETE", PEOPLE "/profiles/{p}/tokens/{id}", tokens_delete_of, WHO_MEMBERS_WRITE, "token delete"},
    {"GET", PEOPLE "/profiles/{p}/audit", audit_profile, WHO_MEMBERS_WRITE, NULL},
    {"GET", PEOPLE "/profiles/{p}/samples", usage_samples, WHO_PARTS, NULL},
    {"GET", PEOPLE "/profiles/{p}/jobs", jobs_list, WHO_JOBS_READ, NULL},
    {"GET", PEOPLE "/profiles/{p}/jobs/{name}", jobs_get, WHO_JOBS_READ, NULL},
    {"GET", PEOPLE "/profiles/{p}/jobs/{name}/log", jobs_log, WHO_JOBS_READ, NULL},
    {"GET", PEOPLE "/audit", audit_all, WHO_ADMIN, NULL},
    {"GET", PEOPLE "/images", images_list, WHO_SIGNED_IN, NULL},
    {"GET", PEOPLE "/usage", usage_get, WHO_SIGNED_IN, NULL},
    {"GET", PEOPLE "/health", health_report, WHO_ADMIN, NULL},
    {"GET", PEOPLE "/open", open_get, WHO_SIGNED_IN, NULL},

    {"GET", "/api", discovery_core, WHO_SIGNED_IN, NULL},
    {"GET", "/apis", discovery_groups, WHO_SIGNED_IN, NULL},
    {"GET", "/apis/{group}", discovery_group, WHO_SIGNED_IN, NULL},
    {"GET", "/api/v1", discovery_resources, WHO_SIGNED_IN, NULL},
    {"GET", "/apis/{group}/{version}", discovery_resources, WHO_SIGNED_IN, NULL},
    {"GET", "/openapi/v2", openapi_second, WHO_SIGNED_IN, NULL},
    {"GET", "/openapi/v3", openapi_index, WHO_SIGNED_IN, NULL},
    {"GET", "/openapi/v3/{a}", discovery_cluster, WHO_SIGNED_IN, NULL},
    {"GET", "/openapi/v3/{root}/{version}", openapi_document, WHO_SIGNED_IN, NULL},
    {"GET", "/openapi/v3/{root}/{group}/{version}", openapi_document, WHO_SIGNED_IN, NULL},
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review_access, WHO_SIGNED_IN, NULL},
    {"POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review_rules, WHO_SIGNED_IN, NULL},
    {"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review_self, WHO_SIGNED_IN, NULL},
    COLLECTION("/api/v1/{plural}"),
    ITEM("/api/v1/{plural}/{name}"),
    COLLECTION("/api/v1/namespaces/{ns}/{plural}"),
    ITEM("/api/v1/namespaces/{ns}/{plural}/{name}"),
    PART("/api/v1/namespaces/{ns}/{plural}/{name}/{part}"),
    COLLECTION("/apis/{group}/{version}/namespaces/{ns}/{plural}"),
    ITEM("/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}"),
    PART("/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}/{part}"),
    COLLECTION("/apis/{group}/{version}/{plural}"),
    ITEM("/apis/{group}/{version}/{plural}/{name}"),
    PART("/apis/{group}/{version}/{plural}/{name}/{part}"),
};
const size_t route_entry_count = COUNT_OF(route_entries);

/* --- matching ----------------------------------------------------------------------------------------------------- */
struct segments {
    struct slice at[LIMIT_PATH_SEGMENTS];
    size_t count;
};

/* False for a path that no row can have: not absolute, an empty segment, too many. */
static bool split_path(struct slice path, struct segments *ret)
{
    ret->count = 0;
    if (!slice_starts(path, "/"))
        return false;
    struct slice rest = slice_skip(path, 1);
    while (rest.n) {
        bool more = memchr(rest.p, '/', rest.n) != NULL;
        struct slice part = slice_split(rest, '/', &rest);
        if (part.n == 0 || part.n > LIMIT_SEGMENT_BYTES || ret->count == LIMIT_PATH_SEGMENTS || (more && rest.n == 0))
            return false;
        ret->at[ret->count++] = part;
    }
    return ret->count > 0;
}

/* Decoded once; what decodes to a separator, a control character or invalid UTF-8 is no name of anything. */
static const char *decode_segment(struct arena *arena, struct slice raw)
{
    AUTO_BUFFER struct buffer text = {0};
    if (!text_unpercent(raw, &text) || text.n == 0 || !text_is_utf8(buffer_slice(&text)))
        return NULL;
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f || text.p[i] == '/' || text.p[i] == '\\')
            return NULL;
    }
    return arena_text_n(arena, text.p, text.n);
}

static bool match_pattern(struct arena *arena, const char *pattern, const struct segments *path, struct call *call)
{
    struct slice rest = slice_of(pattern + 1);
    call->parameter_count = 0;
    for (size_t i = 0; i < path->count; i++) {
        if (rest.n == 0)
            return false;
        struct slice part = slice_split(rest, '/', &rest);
        if (part.p[0] != '{') {
            if (!slice_equal(part, path->at[i]))
                return false;
            continue;
        }
        const char *value = decode_segment(arena, path->at[i]);
        if (!value || call->parameter_count == COUNT_OF(call->parameters))
            return false;
        call->parameters[call->parameter_count++] =
            (struct call_parameter){arena_text_n(arena, part.p + 1, part.n - 2), value};
    }
    return rest.n == 0;
}

/* The first pattern that fits: rows below it are less specific. */
static const char *find_pattern(struct arena *arena, struct slice path, struct call *call)
{
    struct segments segments;
    call->parameter_count = 0;
    if (!split_path(path, &segments))
        return NULL;
    for (size_t i = 0; i < route_entry_count; i++)
        if (match_pattern(arena, route_entries[i].pattern, &segments, call))
            return route_entries[i].pattern;
    return NULL;
}

const struct route_entry *router_match(struct arena *arena, struct slice method, struct slice path, struct call *call,
                                       bool *ret_known)
{
    struct slice wanted = slice_is(method, "HEAD") ? SLICE("GET") : method;
    const char *pattern = find_pattern(arena, path, call);
    *ret_known = pattern != NULL;
    for (size_t i = 0; pattern && i < route_entry_count; i++)
        if (strcmp(pattern, route_entries[i].pattern) == 0 && slice_is(wanted, route_entries[i].method))
            return &route_entries[i];
    return NULL;
}

/* For the header Allow of a 405. */
static const char *allowed_methods(struct arena *arena, struct slice path, struct call *call)
{
    const char *pattern = find_pattern(arena, path, call), *methods = "";
    for (size_t i = 0; pattern && i < route_entry_count; i++) {
        const char *method = route_entries[i].method;
        if (strcmp(pattern, route_entries[i].pattern) == 0)
            methods = arena_format(arena, "%s%s%s%s", methods, *methods ? ", " : "", method,
                                   strcmp(method, "GET") == 0 ? ", HEAD" : "");
    }
    return methods;
}

/* --- who may ------------------------------------------------------------------------------------------------------ */
static int check_policy(struct call *call, const char *kind, const char *name, enum verb verb, struct error *error)
{
    call->namespace = call_parameter(call, "p");
    if (!name_is_label(slice_of(call->namespace)))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    struct decision decision = call_decide(call, call->namespace, kind, name, verb);
    return call_refuse(&decision, error);
}

static int check_job(struct call *call, const char *name, struct error *error)
{
    if (!*name)
        return check_policy(call, "RayJob", NULL, VERB_LIST, error);
    if (!name_is_label(slice_of(name)))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    return check_policy(call, "RayJob", name, VERB_LOG, error);
}

static int check_who(struct call *call, struct error *error)
{
    const struct identity *identity = call->request->identity;
    enum who who = call->entry->who;
    if (who == WHO_ANYONE)
        return 0;
    if (identity->kind == IDENTITY_ANONYMOUS || identity->kind == IDENTITY_RESOURCE) {
        call->silent = true; /* strangers cannot fill the audit log */
        return error_set(error, ERROR_UNAUTHENTICATED, NULL, "%s", error_text(ERROR_UNAUTHENTICATED));
    }
    if (identity->kind == IDENTITY_APPLICATION)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "this token opens one application of Ray Serve, and nothing else");
    if (identity->kind == IDENTITY_WORKLOAD && who != WHO_OBJECT)
        return error_set(error, ERROR_FORBIDDEN, NULL, "this is for people; workloads use the Kubernetes-shaped API");
    switch (who) {
    case WHO_ANYONE:
    case WHO_SIGNED_IN:
    case WHO_OBJECT:
        return 0;
    case WHO_ACCOUNT:
        if (identity->kind != IDENTITY_LOCAL)
            return 0;
        return error_set(error, ERROR_FORBIDDEN, NULL, "this needs an account; the admin socket has none");
    case WHO_ADMIN:
        if (identity->platform_admin)
            return 0;
        return error_set(error, ERROR_FORBIDDEN, NULL, "only platform admins may do this");
    case WHO_PARTS:
        return check_policy(call, NULL, NULL, VERB_LIST, error);
    case WHO_MEMBERS_READ:
        return check_policy(call, NULL, NULL, VERB_MEMBERS_READ, error);
    case WHO_MEMBERS_WRITE:
        return check_policy(call, NULL, NULL, VERB_MEMBERS_WRITE, error);
    case WHO_TRANSFER:
        return check_policy(call, NULL, NULL, VERB_TRANSFER, error);
    case WHO_JOBS_READ:
        return check_job(call, call_parameter(call, "name"), error);
    }
    return error_set(error, ERROR_FORBIDDEN, NULL, "%s", error_text(ERROR_FORBIDDEN));
}

/* --- running ------------------------------------------------------------------------------------------------------ */
static bool is_api_path(struct slice path)
{
    return slice_starts(path, "/api/") || slice_is(path, "/api") || slice_starts(path, "/apis/") ||
           slice_is(path, "/apis") || slice_starts(path, "/auth/") || slice_starts(path, "/openapi/");
}

static int answer_unlisted(struct call *call, bool known, struct error *error)
{
    const struct request *request = call->request;
    if (known) {
        response_header(call->response, "Allow", allowed_methods(request->arena, request->path, call));
        return error_set(error, ERROR_METHOD, NULL, "%.*s is not allowed here", (int)request->method.n,
                         request->method.p);
    }
    if (!is_api_path(request->path) && console_serve(call))
        return 0;
    if (request->identity->kind == IDENTITY_ANONYMOUS && is_api_path(request->path))
        return error_set(error, ERROR_UNAUTHENTICATED, NULL, "%s", error_text(ERROR_UNAUTHENTICATED));
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
}

static int run(struct call *call, struct error *error)
{
    const struct request *request = call->request;
    struct route route;
    bool known;
    if (*request->host_resource)
        return handoff_resource_host(call, error);
    if (!route_parse(request->path, &route, error))
        return -(int)error->code;
    if (route.kind != ROUTE_API)
        return handoff_tenant_path(call, &route, error);
    call->entry = router_match(request->arena, request->method, request->path, call, &known);
    if (!call->entry)
        return answer_unlisted(call, known, error);
    call->action = call->entry->action;
    int status = check_who(call, error);
    return status < 0 ? status : call->entry->handler(call, error);
}

static void write_audit(const struct call *call, int status, const struct error *error)
{
    const struct request *request = call->request;
    if (!call->action || call->silent || status == -ERROR_LIMITED)
        return;
    bool refused = status == -ERROR_FORBIDDEN || status == -ERROR_UNAUTHENTICATED || status == -ERROR_NOT_FOUND;
    struct audit_entry entry = {
        .actor = call->actor ? call->actor : call_actor(request),
        .action = call->action,
        .namespace = call->namespace,
        .kind = call->kind,
        .name = call->name,
        .outcome = status == 0 ? "allowed"
                   : refused   ? "denied"
                               : "failed",
        .detail = status == 0 ? call->detail : error->message,
        .peer = request->peer,
        .request_id = request->id,
    };
    audit_add(call->server->auth, &entry);
}

void router_handle(void *context, const struct request *request, struct response *response)
{
    struct call call = {.server = context, .request = request, .response = response};
    struct error error = {0};
    response_header(response, "X-Content-Type-Options", "nosniff");
    response_header(response, "Referrer-Policy", "same-origin");
    int status = run(&call, &error);
    if (status < 0) {
        if (error.code == ERROR_NONE)
            error_set(&error, (enum error_code) - status, NULL, "%s", error_text((enum error_code) - status));
        reply_failure(&call, &error);
        if (error_status(error.code) == 500)
            log_line(LOG_ERROR, "request failed", LOG_TEXT("id", request->id), LOG_SLICE("path", request->path),
                     LOG_FAULT(&error));
    }
    write_audit(&call, status, &error);
    cJSON_Delete(call.causes);
}
