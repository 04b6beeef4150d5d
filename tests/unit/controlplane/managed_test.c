/* Who owns what: the parts that no client is needed for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/managed.h"
#include "tests/unit/documents.h"

#define NOW "2026-01-01T00:00:00Z"

/* What is there once <text> was applied to <live>, which is consumed. */
static cJSON *applied(cJSON *live, const char *text, const char *manager)
{
    AUTO_JSON cJSON *wanted = from_json(text);
    AUTO_JSON cJSON *causes = NULL;
    cJSON *object = NULL;
    cJSON *managed = NULL;
    struct error error = {0};
    struct managed_apply apply = {
        .live = live, .applied = wanted, .manager = manager, .api_version = "v1", .now = NOW, .force = true};
    if (managed_apply(&apply, &object, &managed, &causes, &error) < 0)
        fail_msg("%s", error.message);
    json_set(json_object_in(object, "metadata"), "managedFields", managed);
    cJSON_Delete(live);
    return object;
}

static const cJSON *entries(const cJSON *object)
{
    return json_at(object, "metadata", "managedFields", NULL);
}

static void what_was_there_belongs_to_nobody_in_particular(void **state)
{
    (void)state;
    cJSON *live = from_json(
        "{\"metadata\":{\"name\":\"x\",\"labels\":{\"l\":\"1\"}},\"data\":{\"a\":\"1\"},\"status\":{\"s\":1}}");
    AUTO_JSON cJSON *object = applied(live, "{\"data\":{\"b\":\"2\"}}", "m");
    const cJSON *before = cJSON_GetArrayItem(entries(object), 0);
    assert_string_equal(json_text(before, "manager", NULL), "before-first-apply");
    AUTO_JSON cJSON *fields = from_json("{\"f:metadata\":{\"f:labels\":{\"f:l\":{}}},\"f:data\":{\"f:a\":{}}}");
    assert_true(json_equal(json_member(before, "fieldsV1"), fields));
    assert_string_equal(json_text(object, "data", "a", NULL), "1");
    assert_null(json_member(object, "status")); /* the server's to put back */
}

static void untracked_objects_stay_so(void **state)
{
    (void)state;
    AUTO_JSON cJSON *old = from_json("{\"data\":{\"a\":\"1\"}}");
    AUTO_JSON cJSON *object = from_json("{\"data\":{\"a\":\"2\"}}");
    assert_null(managed_update(old, object, "m", NOW));
}

static void many_writers_become_one(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = applied(NULL, "{\"data\":{\"own\":\"1\"}}", "m");
    for (int i = 0; i < 30; i++) {
        AUTO_JSON cJSON *old = json_copy(object);
        char manager[32];
        char key[32];
        snprintf(manager, sizeof(manager), "writer-%d", i);
        snprintf(key, sizeof(key), "k%d", i);
        json_set_text(json_object_in(object, "data"), key, "v");
        json_set(json_object_in(object, "metadata"), "managedFields", managed_update(old, object, manager, NOW));
    }
    assert_int_equal(cJSON_GetArraySize(entries(object)), 1 + 10);
    const cJSON *ancient = json_keyed(entries(object), "manager", "ancient-changes");
    assert_int_equal(cJSON_GetArraySize(json_at(ancient, "fieldsV1", "f:data", NULL)), 30 - 9);
    assert_non_null(json_keyed(entries(object), "manager", "writer-29"));
}

static void checks_what_a_client_sends(void **state)
{
    (void)state;
#define ENTRY(FIELDS) "[{\"manager\":\"m\",\"operation\":\"Apply\",\"fieldsV1\":" FIELDS "}]"
    static const struct {
        const char *given;
        bool fine;
    } cases[] = {{"[]", true},
                 {ENTRY("{\"f:a\":{\".\":{},\"k:{}\":{},\"v:1\":{}}}"), true},
                 {"{}", false},
                 {"[1]", false},
                 {ENTRY("1"), false},
                 {ENTRY("{\"a\":{}}"), false},
                 {ENTRY("{\"f:a\":[]}"), false},
                 {"[{\"operation\":\"Apply\",\"fieldsV1\":{}}]", false},
                 {"[{\"manager\":\"m\",\"operation\":\"Delete\",\"fieldsV1\":{}}]", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *given = from_json(cases[i].given);
        assert_int_equal(managed_check(given, &error), cases[i].fine ? 0 : -ERROR_INVALID);
        assert_true(cases[i].fine || strstr(error.field, "metadata.managedFields"));
    }
    AUTO_JSON cJSON *many = json_array();
    for (int i = 0; i < 33; i++)
        json_push(many, json_object());
    assert_int_equal(managed_check(many, NULL), -ERROR_INVALID);
}

static void managers_are_bounded(void **state)
{
    (void)state;
    cJSON *object = NULL;
    for (int i = 0; i < 32; i++) {
        char manager[32];
        snprintf(manager, sizeof(manager), "m%d", i);
        object = applied(object, "{\"data\":{\"a\":\"1\"}}", manager);
    }
    AUTO_JSON cJSON *live = object;
    AUTO_JSON cJSON *causes = NULL;
    AUTO_JSON cJSON *wanted = from_json("{\"data\":{\"a\":\"1\"}}");
    cJSON *more = NULL;
    cJSON *managed = NULL;
    struct error error = {0};
    struct managed_apply apply = {
        .live = live, .applied = wanted, .manager = "one-more", .api_version = "v1", .now = NOW};
    assert_int_equal(managed_apply(&apply, &more, &managed, &causes, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "at most 32 managers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_belongs_to_nobody_in_particular),
        cmocka_unit_test(untracked_objects_stay_so),
        cmocka_unit_test(many_writers_become_one),
        cmocka_unit_test(checks_what_a_client_sends),
        cmocka_unit_test(managers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
