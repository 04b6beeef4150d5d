/* Whom does a profile's AuthorizationPolicy let in, by where KubeRay's operator runs? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/engine_internal.h"
#include "tenancy/internal.h"
#include "tests/unit/documents.h"

static struct {
    struct engine base;
    bool away;
    const char *namespaces; /* object: the labels of each namespace that there is */
    cJSON *applied;
} fake;

static bool fake_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    return kind == KIND_AUTHORIZATIONPOLICY;
}

static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    (void)engine, (void)namespace;
    assert_int_equal(kind, KIND_NAMESPACE);
    if (fake.away)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "away");
    AUTO_JSON cJSON *all = from_json(fake.namespaces);
    const cJSON *labels = json_member(all, name);
    if (!labels)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no namespace \"%s\"", name);
    *ret = json_object();
    json_set(json_object_in(*ret, "metadata"), "labels", json_copy(labels));
    return 0;
}

static int fake_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                      bool *ret_written, struct error *error)
{
    (void)engine, (void)ret_written, (void)error;
    assert_int_equal(kind, KIND_AUTHORIZATIONPOLICY);
    assert_string_equal(namespace, "alice");
    fake.applied = json_copy(wanted);
    return 0;
}

static const struct engine_operations operations = {.has = fake_has, .get = fake_get, .apply = fake_apply};

/* The policy's rules, as text; NULL: it was not written, and the pass failed. */
static char *rules_of(const char *operator_namespaces)
{
    struct tenancy tenancy = {.engine = &fake.base};
    const struct tenancy_options options = {.engine = &fake.base, .ray_operator_namespaces = operator_namespaces};
    AUTO_JSON cJSON *object = json_object();
    struct pass pass = {.tenancy = &tenancy, .name = "alice", .profile = object};
    struct error error = {0};
    fake.base.operations = &operations;
    fake.applied = NULL;
    assert_int_equal(settings_read(&options, &tenancy.settings, &error), 0);
    int r = pass_mesh(&pass, &error);
    settings_free(&tenancy.settings);
    assert_int_equal(r, fake.applied ? 0 : -ERROR_UNAVAILABLE);
    if (!fake.applied)
        return NULL;
    char *text = json_print(json_at(fake.applied, "spec", "rules", NULL));
    cJSON_Delete(fake.applied);
    return text;
}

#define OWN "{\"from\":[{\"source\":{\"namespaces\":[\"alice\",\"istio-system\",\"atelier-system\"]}}]}"
#define PORTS "\"to\":[{\"operation\":{\"ports\":[\"8265\",\"8000\",\"52365\"]}}]"
#define NAMED(names) "{\"source\":{\"namespaces\":[" names "]}}"
#define NAMELESS "{\"source\":{\"notPrincipals\":[\"*\"]}}"
#define ONE NAMED("\"kuberay-system\"")

static void the_operator_is_known_by_its_identity_if_it_has_one(void **state)
{
    (void)state;
    static const struct {
        const char *operator_namespaces, *namespaces, *sources;
    } cases[] = {
        {NULL, "{}", ONE}, /* not there yet */
        {NULL, "{\"kuberay-system\":{\"istio-injection\":\"enabled\"}}", ONE},
        {NULL, "{\"kuberay-system\":{\"istio.io/rev\":\"stable\"}}", ONE},
        {NULL, "{\"kuberay-system\":{\"istio.io/dataplane-mode\":\"ambient\"}}", ONE},
        {NULL, "{\"kuberay-system\":{\"istio.io/dataplane-mode\":\"none\"}}", ONE "," NAMELESS},
        {NULL, "{\"kuberay-system\":{\"istio-injection\":\"disabled\",\"istio.io/rev\":\"stable\"}}", ONE "," NAMELESS},
        {NULL, "{\"kuberay-system\":{}}", ONE "," NAMELESS},
        {"kube-system,ray", "{\"kube-system\":{},\"ray\":{\"istio-injection\":\"enabled\"}}",
         NAMED("\"kube-system\",\"ray\"") "," NAMELESS},
    };
    fake.away = false;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake.namespaces = cases[i].namespaces;
        AUTO_FREE char *text = rules_of(cases[i].operator_namespaces);
        AUTO_FREE char *wanted = memory_format("[" OWN ",{\"from\":[%s]," PORTS "}]", cases[i].sources);
        if (!text || strcmp(text, wanted) != 0)
            fail_msg("row %zu:\n%s\n%s", i, text, wanted);
    }
}

/* Else an operator would be shut out, or strangers let in, for as long as the API server is away. */
static void nothing_is_written_while_the_operator_s_namespace_cannot_be_read(void **state)
{
    (void)state;
    fake.away = true;
    assert_null(rules_of(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operator_is_known_by_its_identity_if_it_has_one),
        cmocka_unit_test(nothing_is_written_while_the_operator_s_namespace_cannot_be_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
