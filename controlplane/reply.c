/* How does an error look to the one who caused it? */
#include "controlplane/reply.h"

#include "controlplane/computed.h"
#include "controlplane/objects.h"
#include "gateway/status.h"

/* --- Status ------------------------------------------------------------------------------------------------------- */
struct subject {
    const char *group, *plural, *name;
};

/* Whether the path's subresource is one that objects of the kind have: if not, nobody looked for the object, and
 * clients (kubectl debug) tell that apart from an absent object by there being no subject. */
static bool is_part_served(const struct call *call, enum engine_kind kind)
{
    static const char *const of_pods[] = {"log", "exec", "attach", "portforward"};
    const char *part = call_parameter(call, "part");
    if (!*part || strcmp(part, "status") == 0)
        return true;
    if (strcmp(part, "scale") == 0)
        return scale_is_served(kind) || (kind == KIND_STATEFULSET && engine_forwards(call->server->engine));
    for (size_t i = 0; i < COUNT_OF(of_pods) && kind == KIND_POD; i++) {
        if (strcmp(part, of_pods[i]) == 0)
            return true;
    }
    return false;
}

/* What the path is about; every text comes from the request, never from what was found. */
static struct subject subject_of(const struct call *call)
{
    struct subject subject = {call_parameter(call, "group"), call_parameter(call, "plural"),
                              call_parameter(call, "name")};
    enum engine_kind kind;
    if (computed_find(call->server->engine, subject.group, subject.plural))
        return subject;
    if (!*subject.plural || !engine_kind_by_plural(slice_of(subject.group), slice_of(subject.plural), &kind) ||
        !engine_has(call->server->engine, kind) || !is_part_served(call, kind))
        return (struct subject){"", "", ""};
    if (!*subject.name && *call_parameter(call, "ns"))
        return (struct subject){"", "namespaces", call_parameter(call, "ns")};
    return subject;
}

/* A refused object, which has a name also where the path that it was sent to has none. kubectl writes: The Notebook
 * "nb1" is invalid. */
static struct subject refused_subject(const struct call *call, const struct error *error)
{
    struct subject subject = {call_parameter(call, "group"), call_parameter(call, "plural"),
                              call_parameter(call, "name")};
    bool invalid = error->code == ERROR_INVALID;
    enum engine_kind kind;
    if ((!invalid && error->code != ERROR_EXISTS && error->code != ERROR_CONFLICT) ||
        !engine_kind_by_plural(slice_of(subject.group), slice_of(subject.plural), &kind))
        return subject_of(call);
    if (invalid)
        subject.plural = engine_kinds[kind].kind;
    if (!*subject.name && call->name)
        subject.name = call->name;
    return subject;
}

/* For `kubectl scale`, which prints it: what people scale instead. */
static const char *advice_of(const struct call *call)
{
    if (strcmp(call_parameter(call, "part"), "scale") == 0 &&
        strcmp(call_parameter(call, "plural"), "statefulsets") == 0)
        return "statefulsets are written by Atelier only: the notebook of that name runs or is stopped "
               "(kubectl scale notebook NAME --replicas=0, or atelier notebook stop NAME)";
    return "the server could not find the requested resource";
}

/* The gateway answers for tenant paths in the same words, so these bytes are made in one place. */
static void print_not_found(const struct call *call, struct buffer *ret)
{
    struct subject subject = subject_of(call);
    struct route route;
    if (!*subject.plural && route_parse(call->request->path, &route, NULL) && route.kind != ROUTE_API) {
        bool notebook = route.kind == ROUTE_NOTEBOOK, ray = route.kind == ROUTE_RAY || route.kind == ROUTE_SERVE;
        subject.group = notebook ? "kubeflow.org" : ray ? "ray.io" : "";
        subject.plural = notebook ? "notebooks" : ray ? "rayclusters" : "services";
        subject.name = arena_text(call->request->arena, route.name);
    }
    if (*subject.plural)
        status_not_found(ret, subject.group, subject.plural, subject.name);
    else
        status_print(ret, 404, "NotFound", advice_of(call));
}

/* Clients write a cause as "<field>: <message>": one that begins with its field would say it twice. */
static const char *cause_message(const struct error *error)
{
    size_t length = strlen(error->field);
    bool told = strncmp(error->message, error->field, length) == 0 && error->message[length] == ' ';
    return told ? error->message + length + 1 : error->message;
}

static void add_details(const struct call *call, cJSON *status, const struct subject *subject,
                        const struct error *error)
{
    cJSON *details = json_object();
    if (*subject->name)
        json_set_text(details, "name", subject->name);
    if (*subject->group)
        json_set_text(details, "group", subject->group);
    if (*subject->plural)
        json_set_text(details, "kind", subject->plural);
    if (call->causes) {
        json_set(details, "causes", json_copy(call->causes));
    } else if (error->field[0]) {
        cJSON *cause = json_push(json_set(details, "causes", json_array()), json_object());
        json_set_text(cause, "reason", "FieldValueInvalid");
        json_set_text(cause, "message", cause_message(error));
        json_set_text(cause, "field", error->field);
    }
    if (error->retry_after_s > 0)
        json_set_i64(details, "retryAfterSeconds", error->retry_after_s);
    if (details->child)
        json_set(status, "details", details);
    else
        cJSON_Delete(details);
}

