/* Which error an answer of the API server is, and which tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/protobuf.h"
#include "engine/kubernetes/status.h"

/* HTTP status, body, then what it is. Bodies as kube-apiserver 1.34 writes them. */
static const struct {
    int status;
    const char *body;
    enum error_code code;
    const char *field, *message;
    int retry_after_s;
} cases[] = {
    {404,
     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"namespaces "
     "\\\"x\\\" not "
     "found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"kind\":\"namespaces\"},\"code\":404}",
     ERROR_NOT_FOUND, "", "namespaces \"x\" not found", 0},
    {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"m\",\"code\":409}", ERROR_EXISTS, "", "m",
     0},
    {409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"m\",\"code\":409}", ERROR_CONFLICT, "", "m", 0},
    {410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"m\",\"code\":410}", ERROR_GONE, "", "m", 0},
    {410, "{\"kind\":\"Status\",\"reason\":\"Gone\",\"message\":\"m\",\"code\":410}", ERROR_GONE, "", "m", 0},
    {422,
     "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"m\",\"code\":422,\"details\":{\"causes\":[{\"reason\":"
     "\"FieldValueRequired\",\"message\":\"Required "
     "value\",\"field\":\"spec.containers[0].image\"},{\"field\":\"b\"}]}}",
     ERROR_INVALID, "spec.containers[0].image", "m", 0},
    {403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"exceeded quota\",\"code\":403}", ERROR_FORBIDDEN,
     "", "exceeded quota", 0},
    {403,
     "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"m\",\"code\":403,\"details\":{\"causes\":[{"
     "\"reason\":"
     "\"NamespaceTerminating\",\"message\":\"m\",\"field\":\"metadata.namespace\"}]}}",
     ERROR_CONFLICT, "metadata.namespace", "m", 0},
    {401, "{\"kind\":\"Status\",\"reason\":\"Unauthorized\",\"message\":\"Unauthorized\",\"code\":401}",
     ERROR_UNAVAILABLE, "", "the API server refuses Atelier's credentials: Unauthorized", 0},
    {429,
     "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":7}}",
     ERROR_LIMITED, "", "m", 7},
    {500, "{\"kind\":\"Status\",\"reason\":\"ServerTimeout\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":1}}",
     ERROR_UNAVAILABLE, "", "m", 1},
    {500, "{\"kind\":\"Status\",\"reason\":\"InternalError\",\"message\":\"failed calling webhook\"}", ERROR_UPSTREAM,
     "", "failed calling webhook", 0},
    {504, "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"message\":\"m\"}", ERROR_TIMEOUT, "", "m", 0},
    {422, "{\"kind\":\"Status\",\"code\":422,\"message\":\"\"}", ERROR_INVALID, "", "the object is not valid", 0},
    {503, "{\"kind\":\"Status\",\"message\":\"line\\none \\u001b[31m\"}", ERROR_UNAVAILABLE, "",
     "line\\x0aone \\x1b[31m", 0},
    {429, "Too many requests, please try again later.\n", ERROR_LIMITED, "",
     "the API server answers 429: Too many requests, please try again later.\\x0a", 0},
    {502, "<html>", ERROR_UPSTREAM, "", "the API server answers 502: <html>", 0},
    {302, "", ERROR_UPSTREAM, "", "the API server answers 302", 0},
    {404, "404 page not found", ERROR_NOT_FOUND, "", "the API server answers 404: 404 page not found", 0},
    {400, "[1]", ERROR_BAD_REQUEST, "", "the API server answers 400: [1]", 0},
};

static void maps_answers_to_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        assert_int_equal(kube_status_error(cases[i].status, 0, slice_of(cases[i].body), &error), -(int)cases[i].code);
        assert_int_equal(error.code, cases[i].code);
        assert_string_equal(error.field, cases[i].field);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.retry_after_s, cases[i].retry_after_s);
    }
    struct error error = {0};
    kube_status_error(429, 3, (struct slice){NULL, 0}, &error);
    assert_int_equal(error.retry_after_s, 3);
    assert_int_equal(kube_status_error(404, 0, SLICE("x"), NULL), -ERROR_NOT_FOUND);
}

