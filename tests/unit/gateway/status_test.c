/* Are the errors those that Kubernetes clients know? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/status.h"

static void absent_things_read_as_in_kubernetes(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    status_not_found(&text, "kubeflow.org", "notebooks", "nb1");
    assert_string_equal(text.p, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                                "\"message\":\"notebooks.kubeflow.org \\\"nb1\\\" not found\",\"reason\":\"NotFound\","
                                "\"details\":{\"name\":\"nb1\",\"group\":\"kubeflow.org\",\"kind\":\"notebooks\"},"
                                "\"code\":404}\n");
    buffer_clear(&text);
    status_not_found(&text, "", "services", "svc");
    assert_non_null(strstr(text.p, "\"details\":{\"name\":\"svc\",\"kind\":\"services\"}"));
}

static void every_code_has_a_reason(void **state)
{
    (void)state;
    assert_string_equal(status_reason(400), "BadRequest");
    assert_string_equal(status_reason(404), "NotFound");
    assert_string_equal(status_reason(421), "BadRequest");
    assert_string_equal(status_reason(431), "RequestEntityTooLarge");
    assert_string_equal(status_reason(502), "BadGateway");
    assert_string_equal(status_reason(599), "InternalError");
}

static void a_field_is_a_cause(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    struct error error = {0};
    error_set(&error, ERROR_INVALID, "spec.image", "no such <image>");
    status_error(&text, &error);
    assert_non_null(strstr(text.p, "\"field\":\"spec.image\""));
    assert_non_null(strstr(text.p, "\"code\":422"));
    assert_null(strchr(text.p, '<'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_things_read_as_in_kubernetes),
        cmocka_unit_test(every_code_has_a_reason),
        cmocka_unit_test(a_field_is_a_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
