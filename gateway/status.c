/* How does an error read for a Kubernetes client, and for one of the people API? */
#include "gateway/status.h"

const char *status_reason(int code)
{
    switch (code) {
    case 408:
        return "Timeout";
    case 414:
    case 431:
        return "RequestEntityTooLarge";
    case 417:
    case 421:
    case 426:
    case 505:
        return "BadRequest";
    default:
        break;
    }
    for (enum error_code id = ERROR_NONE + 1; id < ERROR_CODE_COUNT; id++)
        if (error_status(id) == code)
            return error_reason(id);
    return "InternalError";
}

static void begin(struct buffer *ret, const char *message, const char *reason)
{
    buffer_add_text(ret,
                    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":");
    buffer_add_json_string(ret, slice_of(message));
    buffer_add_text(ret, ",\"reason\":");
    buffer_add_json_string(ret, slice_of(reason));
}

static void end(struct buffer *ret, int code)
{
    buffer_add_format(ret, ",\"code\":%d}\n", code);
}

void status_print(struct buffer *ret, int code, const char *reason, const char *message)
{
    begin(ret, message, reason);
    if (code == 404)
        buffer_add_text(ret, ",\"details\":{}"); /* as an API server says it: kubectl debug looks into them */
    end(ret, code);
}

void status_print_object(struct buffer *ret, int code, const char *reason, const char *message, const char *group,
                         const char *plural, const char *name)
{
    begin(ret, message, reason);
    buffer_add_text(ret, ",\"details\":{\"name\":");
    buffer_add_json_string(ret, slice_of(name));
    if (group[0]) {
        buffer_add_text(ret, ",\"group\":");
        buffer_add_json_string(ret, slice_of(group));
    }
    buffer_add_text(ret, ",\"kind\":");
    buffer_add_json_string(ret, slice_of(plural));
    buffer_add_text(ret, "}");
    end(ret, code);
}

void status_not_found(struct buffer *ret, const char *group, const char *plural, const char *name)
{
    char message[512];
    snprintf(message, sizeof(message), "%s%s%s \"%s\" not found", plural, group[0] ? "." : "", group, name);
    status_print_object(ret, 404, "NotFound", message, group, plural, name);
}

void status_forbidden(struct buffer *ret, const char *group, const char *plural, const char *name, const char *why)
{
    char message[768];
    snprintf(message, sizeof(message), "%s%s%s \"%s\" is forbidden: %s", plural, group[0] ? "." : "", group, name, why);
    status_print_object(ret, 403, "Forbidden", message, group, plural, name);
}

void status_error(struct buffer *ret, const struct error *error)
{
    const char *message = error->message[0] ? error->message : error_text(error->code);
    int code = error_status(error->code);
    begin(ret, message, error_reason(error->code));
    if (error->field[0]) {
        buffer_add_text(ret, ",\"details\":{\"causes\":[{\"message\":");
        buffer_add_json_string(ret, slice_of(message));
        buffer_add_text(ret, ",\"field\":");
        buffer_add_json_string(ret, slice_of(error->field));
        buffer_add_text(ret, "}]}");
    }
    end(ret, code);
}

/* --- problem details ---------------------------------------------------------------------------------------------- */

bool status_is_people(struct slice path)
{
    return slice_starts(path, "/api/atelier/") || slice_starts(path, "/auth/");
}

static void add_member(struct buffer *ret, const char *name, const char *text)
{
    buffer_add_format(ret, ",\"%s\":", name);
    buffer_add_json_string(ret, slice_of(text));
}

void status_problem(struct buffer *ret, int code, const char *title, const char *detail, const char *field,
                    const char *id)
{
    buffer_add_text(ret, "{\"type\":\"about:blank\"");
    add_member(ret, "title", title);
    buffer_add_format(ret, ",\"status\":%d", code);
    add_member(ret, "detail", detail);
    if (*field)
        add_member(ret, "field", field);
    if (*id)
        add_member(ret, "requestId", id);
    buffer_add_text(ret, "}\n");
}
