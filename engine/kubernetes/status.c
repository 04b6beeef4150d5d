/* What does the API server's answer say, and which error is it? */
#include "engine/kubernetes/status.h"

#include "base/envelope.h"
#include "base/protobuf.h"

#define ERROR_BODY_SHOWN 200 /* of what is not a Status: a proxy's page */

/* --- JSON --------------------------------------------------------------------------------------------------------- */

/* "\u0000" after an even number of backslashes, to "\ufffd": as long. */
static void replace_escaped_nuls(char *text, size_t count)
{
    static const char nul[] = "\\u0000";
    char *end = text + count, *at = text;
    while ((at = memmem(at, (size_t)(end - at), nul, sizeof(nul) - 1))) {
        size_t before = 0;
        while (at - before > text && at[-(ptrdiff_t)before - 1] == '\\')
            before++;
        if (before % 2 == 0)
            memcpy(at + 2, "fffd", 4);
        at += sizeof(nul) - 1;
    }
}

int kube_json_parse(char *text, size_t count, cJSON **ret, struct error *error)
{
    const char *end = NULL;
    if (count)
        replace_escaped_nuls(text, count);
    cJSON *tree = count ? cJSON_ParseWithLengthOpts(text, count, &end, false) : NULL;
    while (tree && end < text + count && (*end == '\n' || *end == ' '))
        end++;
    if (!tree || end != text + count) {
        cJSON_Delete(tree);
        return error_set(error, ERROR_UPSTREAM, NULL, "the API server's answer is not JSON");
    }
    *ret = tree;
    return 0;
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *reason;
    enum error_code code;
} reasons[] = {
    {"AlreadyExists", ERROR_EXISTS},
    {"Conflict", ERROR_CONFLICT},
    {"Gone", ERROR_GONE},
    {"Expired", ERROR_GONE},
    {"NotFound", ERROR_NOT_FOUND},
    {"Invalid", ERROR_INVALID},
    {"Forbidden", ERROR_FORBIDDEN},
    {"Unauthorized", ERROR_UNAVAILABLE},
    {"BadRequest", ERROR_BAD_REQUEST},
    {"MethodNotAllowed", ERROR_METHOD},
    {"NotAcceptable", ERROR_NOT_ACCEPTABLE},
    {"UnsupportedMediaType", ERROR_MEDIA_TYPE},
    {"RequestEntityTooLarge", ERROR_TOO_LARGE},
    {"TooManyRequests", ERROR_LIMITED},
    {"ServerTimeout", ERROR_UNAVAILABLE}, /* "try again": the operation did not happen */
    {"Timeout", ERROR_TIMEOUT},           /* it may have happened */
    {"ServiceUnavailable", ERROR_UNAVAILABLE},
    {"StorageReadError", ERROR_UPSTREAM},
    {"InternalError", ERROR_UPSTREAM}, /* theirs (a webhook that does not answer), not ours */
};

static const struct {
    int status;
    enum error_code code;
} statuses[] = {
    {400, ERROR_BAD_REQUEST}, {401, ERROR_UNAVAILABLE},    {403, ERROR_FORBIDDEN}, {404, ERROR_NOT_FOUND},
    {405, ERROR_METHOD},      {406, ERROR_NOT_ACCEPTABLE}, {409, ERROR_CONFLICT},  {410, ERROR_GONE},
    {413, ERROR_TOO_LARGE},   {415, ERROR_MEDIA_TYPE},     {422, ERROR_INVALID},   {429, ERROR_LIMITED},
    {503, ERROR_UNAVAILABLE}, {504, ERROR_TIMEOUT},
};

static enum error_code code_of(const char *reason, int64_t http_status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reason && strcmp(reasons[i].reason, reason) == 0)
            return reasons[i].code;
    }
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (statuses[i].status == http_status)
            return statuses[i].code;
    }
    return ERROR_UPSTREAM;
}

static const char *first_field(const cJSON *status)
{
    const cJSON *cause = cJSON_GetArrayItem(json_at(status, "details", "causes", NULL), 0);
    return json_text(cause, "field", NULL);
}

/* The admission plugin NamespaceLifecycle says Forbidden about it; it is a state that passes, not a lack of rights. */
static bool namespace_terminates(const cJSON *status)
{
    const cJSON *cause;
    cJSON_ArrayForEach(cause, json_at(status, "details", "causes", NULL))
    {
        if (strcmp(json_text_or("", cause, "reason", NULL), "NamespaceTerminating") == 0)
            return true;
    }
    return false;
}

static int set_from_status(const cJSON *status, int http_status, int retry_after_s, struct error *error)
{
    struct error scratch;
    int64_t number = http_status, retry = 0;
    json_i64(json_member(status, "code"), &number);
    enum error_code code = code_of(json_text(status, "reason", NULL), number);
    if (code == ERROR_FORBIDDEN && namespace_terminates(status))
        code = ERROR_CONFLICT;
    const char *message = json_text(status, "message", NULL);
    char shown[sizeof(scratch.message)];
    text_printable(slice_of(message && *message ? message : error_text(code)), shown, sizeof(shown));
    bool ours = code == ERROR_UNAVAILABLE && number == 401;
    int failed = error_set(error, code, first_field(status), "%s%s",
                           ours ? "the API server refuses Atelier's credentials: " : "", shown);
    if (retry_after_s == 0 && json_i64(json_at(status, "details", "retryAfterSeconds", NULL), &retry) && retry > 0)
        retry_after_s = retry > 3600 ? 3600 : (int)retry;
    if (error)
        error->retry_after_s = retry_after_s;
    return failed;
}

int kube_status_object_error(const cJSON *status, struct error *error)
{
    return set_from_status(status, 0, 0, error);
}

static bool take_text(cJSON *status, const char *name, struct slice message, unsigned number)
{
    struct slice text;
    if (!protobuf_bytes(message, number, &text))
        return false;
    AUTO_FREE char *copy = memory_text_n(text.p, text.n);
    json_set_text(status, name, copy);
    return true;
}

/* Who asks for protobuf is refused in it, too. Numbers: metav1.Status in meta/v1/generated.proto; its details are left
 * out. NULL: it is none. */
static cJSON *read_protobuf(struct slice body)
{
    enum { MESSAGE = 3, REASON = 4 };
    AUTO_JSON cJSON *status = json_object();
    struct slice raw;
    bool good = envelope_open(body, "Status", &raw) && take_text(status, "message", raw, MESSAGE) &&
                take_text(status, "reason", raw, REASON);
    return good ? TAKE_POINTER(status) : NULL;
}

int kube_status_error(int http_status, int retry_after_s, struct slice body, struct error *error)
{
    AUTO_JSON cJSON *tree = read_protobuf(body);
    if (tree)
        return set_from_status(tree, http_status, retry_after_s, error);
    AUTO_FREE char *copy = memory_text_n(body.p ? body.p : "", body.n);
    if (kube_json_parse(copy, body.n, &tree, NULL) == 0 && strcmp(json_text_or("", tree, "kind", NULL), "Status") == 0)
        return set_from_status(tree, http_status, retry_after_s, error);
    enum error_code code = code_of(NULL, http_status);
    char shown[ERROR_BODY_SHOWN];
    text_printable(slice_trim(body), shown, sizeof(shown));
    int failed =
        error_set(error, code, NULL, "the API server answers %d%s%s", http_status, shown[0] ? ": " : "", shown);
    if (error)
        error->retry_after_s = retry_after_s;
    return failed;
}
