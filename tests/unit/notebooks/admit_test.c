/* Notebook admission: what is left out is completed, what cannot run is refused by its path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "notebooks/internal.h"
#include "tests/unit/fake_engine.h"

#define C "spec.template.spec.containers[0]"

static cJSON *notebook_of(const char *json)
{
    cJSON *notebook = NULL;
    struct error error = {0};
    if (json_parse(slice_of(json), &json_limits_default, &notebook, &error) < 0)
        fail_msg("%s: %s", json, error.message);
    json_set_text(json_object_in(notebook, "metadata"), "namespace", "alice");
    return notebook;
}

static void completes_the_smallest(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations};
    struct notebooks notebooks = {.engine = &fake.base};
    AUTO_JSON cJSON *notebook = notebook_of("{\"metadata\":{\"name\":\"nb1\"}}");
    struct error error = {0};
    if (notebook_admit(notebooks.engine, NULL, notebook, &error) < 0)
        fail_msg("%s", error.message);
    const cJSON *container = json_at(notebook, "spec", "template", "spec", "containers", NULL)->child;
    assert_string_equal(json_text(container, "name", NULL), "nb1");
    assert_string_equal(json_text(container, "image", NULL), "ray-2.60"); /* newer than 2.9, by number */
    assert_string_equal(json_text(container, "resources", "limits", "cpu", NULL), "500m");
    assert_string_equal(json_text(container, "resources", "limits", "memory", NULL), "1Gi");
    assert_string_equal(json_text(container, "resources", "requests", "cpu", NULL), "500m");
    assert_string_equal(json_text(container, "resources", "requests", "memory", NULL), "1Gi");
    AUTO_JSON cJSON *again = json_copy(notebook);
    assert_int_equal(notebook_admit(notebooks.engine, notebook, again, &error), 0);
    assert_true(json_equal(notebook, again));
}

/* A name of the platform's becomes what a pod must name; an alias is a registry's name already. */
static void resolves_images(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations, .reference = "registry.example/ray:2.60"};
    struct notebooks notebooks = {.engine = &fake.base};
    static const char *const cases[][2] = {{"", "registry.example/ray:2.60"},
                                           {"ray-2.60", "registry.example/ray:2.60"},
                                           {"rayproject/ray:2.60.0", "rayproject/ray:2.60.0"},
                                           {"jupyter/scipy-notebook", "jupyter/scipy-notebook"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *text = memory_format("{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":"
                                             "{\"containers\":[{\"image\":\"%s\"}]}}}}",
                                             cases[i][0]);
        AUTO_JSON cJSON *notebook = notebook_of(text);
        struct error error = {0};
        assert_int_equal(notebook_admit(notebooks.engine, NULL, notebook, &error), 0);
        const cJSON *container = json_at(notebook, "spec", "template", "spec", "containers", NULL)->child;
        assert_string_equal(json_text(container, "image", NULL), cases[i][1]);
    }
}

/* What is named is kept as it was written, so that kubectl apply finds nothing to change. */
static void keeps_the_amounts_that_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"limits\":{\"cpu\":\"2\",\"memory\":\"3Gi\"}}", "{\"limits\":{\"cpu\":\"2\",\"memory\":\"3Gi\"}}"},
        {"{\"limits\":{\"cpu\":2},\"requests\":{\"memory\":\"2Gi\"}}",
         "{\"limits\":{\"cpu\":2},\"requests\":{\"memory\":\"2Gi\"}}"},
        {"{\"requests\":{\"cpu\":0.5},\"limits\":{\"cpu\":4}}",
         "{\"requests\":{\"cpu\":0.5,\"memory\":\"1Gi\"},\"limits\":{\"cpu\":4,\"memory\":\"1Gi\"}}"},
        {"null",
         "{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}}"},
    };
    struct fake_engine fake = {.base.operations = &fake_operations};
    struct notebooks notebooks = {.engine = &fake.base};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *text = memory_format("{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":"
                                             "{\"containers\":[{\"resources\":%s}]}}}}",
                                             cases[i][0]);
        AUTO_JSON cJSON *notebook = notebook_of(text), *expected = NULL;
        struct error error = {0};
        assert_int_equal(json_parse(slice_of(cases[i][1]), &json_limits_default, &expected, NULL), 0);
        if (notebook_admit(notebooks.engine, NULL, notebook, &error) < 0)
            fail_msg("%s: %s", cases[i][0], error.message);
        const cJSON *resources =
            json_member(json_at(notebook, "spec", "template", "spec", "containers", NULL)->child, "resources");
        if (!json_equal(resources, expected)) {
            AUTO_FREE char *is = json_print(resources);
            fail_msg("%s became %s", cases[i][0], is);
        }
    }
}

