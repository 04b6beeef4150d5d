/* What does the API server ask, and how is it answered? */
#include "webhook/review.h"

#include "base/json_patch.h"

#define REVIEW_VERSION "admission.k8s.io/v1"
#define UID_MAX 128

/* Two versions of an object, each at most what etcd takes (1.5 MiB); managedFields nest as deep as the object does. */
static const struct json_limits review_limits = {.bytes = 3U << 20, .depth = 96, .values = 300000, .keys = 4096};

static int refuse(const char *field, const char *expected, struct error *error)
{
    return error_set(error, ERROR_BAD_REQUEST, field, "%s: expected %s", field, expected);
}

/* A text of the request, "" if it is not there. */
static int read_text(const cJSON *request, const char *list, const char *key, const char **ret, struct error *error)
{
    const cJSON *value = list ? json_at(request, list, key, NULL) : json_member(request, key);
    *ret = "";
    if (!value || cJSON_IsNull(value))
        return 0;
    if (!cJSON_IsString(value))
        return error_set(error, ERROR_BAD_REQUEST, "request", "request.%s%s%s: expected a text", list ? list : "",
                         list ? "." : "", key);
    *ret = value->valuestring;
    return 0;
}

static int read_object(const cJSON *request, const char *key, const cJSON **ret, struct error *error)
{
    const cJSON *value = json_member(request, key);
    *ret = NULL;
    if (!value || cJSON_IsNull(value))
        return 0;
    if (!cJSON_IsObject(value))
        return refuse("request", "object and oldObject to be objects", error);
    *ret = value;
    return 0;
}

static int read_request(const cJSON *request, struct review *ret, struct error *error)
{
    int status = read_text(request, NULL, "uid", &ret->uid, error);
    if (status == 0)
        status = read_text(request, NULL, "operation", &ret->operation, error);
    if (status == 0)
        status = read_text(request, NULL, "namespace", &ret->namespace, error);
    if (status == 0)
        status = read_text(request, "kind", "group", &ret->group, error);
    if (status == 0)
        status = read_text(request, "kind", "kind", &ret->kind, error);
    if (status == 0)
        status = read_object(request, "object", &ret->object, error);
    if (status == 0)
        status = read_object(request, "oldObject", &ret->old, error);
    if (status == 0 && (!ret->uid[0] || strlen(ret->uid) > UID_MAX))
        status = refuse("request.uid", "a text of 1 to 128 bytes", error);
    if (status == 0 && !ret->operation[0])
        status = refuse("request.operation", "CREATE, UPDATE, DELETE or CONNECT", error);
    return status;
}

int review_parse(struct slice body, struct review *ret, struct error *error)
{
    *ret = (struct review){0};
    int status = json_parse(body, &review_limits, &ret->document, error);
    if (status < 0)
        return error_set(error, ERROR_BAD_REQUEST, "body", "the body is no AdmissionReview: %.400s",
                         error ? error->message : "");
    if (strcmp(json_text_or("", ret->document, "kind", NULL), "AdmissionReview") != 0)
        return refuse("kind", "AdmissionReview", error);
    if (strcmp(json_text_or("", ret->document, "apiVersion", NULL), REVIEW_VERSION) != 0)
        return refuse("apiVersion", REVIEW_VERSION, error);
    const cJSON *request = json_member(ret->document, "request");
    if (!cJSON_IsObject(request))
        return refuse("request", "an object", error);
    ret->warnings = json_array();
    return read_request(request, ret, error);
}

void review_clear(struct review *review)
{
    cJSON_Delete(review->document);
    cJSON_Delete(review->warnings);
    *review = (struct review){0};
}

static cJSON *make_answer(const struct review *review, bool allowed, cJSON **ret_response)
{
    cJSON *answer = json_object();
    json_set_text(answer, "apiVersion", REVIEW_VERSION);
    json_set_text(answer, "kind", "AdmissionReview");
    *ret_response = json_object_in(answer, "response");
    json_set_text(*ret_response, "uid", review->uid);
    json_set_bool(*ret_response, "allowed", allowed);
    if (review->warnings && review->warnings->child)
        json_set(*ret_response, "warnings", json_copy(review->warnings));
    return answer;
}

cJSON *review_allow(const struct review *review, const cJSON *changed)
{
    cJSON *response, *answer = make_answer(review, true, &response);
    AUTO_JSON cJSON *patch = changed ? json_difference(review->object, changed) : NULL;
    if (!patch || !patch->child)
        return answer;
    AUTO_FREE char *text = json_print(patch);
    AUTO_FREE char *encoded = text_base64(text, strlen(text));
    json_set_text(response, "patchType", "JSONPatch");
    json_set_text(response, "patch", encoded);
    return answer;
}

cJSON *review_refuse(const struct review *review, const struct error *error)
{
    cJSON *response, *answer = make_answer(review, false, &response);
    cJSON *status = json_object_in(response, "status");
    bool says_where = !error->field[0] || strstr(error->message, error->field);
    AUTO_FREE char *message =
        memory_format("%s%s%s", says_where ? "" : error->field, says_where ? "" : ": ", error->message);
    json_set_text(status, "message", message);
    json_set_text(status, "reason", error_reason(error->code));
    json_set_i64(status, "code", error_status(error->code));
    return answer;
}
