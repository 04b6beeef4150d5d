/* Sets of fields, against sets written by hand and against what must hold of any. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fieldset.h"
#include "tests/unit/documents.h"

static void same(cJSON *is, const char *expected)
{
    AUTO_JSON cJSON *wanted = from_json(expected);
    AUTO_FREE char *text = json_print(is);
    if (!json_equal(is, wanted))
        fail_msg("expected %s\nis       %s", expected, text);
    cJSON_Delete(is);
}

static void names_fields_as_kubernetes_does(void **state)
{
    (void)state;
    static const struct {
        const char *object, *set;
    } cases[] = {
        {"{}", "{}"},
        {"{\"a\":1,\"b\":{},\"c\":[],\"d\":[1,{\"x\":2}],\"e\":null}",
         "{\"f:a\":{},\"f:b\":{},\"f:c\":{},\"f:d\":{},\"f:e\":{}}"},
        {"{\"m\":{\"l\":{\"x\":\"1\",\"y\":\"2\"}}}", "{\"f:m\":{\"f:l\":{\"f:x\":{},\"f:y\":{}}}}"},
        {"{\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}",
         "{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\".\":{},\"f:name\":{},\"f:image\":{}}}}"},
        {"{\"ports\":[{\"containerPort\":80}]}", "{\"f:ports\":{\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":"
                                                 "\\\"TCP\\\"}\":{\".\":{},\"f:containerPort\":{}}}}"},
        /* an item without its key, or a key twice: the list is one value */
        {"{\"env\":[{\"name\":\"A\"},{\"value\":\"1\"}]}", "{\"f:env\":{}}"},
        {"{\"env\":[{\"name\":\"A\"},{\"name\":\"A\"}]}", "{\"f:env\":{}}"},
        {"{\"workerGroupSpecs\":[{\"groupName\":\"a\"}]}", "{\"f:workerGroupSpecs\":{}}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = from_json(cases[i].object);
        same(fieldset_of(object), cases[i].set);
    }
}

#define A "{\"f:a\":{},\"f:b\":{\"f:x\":{}},\"f:c\":{\".\":{},\"f:y\":{}}}"
#define B "{\"f:b\":{},\"f:c\":{\"f:y\":{},\"f:z\":{}}}"

static void calculates(void **state)
{
    (void)state;
    AUTO_JSON cJSON *a = from_json(A);
    AUTO_JSON cJSON *b = from_json(B);
    AUTO_JSON cJSON *none = json_object();
    same(fieldset_union(a, b), "{\"f:a\":{},\"f:b\":{\".\":{},\"f:x\":{}},\"f:c\":{\".\":{},\"f:y\":{},\"f:z\":{}}}");
    same(fieldset_minus(a, b), "{\"f:a\":{},\"f:b\":{\"f:x\":{}},\"f:c\":{}}");
    same(fieldset_minus(b, a), "{\"f:b\":{},\"f:c\":{\"f:z\":{}}}");
    same(fieldset_and(a, b), "{\"f:c\":{\"f:y\":{}}}");
    same(fieldset_minus(a, a), "{}");
    same(fieldset_and(a, none), "{}");
    same(fieldset_union(NULL, NULL), "{}");
    same(fieldset_minus(NULL, a), "{}");
    same(fieldset_union(none, a), A);
}

static void finds_what_changed(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *changed, *removed;
    } cases[] = {
        {"{\"a\":1,\"b\":{\"c\":1}}", "{\"b\":{\"c\":1},\"a\":1}", "{}", "{}"},
        {"{\"a\":1,\"b\":{\"c\":1,\"d\":2}}", "{\"a\":2,\"b\":{\"d\":2,\"e\":{\"x\":1}}}",
         "{\"f:a\":{},\"f:b\":{\"f:e\":{\"f:x\":{}}}}", "{\"f:b\":{\"f:c\":{}}}"},
        {"{\"l\":[1,2]}", "{\"l\":[1]}", "{\"f:l\":{}}", "{}"},
        {"{\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\"}]}",
         "{\"env\":[{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"C\"}]}",
         "{\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\"f:value\":{}},\"k:{\\\"name\\\":\\\"C\\\"}\":{\".\":{},\"f:"
         "name\":{}}}}",
         "{\"f:env\":{\"k:{\\\"name\\\":\\\"B\\\"}\":{\".\":{},\"f:name\":{}}}}"},
        {"{\"x\":{\"y\":1}}", "{\"x\":3}", "{\"f:x\":{}}", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *before = from_json(cases[i].before);
        AUTO_JSON cJSON *after = from_json(cases[i].after);
        cJSON *changed = NULL;
        cJSON *removed = NULL;
        fieldset_changes(before, after, &changed, &removed);
        same(changed, cases[i].changed);
        same(removed, cases[i].removed);
    }
}

static void merges_by_keys(void **state)
{
    (void)state;
    AUTO_JSON cJSON *live =
        from_json("{\"a\":1,\"m\":{\"x\":1},\"l\":[1,2],\"env\":[{\"name\":\"A\",\"value\":\"1\"}]}");
    AUTO_JSON cJSON *applied =
        from_json("{\"m\":{\"y\":2},\"l\":[3],\"env\":[{\"name\":\"B\"},{\"name\":\"A\",\"value\":\"2\"}]}");
    same(fieldset_merge(live, applied),
         "{\"a\":1,\"m\":{\"x\":1,\"y\":2},\"l\":[3],\"env\":[{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"B\"}]}");
    same(fieldset_merge(NULL, applied),
         "{\"m\":{\"y\":2},\"l\":[3],\"env\":[{\"name\":\"B\"},{\"name\":\"A\",\"value\":\"2\"}]}");
}

static void prunes_what_nobody_keeps(void **state)
{
    (void)state;
    cJSON *object = from_json(
        "{\"a\":1,\"b\":2,\"m\":{\"x\":1,\"y\":2},\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\"}]}");
    AUTO_JSON cJSON *lost =
        from_json("{\"f:a\":{},\"f:b\":{},\"f:m\":{\"f:x\":{}},\"f:absent\":{\"f:z\":{}},"
                  "\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{},\"f:value\":{}},"
                  "\"k:{\\\"name\\\":\\\"B\\\"}\":{\".\":{},\"f:name\":{}}}}");
    AUTO_JSON cJSON *kept =
        from_json("{\"f:b\":{},\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{}}}}");
    fieldset_prune(object, lost, kept);
    same(object, "{\"b\":2,\"m\":{\"y\":2},\"env\":[{\"name\":\"A\"}]}");
}

static void note(void *context, const char *path)
{
    buffer_add_format(context, "%s\n", path);
}

static void writes_paths(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer paths = {0};
    AUTO_JSON cJSON *set =
        from_json("{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{\".\":{},\"f:image\":{}}},"
                  "\"f:ports\":{\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{}}},\"f:x\":{},"
                  "\"k:broken\":{}}");
    fieldset_paths(set, note, &paths);
    assert_string_equal(paths.p, ".spec.containers[name=\"a\"]\n.spec.containers[name=\"a\"].image\n"
                                 ".spec.ports[containerPort=80,protocol=\"TCP\"]\n.x\n[k:broken]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_fields_as_kubernetes_does),
        cmocka_unit_test(calculates),
        cmocka_unit_test(finds_what_changed),
        cmocka_unit_test(merges_by_keys),
        cmocka_unit_test(prunes_what_nobody_keeps),
        cmocka_unit_test(writes_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
