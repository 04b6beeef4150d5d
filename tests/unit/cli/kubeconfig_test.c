/* Does a kubeconfig say where, as whom and in which profile? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/kubeconfig.h"

static cJSON *make(const char *profiles, const char *namespace, const char *ca)
{
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(json_parse(slice_of(profiles), &json_limits_default, &list, NULL), 0);
    struct kubeconfig config = {.server = "https://ml.example.com:8443",
                                .host = "ml.example.com:8443",
                                .ca = slice_of(ca),
                                .token = "secret",
                                .user = "alice@example.com",
                                .namespace = namespace,
                                .profiles = list};
    return kubeconfig_make(&config);
}

static void a_context_a_profile(void **state)
{
    (void)state;
    AUTO_JSON cJSON *config = make("[{\"name\":\"alice\"},{\"name\":\"bob\"}]", NULL, "PEM");
    AUTO_JSON cJSON *expected = NULL;
    assert_int_equal(
        json_parse(SLICE("{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"current-context\":\"alice@ml.example.com:8443\","
                         "\"clusters\":[{\"name\":\"ml.example.com:8443\",\"cluster\":{"
                         "\"server\":\"https://ml.example.com:8443\",\"certificate-authority-data\":\"UEVN\"}}],"
                         "\"users\":[{\"name\":\"alice@example.com\",\"user\":{\"token\":\"secret\"}}],\"contexts\":["
                         "{\"name\":\"alice@ml.example.com:8443\",\"context\":{\"cluster\":\"ml.example.com:8443\","
                         "\"user\":\"alice@example.com\",\"namespace\":\"alice\"}},"
                         "{\"name\":\"bob@ml.example.com:8443\",\"context\":{\"cluster\":\"ml.example.com:8443\","
                         "\"user\":\"alice@example.com\",\"namespace\":\"bob\"}}]}"),
                   &json_limits_default, &expected, NULL),
        0);
    assert_true(json_equal(config, expected));
}

/* Whoever may use a profile without being in it (a platform admin) names it. */
static void the_wanted_profile_is_the_current_one(void **state)
{
    (void)state;
    AUTO_JSON cJSON *other = make("[{\"name\":\"alice\"},{\"name\":\"bob\"}]", "bob", "");
    assert_string_equal(json_text(other, "current-context", NULL), "bob@ml.example.com:8443");
    assert_int_equal(cJSON_GetArraySize(json_member(other, "contexts")), 2);
    AUTO_JSON cJSON *foreign = make("[{\"name\":\"alice\"}]", "carol", "");
    assert_string_equal(json_text(foreign, "current-context", NULL), "carol@ml.example.com:8443");
    assert_int_equal(cJSON_GetArraySize(json_member(foreign, "contexts")), 2);
    AUTO_JSON cJSON *none = make("[]", NULL, "");
    assert_string_equal(json_text(none, "current-context", NULL), "ml.example.com:8443");
    const cJSON *context = cJSON_GetArrayItem(json_member(none, "contexts"), 0);
    assert_null(json_text(context, "context", "namespace", NULL));
    const cJSON *cluster = cJSON_GetArrayItem(json_member(none, "clusters"), 0);
    assert_null(json_text(cluster, "cluster", "certificate-authority-data", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_a_profile),
        cmocka_unit_test(the_wanted_profile_is_the_current_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