/* As kube-apiserver 1.34 writes it for who asks for protobuf. */
static void reads_protobuf(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer type = {0}, status = {0}, body = {0};
    struct error error = {0};
    protobuf_add_bytes(&type, 1, slice_of("v1"));
    protobuf_add_bytes(&type, 2, slice_of("Status"));
    protobuf_add_bytes(&status, 1, slice_of(""));
    protobuf_add_bytes(&status, 2, slice_of("Failure"));
    protobuf_add_bytes(&status, 3, slice_of("The provided continue parameter is too old"));
    protobuf_add_bytes(&status, 4, slice_of("Expired"));
    protobuf_add_number(&status, 6, 410);
    buffer_add(&body, "k8s\0", 4);
    protobuf_add_bytes(&body, 1, buffer_slice(&type));
    protobuf_add_bytes(&body, 2, buffer_slice(&status));
    assert_int_equal(kube_status_error(410, 0, buffer_slice(&body), &error), -ERROR_GONE);
    assert_string_equal(error.message, "The provided continue parameter is too old");
    assert_int_equal(kube_status_error(403, 0, (struct slice){body.p, 9}, &error), -ERROR_FORBIDDEN); /* cut off */
    assert_non_null(strstr(error.message, "the API server answers 403"));
}

static void reads_events_of_watches(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *status = json_object();
    json_set_text(status, "kind", "Status");
    json_set_text(status, "reason", "Expired");
    json_set_text(status, "message", "too old resource version: 1 (2)");
    json_set_i64(status, "code", 410);
    assert_int_equal(kube_status_object_error(status, &error), -ERROR_GONE);
    assert_string_equal(error.message, "too old resource version: 1 (2)");
}

static cJSON *parse(const char *text)
{
    AUTO_FREE char *copy = memory_text(text);
    cJSON *tree = NULL;
    return kube_json_parse(copy, strlen(copy), &tree, NULL) == 0 ? tree : NULL;
}

/* What a person wrote into an object must not make the list that holds it unreadable. */
static void reads_what_odd_objects_hold(void **state)
{
    (void)state;
    AUTO_JSON cJSON *text = parse("{\"a\":\"x\\u0000y\",\"b\\u0000\":1,\"c\":\"\\\\u0000\",\"d\":\"\\\\\\u0000z\"}\n");
    assert_string_equal(json_text(text, "a", NULL), "x\xef\xbf\xbdy");
    assert_non_null(json_member(text, "b\xef\xbf\xbd"));
    assert_string_equal(json_text(text, "c", NULL), "\\u0000");
    assert_string_equal(json_text(text, "d", NULL), "\\\xef\xbf\xbdz");
    AUTO_JSON cJSON *number = parse("{\"n\":9223372036854775807}");
    assert_true(cJSON_IsNumber(json_member(number, "n")));
    AUTO_BUFFER struct buffer wide = {0};
    buffer_add_text(&wide, "{");
    for (int i = 0; i < 5000; i++)
        buffer_add_format(&wide, "%s\"k%d\":%d", i ? "," : "", i, i);
    buffer_add_text(&wide, "}");
    AUTO_JSON cJSON *keys = parse(wide.p);
    assert_int_equal(cJSON_GetArraySize(keys), 5000);
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "{", "{\"a\":1", "{}x", "{}{}", "{\"a\":tru}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_null(parse(texts[i]));
    AUTO_FREE char *deep = memory_get(200001);
    memset(deep, '[', 200000);
    assert_null(parse(deep));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_answers_to_errors),   cmocka_unit_test(reads_protobuf),
        cmocka_unit_test(reads_events_of_watches),  cmocka_unit_test(reads_what_odd_objects_hold),
        cmocka_unit_test(refuses_what_is_not_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
