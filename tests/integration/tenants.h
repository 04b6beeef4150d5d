/*
 * What the tests of tenancy and notebooks share: a migrated database, accounts in it, an engine, and short ways to put,
 * change, read and await its objects, as kubectl would.
 */
#ifndef ATELIER_TESTS_TENANTS_H
#define ATELIER_TESTS_TENANTS_H

#include "tests/integration/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "store/store.h"

#define ALICE "alice@example.com"
#define BOB "bob@example.com"
#define PATIENCE_MS 90000

static struct store *store;
static struct auth *auth;
static struct engine *engine; /* the test makes and frees it */

/* A call that takes &error and does not fail. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        int r_ = (call);                                                                                               \
        if (r_ < 0)                                                                                                    \
            fail_msg("%s: %d %s %s", #call, r_, error.field, error.message);                                           \
    } while (0)

static inline void make_user(const char *email)
{
    char link[64];
    AUTO_JSON cJSON *user = NULL;
    OK(auth_user_create(auth, email, false, link, &user, &error));
}

/* ALICE and BOB are in it, in this order. */
static inline void tenants_begin(const char *database, unsigned profiles_per_user)
{
    AUTO_FREE char *url = postgres_database(database);
    OK(store_new(&(struct store_options){url, 8}, &store, &error));
    OK(store_wait(store, PATIENCE_MS, &error));
    OK(store_migrate(store, &error));
    OK(auth_new(&(struct auth_options){.store = store,
                                       .admin_email = "admin@example.com",
                                       .max_stale_ms = 300000,
                                       .session_ttl_ms = 3600000,
                                       .profiles_per_user = profiles_per_user},
                &auth, &error));
    make_user(ALICE);
    make_user(BOB);
}

static inline void tenants_end(void)
{
    auth_free(auth);
    store_free(store);
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static inline cJSON *parsed(const char *text)
{
    cJSON *value = NULL;
    OK(json_parse(slice_of(text), &json_limits_default, &value, &error));
    return value;
}

static inline void put(enum engine_kind kind, const char *namespace, const char *text)
{
    AUTO_JSON cJSON *object = parsed(text);
    OK(engine_create(engine, kind, namespace, object, NULL, &error));
}

/* Past this platform, as GitOps would. <annotations>: a JSON object. */
static inline void put_profile(const char *name, const char *owner, const char *annotations)
{
    AUTO_FREE char *text = memory_format("{\"apiVersion\":\"kubeflow.org/v1\",\"kind\":\"Profile\",\"metadata\":{"
                                         "\"name\":\"%s\",\"annotations\":%s},"
                                         "\"spec\":{\"owner\":{\"kind\":\"User\",\"name\":\"%s\"}}}",
                                         name, annotations, owner);
    put(KIND_PROFILE, NULL, text);
}

static inline void merge(enum engine_kind kind, const char *namespace, const char *name, const char *text)
{
    AUTO_JSON cJSON *patch = parsed(text);
    OK(engine_patch(engine, kind, namespace, name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, &error));
}

static inline void delete (enum engine_kind kind, const char *namespace, const char *name)
{
    OK(engine_delete(engine, kind, namespace, name, NULL, &error));
}

/* NULL: it is not there. */
static inline cJSON *get(enum engine_kind kind, const char *namespace, const char *name)
{
    cJSON *object = NULL;
    struct error error = {0};
    int r = engine_get(engine, kind, namespace, name, &object, &error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        fail_msg("get %s: %s", name, error.message);
    return object;
}

/* Waits until the object's text contains <wanted> (NULL: until it is gone); returns how long it took. */
static inline int64_t wait_for(enum engine_kind kind, const char *namespace, const char *name, const char *wanted)
{
    int64_t since = clock_monotonic_ms();
    for (;;) {
        AUTO_JSON cJSON *object = get(kind, namespace, name);
        AUTO_FREE char *text = json_print(object);
        if (wanted ? object && strstr(text, wanted) : !object)
            return clock_monotonic_ms() - since;
        if (clock_monotonic_ms() - since > PATIENCE_MS)
            fail_msg("%s %s does not become %s: %s", engine_kinds[kind].kind, name, wanted ? wanted : "absent", text);
        clock_sleep_ms(10);
    }
}

#endif
