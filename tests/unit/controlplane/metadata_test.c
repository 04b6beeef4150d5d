/* What people may and may not say in metadata. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/metadata.h"
#include "tests/unit/documents.h"

static void creation_is_completed(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = from_json(
        "{\"metadata\":{\"name\":\"cm1\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"creationTimestamp\":null,"
        "\"generation\":3,\"managedFields\":[],\"finalizers\":[],\"ownerReferences\":null,\"labels\":{\"a\":\"b\","
        "\"example.com/x\":\"\"}},\"data\":{}}");
    assert_int_equal(metadata_admit(KIND_CONFIGMAP, "alice", NULL, NULL, object, NULL), 0);
    assert_string_equal(json_text(object, "apiVersion", NULL), "v1");
    assert_string_equal(json_text(object, "kind", NULL), "ConfigMap");
    assert_string_equal(json_text(object, "metadata", "namespace", NULL), "alice");
    assert_null(json_at(object, "metadata", "uid", NULL));
    assert_null(json_at(object, "metadata", "resourceVersion", NULL));
    assert_null(json_at(object, "metadata", "creationTimestamp", NULL));
    assert_null(json_at(object, "metadata", "finalizers", NULL));
    assert_null(json_at(object, "metadata", "ownerReferences", NULL));
}

static void names_are_generated(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = from_json("{\"metadata\":{\"generateName\":\"run-\"}}");
    assert_int_equal(metadata_admit(KIND_CONFIGMAP, "alice", NULL, NULL, object, NULL), 0);
    assert_int_equal(strncmp(json_text(object, "metadata", "name", NULL), "run-", 4), 0);
    assert_int_equal(strlen(json_text(object, "metadata", "name", NULL)), 9);
}

static void wrong_metadata_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        enum error_code code;
        const char *field;
    } cases[] = {
        {"[]", ERROR_BAD_REQUEST, ""},
        {"null", ERROR_BAD_REQUEST, ""},
        {"{}", ERROR_INVALID, "metadata.name"},
        {"{\"metadata\":[]}", ERROR_INVALID, "metadata"},
        {"{\"apiVersion\":\"v2\",\"metadata\":{\"name\":\"x\"}}", ERROR_BAD_REQUEST, "apiVersion"},
        {"{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}}", ERROR_BAD_REQUEST, "kind"},
        {"{\"kind\":1,\"metadata\":{\"name\":\"x\"}}", ERROR_BAD_REQUEST, "kind"},
        {"{\"owner\":\"bob\",\"metadata\":{\"name\":\"x\"}}", ERROR_INVALID, "owner"},
        {"{\"metadata\":{\"name\":\"x\",\"role\":\"admin\"}}", ERROR_INVALID, "metadata.role"},
        {"{\"metadata\":{\"name\":\"x\",\"namespace\":\"bob\"}}", ERROR_BAD_REQUEST, "metadata.namespace"},
        {"{\"metadata\":{\"name\":\"x\",\"namespace\":7}}", ERROR_BAD_REQUEST, "metadata.namespace"},
        {"{\"metadata\":{\"name\":\"X\"}}", ERROR_INVALID, "metadata.name"},
        {"{\"metadata\":{\"name\":\"../x\"}}", ERROR_INVALID, "metadata.name"},
        {"{\"metadata\":{\"name\":7}}", ERROR_INVALID, "metadata.name"},
        {"{\"metadata\":{\"name\":\"\"}}", ERROR_INVALID, "metadata.name"},
        {"{\"metadata\":{\"generateName\":\"0123456789012345678901234567890123456789012345678901234567\"}}",
         ERROR_INVALID, "metadata.generateName"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":[]}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":1}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a b\":\"c\"}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"/a\":\"c\"}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a/b/c\":\"c\"}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"-c\"}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"c\\nd\"}}}", ERROR_INVALID, "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"annotations\":{\"a\":{}}}}", ERROR_INVALID, "metadata.annotations"},
        {"{\"metadata\":{\"name\":\"x\",\"annotations\":{\"\":\"\"}}}", ERROR_INVALID, "metadata.annotations"},
        {"{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a/b\"]}}", ERROR_INVALID, "metadata.finalizers"},
        {"{\"metadata\":{\"name\":\"x\",\"ownerReferences\":[{}]}}", ERROR_INVALID, "metadata.ownerReferences"},
        {"{\"metadata\":{\"name\":\"x\",\"finalizers\":\"a\"}}", ERROR_INVALID, "metadata.finalizers"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = from_json(cases[i].object);
        struct error error = {0};
        int status = metadata_admit(KIND_CONFIGMAP, "alice", NULL, NULL, object, &error);
        if (status != -(int)cases[i].code || strcmp(error.field, cases[i].field) != 0)
            fail_msg("%s: %d, field \"%s\": %s", cases[i].object, status, error.field, error.message);
    }
}

#define OLD                                                                                                            \
    "{\"apiVersion\":\"kubeflow.org/"                                                                                  \
    "v1\",\"kind\":\"Notebook\",\"metadata\":{\"name\":\"nb1\",\"namespace\":\"alice\","                               \
    "\"uid\":\"u1\",\"resourceVersion\":\"7\",\"generation\":2,\"finalizers\":[\"atelier.dev/x\"],"                    \
    "\"creationTimestamp\":\"2026-11-23T03:00:00Z\"},\"spec\":{},\"status\":{\"phase\":\"Running\"}}"

static void changes_keep_what_the_server_set(void **state)
{
    (void)state;
    AUTO_JSON cJSON *old = from_json(OLD);
    AUTO_JSON cJSON *object = from_json("{\"metadata\":{\"name\":\"nb1\",\"uid\":\"u1\",\"generation\":99,"
                                        "\"creationTimestamp\":\"1999-01-01T00:00:00Z\",\"deletionTimestamp\":\"now\"},"
                                        "\"spec\":{},\"status\":{\"phase\":\"Failed\"}}");
    assert_int_equal(metadata_admit(KIND_NOTEBOOK, "alice", "nb1", old, object, NULL), 0);
    assert_string_equal(json_text(object, "status", "phase", NULL), "Running");
    assert_string_equal(json_text(object, "metadata", "creationTimestamp", NULL), "2026-11-23T03:00:00Z");
    assert_null(json_at(object, "metadata", "deletionTimestamp", NULL));
    assert_true(
        json_equal(json_at(object, "metadata", "finalizers", NULL), json_at(old, "metadata", "finalizers", NULL)));
    int64_t generation = 0;
    assert_true(json_i64(json_at(object, "metadata", "generation", NULL), &generation));
    assert_int_equal(generation, 2);
}

static void changes_are_guarded(void **state)
{
    (void)state;
    static const struct {
        const char *metadata;
        enum error_code code;
    } cases[] = {
        {"{\"metadata\":{\"uid\":\"u2\"}}", ERROR_CONFLICT},
        {"{\"metadata\":{\"resourceVersion\":7}}", ERROR_INVALID},
        {"{\"metadata\":{\"name\":\"nb2\"}}", ERROR_BAD_REQUEST},
        {"{\"metadata\":{\"finalizers\":[\"other/x\"]}}", ERROR_INVALID},
        {"{\"metadata\":{\"resourceVersion\":\"7\",\"finalizers\":[\"atelier.dev/x\"]}}", ERROR_NONE},
        {"{\"metadata\":{\"resourceVersion\":null}}", ERROR_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *old = from_json(OLD);
        AUTO_JSON cJSON *object = from_json(cases[i].metadata);
        struct error error = {0};
        int status = metadata_admit(KIND_NOTEBOOK, "alice", "nb1", old, object, &error);
        if (status != -(int)cases[i].code)
            fail_msg("%s: %d: %s", cases[i].metadata, status, error.message);
    }
}

static void cluster_kinds_have_no_namespace(void **state)
{
    (void)state;
    AUTO_JSON cJSON *good = from_json("{\"metadata\":{\"name\":\"alice\",\"namespace\":\"\"},\"spec\":{}}");
    AUTO_JSON cJSON *bad = from_json("{\"metadata\":{\"name\":\"alice\",\"namespace\":\"bob\"},\"spec\":{}}");
    assert_int_equal(metadata_admit(KIND_PROFILE, NULL, NULL, NULL, good, NULL), 0);
    assert_null(json_at(good, "metadata", "namespace", NULL));
    assert_int_equal(metadata_admit(KIND_PROFILE, NULL, NULL, NULL, bad, NULL), -ERROR_BAD_REQUEST);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    AUTO_JSON cJSON *labels = from_json("{\"metadata\":{\"name\":\"x\",\"labels\":{}}}");
    for (int i = 0; i < 65; i++) {
        AUTO_FREE char *key = memory_format("k%d", i);
        json_set_text(json_at(labels, "metadata", "labels", NULL), key, "v");
    }
    assert_int_equal(metadata_admit(KIND_CONFIGMAP, "alice", NULL, NULL, labels, NULL), -ERROR_INVALID);
    AUTO_JSON cJSON *annotations = from_json("{\"metadata\":{\"name\":\"x\",\"annotations\":{}}}");
    AUTO_FREE char *long_text = memory_get((256 << 10) + 1);
    memset(long_text, 'a', 256 << 10);
    json_set_text(json_at(annotations, "metadata", "annotations", NULL), "a", long_text);
    assert_int_equal(metadata_admit(KIND_CONFIGMAP, "alice", NULL, NULL, annotations, NULL), -ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_is_completed),   cmocka_unit_test(names_are_generated),
        cmocka_unit_test(wrong_metadata_is_named), cmocka_unit_test(changes_keep_what_the_server_set),
        cmocka_unit_test(changes_are_guarded),     cmocka_unit_test(cluster_kinds_have_no_namespace),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
