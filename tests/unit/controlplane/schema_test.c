/* Objects are held against the table of their kind, and the table is one that people can read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/schema.h"

static void members_are_known_and_of_their_type(void **state)
{
    (void)state;
    static const struct {
        enum engine_kind kind;
        const char *object, *field, *message; /* NULL: it is fine */
    } cases[] = {
        {KIND_CONFIGMAP, "{\"apiVersion\":7,\"metadata\":[],\"data\":{\"a\":1},\"immutable\":null}", NULL, NULL},
        {KIND_CONFIGMAP, "{\"data\":\"x\"}", "data", "data must be an object"},
        {KIND_CONFIGMAP, "{\"immutable\":\"true\"}", "immutable", "immutable must be true or false"},
        {KIND_CONFIGMAP, "{\"spec\":{}}", "spec",
         "unknown field \"spec\"; known here: apiVersion, kind, metadata, data, binaryData, immutable"},
        {KIND_CLAIM, "{\"spec\":{\"resources\":{\"requests\":{\"storage\":1.5,\"cpu\":1}}}}",
         "spec.resources.requests.cpu", "unknown field \"cpu\"; known here: storage"},
        {KIND_CLAIM, "{\"spec\":{\"resources\":{\"requests\":{\"storage\":[]}}}}", "spec.resources.requests.storage",
         "spec.resources.requests.storage must be a quantity such as 500m or 1Gi"},
        {KIND_CLAIM, "{\"spec\":{\"accessModes\":{}}}", "spec.accessModes", "spec.accessModes must be a list"},
        {KIND_NOTEBOOK, "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"env\":[{\"name\":\"a\"}],\"x\":1}]}}}}",
         NULL, NULL}, /* what else a container has is the engine's to know */
        {KIND_NOTEBOOK, "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{},{\"env\":[{},7]}]}}}}",
         "spec.template.spec.containers[1].env[1]", "spec.template.spec.containers[1].env[1] must be an object"},
        {KIND_RAYCLUSTER, "{\"spec\":{\"workerGroupSpecs\":[{\"replicas\":1.5}]}}", "spec.workerGroupSpecs[0].replicas",
         "spec.workerGroupSpecs[0].replicas must be a whole number"},
        {KIND_RAYCLUSTER, "{\"spec\":[]}", "spec", "spec must be an object"},
        {KIND_EVENT, "{\"lastTimestamp\":1}", "lastTimestamp", "lastTimestamp must be a time as RFC 3339 has it"},
        {KIND_ROLEBINDING, "{\"spec\":{\"anything\":1}}", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = NULL;
        struct error error = {0};
        assert_int_equal(json_parse(slice_of(cases[i].object), &json_limits_default, &object, &error), 0);
        int status = schema_check(cases[i].kind, object, &error);
        if (status != (cases[i].message ? -ERROR_INVALID : 0))
            fail_msg("%s: %d %s", cases[i].object, status, error.message);
        if (!cases[i].message)
            continue;
        assert_string_equal(error.field, cases[i].field);
        assert_string_equal(error.message, cases[i].message);
    }
}

static void check_fields(const struct schema_field *fields, const char *where, size_t count)
{
    for (const struct schema_field *field = fields; field->name; field++) {
        size_t length = strlen(field->description);
        if (++count > SCHEMA_FIELDS_MAX || length == 0 || field->description[length - 1] != '.')
            fail_msg("%s.%s: too many fields, or no sentence: %s", where, field->name, field->description);
        for (const struct schema_field *other = fields; other != field; other++)
            assert_string_not_equal(other->name, field->name);
        bool holds = field->type == SCHEMA_OBJECT || field->type == SCHEMA_OPEN || field->type == SCHEMA_LIST;
        assert_true(holds || !field->fields);
        if (field->fields)
            check_fields(field->fields, field->name, 0);
    }
}

static void every_field_is_explained(void **state)
{
    (void)state;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct schema *schema = schema_of((enum engine_kind)kind);
        assert_true(strlen(schema->description) > 0);
        check_fields(schema->fields, engine_kinds[kind].kind, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_known_and_of_their_type),
        cmocka_unit_test(every_field_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