#define CONTAINER(json)                                                                                                \
    "{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[" json "]}}}}"
#define NAMED(name) "{\"metadata\":{\"name\":\"" name "\"}}"

static void refuses_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *notebook, *field;
    } cases[] = {
        {"{}", "metadata.name"},
        {NAMED(""), "metadata.name"},
        {NAMED("Nb1"), "metadata.name"},
        {NAMED("1nb"), "metadata.name"},
        {NAMED("nb_1"), "metadata.name"},
        {NAMED("nb-"), "metadata.name"},
        {NAMED("a--b"), "metadata.name"},
        {NAMED("../x"), "metadata.name"},
        {NAMED("a23456789012345678901234567890123456789x1"), "metadata.name"},
        {NAMED("rc-head-svc"), "metadata.name"},
        {NAMED("localhost"), "metadata.name"},
        {"{\"metadata\":{\"name\":\"nb1\",\"finalizers\":[\"a/b\"]}}", "metadata.finalizers"},
        {"{\"metadata\":{\"name\":\"nb1\",\"labels\":{\"a\":1}}}", "metadata.labels.a"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"specs\":{}}", "specs"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":7}", "spec"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"image\":\"x\"}}", "spec.image"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[]}}}}",
         "spec.template.spec.containers"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{},{}]}}}}",
         "spec.template.spec.containers"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":\"Never\"}}}}",
         "spec.template.spec.restartPolicy"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"hostNetwork\":true}}}}",
         "spec.template.spec.hostNetwork"},
        {CONTAINER("{\"resources\":{\"limits\":{\"cpu\":\"much\"}}}"), C ".resources.limits.cpu"},
        {CONTAINER("{\"resources\":{\"limits\":{\"memory\":\"-1Gi\"}}}"), C ".resources.limits.memory"},
        {CONTAINER("{\"resources\":{\"limits\":{\"memory\":\"0\"}}}"), C ".resources.limits.memory"},
        {CONTAINER("{\"resources\":{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"2\"}}}"),
         C ".resources.requests.cpu"},
        {CONTAINER("{\"resources\":{\"limit\":{}}}"), C ".resources.limit"},
        {"{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"hostname\":\"x\"}}}}",
         "spec.template.spec.hostname"},
        {CONTAINER("{\"resources\":[]}"), C ".resources"},
    };
    struct fake_engine fake = {.base.operations = &fake_operations};
    struct notebooks notebooks = {.engine = &fake.base};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *notebook = notebook_of(cases[i].notebook);
        struct error error = {0};
        if (notebook_admit(notebooks.engine, NULL, notebook, &error) != -ERROR_INVALID)
            fail_msg("accepted: %s", cases[i].notebook);
        if (strcmp(error.field, cases[i].field) != 0)
            fail_msg("%s: field is \"%s\", not \"%s\" (%s)", cases[i].notebook, error.field, cases[i].field,
                     error.message);
    }
}

static void keeps_service_names_apart(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations, .service = "web"};
    struct notebooks notebooks = {.engine = &fake.base};
    AUTO_JSON cJSON *notebook = notebook_of(NAMED("web"));
    struct error error = {0};
    assert_int_equal(notebook_admit(notebooks.engine, NULL, notebook, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    assert_int_equal(notebook_admit(notebooks.engine, notebook, notebook, &error),
                     0); /* an update: the service is its own */
    fake.service_label = "notebook-name";
    fake.service_label_value = "web";
    assert_int_equal(notebook_admit(notebooks.engine, NULL, notebook, &error), 0); /* an earlier notebook's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(completes_the_smallest),
                                       cmocka_unit_test(keeps_the_amounts_that_are_named),
                                       cmocka_unit_test(resolves_images), cmocka_unit_test(refuses_by_path),
                                       cmocka_unit_test(keeps_service_names_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
