/* A list shows what reading each thing would give, whatever was granted (attacks 47), over random grants and objects.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/internal.h"
#include "base/clock.h"
#include "controlplane/visible.h"

#define HOUR 3600000LL

static _Atomic int64_t fresh_until_ms;
static const char *const namespaces[] = {"alice", "alice-2", "bob"};
static const char *const names[] = {"a", "b", "ab"};
static const enum engine_kind kinds[] = {KIND_NOTEBOOK,  KIND_RAYCLUSTER, KIND_POD,   KIND_SERVICE, KIND_EVENT,
                                         KIND_CONFIGMAP, KIND_SECRET,     KIND_CLAIM, KIND_PROFILE, KIND_NAMESPACE};

static uint64_t seed = 88172645463325252u; /* xorshift64: the same run every time */
static size_t pick(size_t count)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % count);
}

static void build_policy(struct policy *policy)
{
    *policy = (struct policy){.fresh_until_ms = &fresh_until_ms};
    atomic_store(&fresh_until_ms, clock_monotonic_ms() + HOUR);
    snapshot_start(policy, clock_wall_ms(), HOUR);
    snapshot_add_user(policy, 1, "owner@example.com", false, false, true);
    snapshot_add_user(policy, 2, "carol@example.com", false, false, true);
    snapshot_add_token(policy, 7, 2, "000000000000000000000000000000000000000000000000000000000000000f", INT64_MAX, 0,
                       NULL);
    for (size_t i = 0; i < COUNT_OF(namespaces); i++)
        snapshot_add_profile(policy, namespaces[i], 1);
    for (size_t i = pick(4); i > 0; i--) {
        enum role role = ROLE_VIEWER + (enum role)pick(3);
        const char *namespace = namespaces[pick(COUNT_OF(namespaces))];
        bool whole = pick(3) == 0;
        snapshot_add_grant(policy, namespace, "User", "carol@example.com", role,
                           whole     ? NULL
                           : pick(2) ? "Notebook"
                                     : "RayCluster",
                           whole ? NULL : names[pick(COUNT_OF(names))], INT64_MAX);
    }
    snapshot_finish(policy, NULL);
}

static cJSON *random_object(enum engine_kind kind)
{
    cJSON *object = json_object(), *metadata = json_object_in(object, "metadata");
    const char *namespace = namespaces[pick(COUNT_OF(namespaces))];
    json_set_text(metadata, "name", engine_kinds[kind].namespaced ? names[pick(COUNT_OF(names))] : namespace);
    if (engine_kinds[kind].namespaced)
        json_set_text(metadata, "namespace", namespace);
    if (pick(2)) {
        cJSON *owner = json_push(json_set(metadata, "ownerReferences", json_array()), json_object());
        json_set_text(owner, "kind", pick(2) ? "Notebook" : "RayCluster");
        json_set_text(owner, "name", names[pick(COUNT_OF(names))]);
        json_set_bool(owner, "controller", true);
    }
    return object;
}

static void a_list_is_what_reading_gives(void **state)
{
    (void)state;
    const struct identity carol = {
        .kind = IDENTITY_TOKEN, .user_id = 2, .credential_id = 7, .email = "carol@example.com"};
    size_t shown = 0, hidden = 0;
    for (int round = 0; round < 300; round++) {
        struct policy policy;
        build_policy(&policy);
        enum engine_kind kind = kinds[pick(COUNT_OF(kinds))];
        AUTO_JSON cJSON *items = json_array(), *wanted = json_array();
        for (size_t i = pick(12); i > 0; i--) {
            cJSON *object = json_push(items, random_object(kind));
            if (visible_decide(&policy, &carol, kind, object, VERB_GET).allowed)
                json_push(wanted, json_copy(object));
            else
                hidden++;
        }
        shown += (size_t)cJSON_GetArraySize(wanted);
        visible_filter(&policy, &carol, kind, items);
        if (!json_equal(items, wanted))
            fail_msg("round %d", round);
        snapshot_clear(&policy);
    }
    assert_true(shown > 50 && hidden > 50); /* the rounds tell something */
}

static void secrets_are_about_themselves(void **state)
{
    (void)state;
    AUTO_JSON cJSON *secret = NULL, *pod = NULL, *profile = NULL;
    static const char owned[] = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"alice\",\"ownerReferences\":[{\"kind\":"
                                "\"Notebook\",\"name\":\"nb1\",\"controller\":true}]}}";
    struct access access;
    assert_int_equal(json_parse(slice_of(owned), &json_limits_default, &secret, NULL), 0);
    visible_access(KIND_SECRET, secret, VERB_GET, &access);
    assert_string_equal(access.kind, "Secret");
    assert_string_equal(access.name, "x");
    assert_int_equal(json_parse(slice_of(owned), &json_limits_default, &pod, NULL), 0);
    visible_access(KIND_POD, pod, VERB_LOG, &access);
    assert_string_equal(access.kind, "Notebook");
    assert_string_equal(access.name, "nb1");
    assert_int_equal(json_parse(SLICE("{\"metadata\":{\"name\":\"alice\"}}"), &json_limits_default, &profile, NULL), 0);
    visible_access(KIND_PROFILE, profile, VERB_GET, &access);
    assert_string_equal(access.namespace, "alice");
    assert_string_equal(access.kind, "Profile");
}

static void what_has_no_name_is_hidden(void **state)
{
    (void)state;
    struct policy policy;
    const struct identity local = {.kind = IDENTITY_LOCAL, .platform_admin = true};
    build_policy(&policy);
    AUTO_JSON cJSON *empty = json_object();
    assert_false(visible_decide(&policy, &local, KIND_POD, empty, VERB_GET).allowed);
    snapshot_clear(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_what_reading_gives),
        cmocka_unit_test(secrets_are_about_themselves),
        cmocka_unit_test(what_has_no_name_is_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