static const char *message_of(const struct error *error)
{
    return error->message[0] ? error->message : error_text(error->code);
}

cJSON *reply_status(const struct call *call, const struct error *error)
{
    struct subject subject = refused_subject(call, error);
    cJSON *status = json_object();
    json_set_text(status, "kind", "Status");
    json_set_text(status, "apiVersion", "v1");
    json_set(status, "metadata", json_object());
    json_set_text(status, "status", "Failure");
    const char *message = message_of(error);
    bool named = error->code == ERROR_EXISTS; /* by what it says of the object */
    if (error->field[0] && !named && !strstr(message, error->field))
        message = arena_format(call->request->arena, "%s: %s", error->field, message);
    json_set_text(status, "message", message);
    json_set_text(status, "reason", error_reason(error->code));
    add_details(call, status, &subject, error);
    json_set_i64(status, "code", error_status(error->code));
    return status;
}

/* --- pages -------------------------------------------------------------------------------------------------------- */
static void add_html(struct buffer *page, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            buffer_add_text(page, "&lt;");
            break;
        case '>':
            buffer_add_text(page, "&gt;");
            break;
        case '&':
            buffer_add_text(page, "&amp;");
            break;
        case '"':
            buffer_add_text(page, "&quot;");
            break;
        case '\'':
            buffer_add_text(page, "&#39;");
            break;
        default:
            buffer_add(page, text, 1);
        }
    }
}

void reply_page(const struct call *call, int status, const char *title, const char *sentence)
{
    AUTO_BUFFER struct buffer page = {0};
    buffer_add_text(&page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    add_html(&page, title);
    buffer_add_text(&page,
                    " - Atelier</title><meta name=\"color-scheme\" content=\"light dark\"></head>\n<body><main><h1>");
    add_html(&page, title);
    buffer_add_text(&page, "</h1><p>");
    add_html(&page, sentence);
    buffer_add_text(&page, "</p><p><a href=\"");
    add_html(&page, *call->request->host_resource ? call_main_origin(call) : "");
    buffer_add_text(&page, "/\">Atelier</a></p></main></body></html>\n");
    response_status(call->response, status);
    response_header(call->response, "Cache-Control", "no-store");
    response_header(call->response, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    response_body(call->response, "text/html; charset=utf-8", buffer_slice(&page));
}

static void redirect_to_sign_in(const struct call *call)
{
    const struct request *request = call->request;
    AUTO_BUFFER struct buffer location = {0};
    buffer_add_format(&location, "%s/signin?next=", *request->host_resource ? call_main_origin(call) : "");
    text_percent(request->target, &location);
    call_redirect(call, location.p);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */
static bool is_tenant_path(struct slice path)
{
    return slice_starts(path, "/notebook/") || slice_starts(path, "/ray/") || slice_starts(path, "/serve/");
}

void reply_failure(const struct call *call, const struct error *error)
{
    const struct request *request = call->request;
    bool navigation = call_is_navigation(request);
    if (error->code == ERROR_UNAUTHENTICATED && navigation && !slice_starts(request->path, "/auth/")) {
        redirect_to_sign_in(call);
        return;
    }
    if (navigation && (slice_starts(request->path, "/auth/") || is_tenant_path(request->path))) {
        bool absent = error->code == ERROR_NOT_FOUND;
        reply_page(call, error_status(error->code), absent ? "Not found" : error_reason(error->code),
                   absent ? "There is nothing here for you, or it is gone." : message_of(error));
        return;
    }
    if (error->code == ERROR_UNAUTHENTICATED)
        response_header(call->response, "WWW-Authenticate", "Bearer realm=\"atelier\"");
    if (error->retry_after_s > 0)
        response_header(call->response, "Retry-After", arena_format(request->arena, "%d", error->retry_after_s));
    bool people = status_is_people(request->path);
    AUTO_BUFFER struct buffer text = {0};
    if (people) {
        const char *detail = error->code == ERROR_NOT_FOUND ? error_text(error->code) : message_of(error);
        status_problem(&text, error_status(error->code), error_reason(error->code), detail, error->field, request->id);
    } else if (error->code == ERROR_NOT_FOUND) {
        print_not_found(call, &text);
    } else {
        AUTO_JSON cJSON *value = reply_status(call, error);
        AUTO_FREE char *printed = json_print(value);
        buffer_add_format(&text, "%s\n", printed);
    }
    response_status(call->response, error_status(error->code));
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, people ? "application/problem+json" : "application/json", buffer_slice(&text));
}
