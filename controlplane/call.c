/* What does one request ask for, and how is it answered? */
#include "controlplane/call.h"

const char *call_parameter(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->parameter_count; i++) {
        if (strcmp(call->parameters[i].name, name) == 0)
            return call->parameters[i].value;
    }
    return "";
}

void call_note_name(struct call *call, const cJSON *object)
{
    char shown[LIMIT_SEGMENT_BYTES];
    text_printable(slice_of(json_text_or("", object, "metadata", "name", NULL)), shown, sizeof(shown));
    if (*shown)
        call->name = arena_text(call->request->arena, shown);
}

int call_query_i64(const struct call *call, const char *name, int64_t least, int64_t most, int64_t *ret,
                   struct error *error)
{
    const char *text = request_query(call->request, name);
    if (!text || !*text)
        return 0;
    if (!text_parse_i64(slice_of(text), least, most, ret))
        return error_set(error, ERROR_BAD_REQUEST, name, "%s must be a whole number between %lld and %lld", name,
                         (long long)least, (long long)most);
    return 0;
}

bool call_query_true(const struct call *call, const char *name)
{
    const char *text = request_query(call->request, name);
    return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */
static bool is_json_type(struct slice type)
{
    struct slice rest, essence = slice_trim(slice_split(type, ';', &rest));
    return essence.n == 0 || slice_is_nocase(essence, "application/json");
}

int call_body(const struct call *call, const char *const *known, cJSON **ret, struct error *error)
{
    const struct request *request = call->request;
    if (request->body.n == 0) {
        *ret = json_object();
        return 0;
    }
    if (!is_json_type(request_header(request, "Content-Type")))
        return error_set(error, ERROR_MEDIA_TYPE, NULL, "send the body as application/json");
    AUTO_JSON cJSON *body = NULL;
    int status = json_parse(request->body, &json_limits_default, &body, error);
    if (status < 0)
        return status;
    if (!cJSON_IsObject(body))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body must be a JSON object");
    status = json_check_known(body, "", known, error);
    if (status < 0)
        return status;
    *ret = TAKE_POINTER(body);
    return 0;
}

int body_text(const cJSON *body, const char *field, bool required, const char **ret, struct error *error)
{
    const cJSON *item = json_member(body, field);
    if (!item && required)
        return error_set(error, ERROR_INVALID, field, "%s is missing", field);
    if (item && !cJSON_IsString(item))
        return error_set(error, ERROR_INVALID, field, "%s must be a text", field);
    *ret = item ? item->valuestring : NULL;
    return 0;
}

int body_bool(const cJSON *body, const char *field, bool fallback, bool *ret, struct error *error)
{
    const cJSON *item = json_member(body, field);
    if (item && !cJSON_IsBool(item))
        return error_set(error, ERROR_INVALID, field, "%s must be true or false", field);
    *ret = item ? cJSON_IsTrue(item) : fallback;
    return 0;
}

int body_i64(const cJSON *body, const char *field, int64_t least, int64_t most, int64_t *ret, struct error *error)
{
    const cJSON *item = json_member(body, field);
    int64_t number = 0;
    if (item && (!json_i64(item, &number) || number < least || number > most))
        return error_set(error, ERROR_INVALID, field, "%s must be a whole number between %lld and %lld", field,
                         (long long)least, (long long)most);
    *ret = number;
    return 0;
}

/* --- who and whence ----------------------------------------------------------------------------------------------- */
static bool header_has(const struct request *request, const char *name, const char *part)
{
    struct slice value = request_header(request, name);
    return value.n && memmem(value.p, value.n, part, strlen(part)) != NULL;
}

bool call_is_navigation(const struct request *request)
{
    if (!slice_is(request->method, "GET") && !slice_is(request->method, "HEAD"))
        return false;
    struct slice mode = request_header(request, "Sec-Fetch-Mode");
    if (mode.n && !slice_is(mode, "navigate"))
        return false;
    return header_has(request, "Accept", "text/html");
}

const char *call_link_origin(const struct call *call)
{
    const struct request *request = call->request;
    const char *port = config_port(&call->server->config);
    const char *colon = request->host.n && !request->local ? memrchr(request->host.p, ':', request->host.n) : NULL;
    int64_t number;
    if (colon && text_parse_i64(slice_skip(request->host, (size_t)(colon + 1 - request->host.p)), 1, 65535, &number))
        port = arena_format(request->arena, "%lld", (long long)number);
    return arena_format(request->arena, "%s://%s:%s", request->secure ? "https" : "http",
                        call->server->config.base_domain.text, port);
}

/* The Host a browser used is kept when it is a name of the main host, because the session cookie belongs to it. */
const char *call_main_origin(const struct call *call)
{
    const struct request *request = call->request;
    if (request->local || *request->host_resource || request->host.n == 0)
        return call_link_origin(call);
    return arena_format(request->arena, "%s://%.*s", request->secure ? "https" : "http", (int)request->host.n,
                        request->host.p);
}

const char *call_actor(const struct request *request)
{
    const struct identity *identity = request->identity;
    if (identity->kind == IDENTITY_LOCAL)
        return "local";
    return identity->kind == IDENTITY_ANONYMOUS ? "anonymous" : identity->email;
}

struct decision call_decide(const struct call *call, const char *namespace, const char *kind, const char *name,
                            enum verb verb)
{
    struct access access = {.namespace = namespace, .kind = kind, .name = name, .verb = verb};
    return policy_decide(call->request->policy, call->request->identity, &access);
}

int call_refuse(const struct decision *decision, struct error *error)
{
    if (!decision->visible)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (!decision->allowed)
        return error_set(error, ERROR_FORBIDDEN, NULL, "%s", decision->reason);
    return 0;
}

void call_keep_readable(const struct call *call, const char *namespace, const char *kind, cJSON *items)
{
    cJSON *item = items ? items->child : NULL, *next;
    for (; item; item = next) {
        next = item->next;
        const char *of = kind ? kind : json_text(item, "kind", NULL);
        if (!call_decide(call, namespace, of, json_text(item, "name", NULL), VERB_GET).allowed)
            cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
    }
}

int call_profile_exists(const struct call *call, const char *name, struct error *error)
{
    AUTO_JSON cJSON *profile = NULL;
    return engine_get(call->server->engine, KIND_PROFILE, NULL, name, &profile, error);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */
void call_json(const struct call *call, int status, const cJSON *value)
{
    AUTO_FREE char *text = json_print(value);
    response_status(call->response, status);
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "application/json", slice_of(text));
}

void call_items(const struct call *call, cJSON *items)
{
    AUTO_JSON cJSON *answer = json_object();
    json_set(answer, "items", items);
    call_json(call, 200, answer);
}

void call_empty(const struct call *call, int status)
{
    response_status(call->response, status);
    response_header(call->response, "Cache-Control", "no-store");
}

void call_redirect(const struct call *call, const char *location)
{
    response_status(call->response, 302);
    response_header(call->response, "Location", location);
    response_header(call->response, "Cache-Control", "no-store");
}
