/* Which objects does a file hold, and is a wrong one refused with its place? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli/manifest.h"

static int read_text(const char *text, cJSON **ret, struct error *error)
{
    char path[] = "/tmp/atelier-manifest-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int failed = manifest_read_all(path, ret, error);
    unlink(path);
    return failed;
}

static void counts(void **state)
{
    static const struct {
        const char *text;
        int count;
    } cases[] = {
        {"kind: A\n", 1},
        {"kind: A\n---\nkind: B\n", 2},
        {"---\nkind: A\n---\n---\nkind: B\n", 2},
        {"{\"kind\":\"A\"}", 1},
        {"  \n{\"kind\":\"A\"}\n", 1},
        {"{\"kind\":\"PodList\",\"items\":[{\"kind\":\"Pod\"},{\"kind\":\"Pod\"}]}", 2},
        {"kind: List\nitems:\n- kind: A\n- kind: B\n---\nkind: C\n", 3},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *array = NULL;
        struct error error = {0};
        if (read_text(cases[i].text, &array, &error))
            fail_msg("case %zu: %s", i, error.message);
        assert_int_equal(cJSON_GetArraySize(array), cases[i].count);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "", "---\n", "a: [", "{\"a\":1,\"a\":2}", "a: &x 1\nb: *x\n", "{\"kind\":\"List\",\"items\":[]}"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cJSON *array = NULL;
        struct error error = {0};
        assert_true(read_text(cases[i], &array, &error) < 0);
        assert_null(array);
        assert_true(error.message[0]);
    }
    cJSON *array = NULL;
    struct error error = {0};
    assert_true(manifest_read_all("/nonexistent.yaml", &array, &error) < 0);
    assert_non_null(strstr(error.message, "/nonexistent.yaml"));
}

static void targets(void **state)
{
    static const struct {
        const char *json, *field;
    } bad[] = {
        {"{}", "apiVersion"},
        {"{\"apiVersion\":\"v1\"}", "kind"},
        {"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\"}}", "kind"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}", "metadata.name"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"A/b\"}}", "metadata.name"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"namespace\":\"bob\"}}",
         "metadata.namespace"},
    };
    const char *const texts[] = {"atelier", "apply", "-n", "alice", "-f", "x"};
    struct call call;
    struct error error = {0};
    struct manifest target;
    (void)state;
    assert_int_equal(command_parse(COUNT_OF(texts), texts, &call, &error), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_JSON cJSON *object = NULL;
        assert_int_equal(json_parse(slice_of(bad[i].json), &json_limits_default, &object, NULL), 0);
        assert_true(manifest_target(&call, object, &target, &error) < 0);
        assert_string_equal(error.field, bad[i].field);
    }
    AUTO_JSON cJSON *pod = NULL;
    assert_int_equal(json_parse(SLICE("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}"),
                                &json_limits_default, &pod, NULL),
                     0);
    assert_int_equal(manifest_target(&call, pod, &target, &error), 0);
    assert_string_equal(target.namespace, "alice");
    assert_string_equal(target.resource->kind, "Pod");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(refuses), cmocka_unit_test(targets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
