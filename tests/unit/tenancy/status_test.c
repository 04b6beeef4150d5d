/* Conditions and ownership. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/status.h"

static const char *since(const cJSON *status)
{
    return json_text(json_member(status, "conditions")->child, "lastTransitionTime", NULL);
}

static void times_change_with_the_truth_only(void **state)
{
    (void)state;
    AUTO_JSON cJSON *first = json_object();
    AUTO_JSON cJSON *second = json_object();
    AUTO_JSON cJSON *third = json_object();
    status_condition(first, NULL, "Ready", false, "Pending", "wait", 1000);
    assert_string_equal(since(first), "1970-01-01T00:00:01Z");
    status_condition(second, first, "Ready", false, "Other", "still", 60000);
    assert_string_equal(since(second), since(first));
    status_condition(third, second, "Ready", true, "Ready", "it is", 60000);
    assert_string_equal(since(third), "1970-01-01T00:01:00Z");
    assert_string_equal(json_text(json_member(third, "conditions")->child, "status", NULL), "True");
}

static void ownership_goes_by_uid(void **state)
{
    (void)state;
    AUTO_JSON cJSON *owner = json_object();
    AUTO_JSON cJSON *object = json_object();
    json_set_text(json_object_in(owner, "metadata"), "name", "nb1");
    json_set_text(json_object_in(owner, "metadata"), "uid", "u-1");
    assert_false(status_is_owned(object, owner));
    json_set(json_object_in(object, "metadata"), "ownerReferences", status_owner_reference(KIND_NOTEBOOK, owner));
    assert_true(status_is_owned(object, owner));
    json_set_text(json_object_in(owner, "metadata"), "uid", "u-2"); /* the same name, made again */
    assert_false(status_is_owned(object, owner));
    json_remove(json_object_in(owner, "metadata"), "uid");
    assert_false(status_is_owned(object, owner));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(times_change_with_the_truth_only),
                                       cmocka_unit_test(ownership_goes_by_uid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
