/* What the tests of auth share: a migrated database, a running auth, and short ways to ask it. */
#ifndef ATELIER_TESTS_PEOPLE_H
#define ATELIER_TESTS_PEOPLE_H

#include "tests/integration/postgres.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth/internal.h"
#include "base/clock.h"

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { PATIENCE_MS = 60000 };

struct people {
    char *url;
    struct store *store;
    struct auth *auth;
};

static inline bool people_wait_ready(struct auth *auth, bool ready, int64_t ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + ms;
    while (auth_ready(auth) != ready && clock_monotonic_ms() < deadline_ms)
        clock_sleep_ms(5);
    return auth_ready(auth) == ready;
}

static inline void people_auth(struct people *people, int64_t max_stale_ms)
{
    struct error error = {0};
    const struct auth_options options = {.store = people->store,
                                         .admin_email = "Root@Example.com",
                                         .max_stale_ms = max_stale_ms,
                                         .session_ttl_ms = 30LL * 86400000,
                                         .profiles_per_user = 2};
    assert_int_equal(auth_new(&options, &people->auth, &error), 0);
    assert_true(people_wait_ready(people->auth, true, PATIENCE_MS));
}

static inline struct people people_on(char *url, int64_t max_stale_ms)
{
    struct people people = {.url = url};
    struct error error = {0};
    assert_int_equal(store_new(&(struct store_options){url, 6}, &people.store, &error), 0);
    assert_int_equal(store_wait(people.store, PATIENCE_MS, &error), 0);
    if (store_migrate(people.store, &error) != 0)
        fail_msg("%s", error.message);
    people_auth(&people, max_stale_ms);
    return people;
}

static inline struct people people_new(const char *database)
{
    return people_on(postgres_database(database), 300000);
}

static inline void people_free(struct people *people)
{
    auth_free(people->auth);
    store_free(people->store);
    free(people->url);
}

/* PostgreSQL cuts off the names of prepared statements, so a text that names itself goes by its digest. */
static inline int people_run(struct store_connection *c, const char *sql, PGresult **ret, struct error *error)
{
    char name[SHA256_HEX_SIZE];
    digest_sha256_hex(slice_of(sql), name);
    name[32] = '\0';
    return store_run(c, name, sql, NULL, 0, ret, error);
}

/* One statement as the operator would type it. */
static inline void people_sql(const struct people *people, const char *sql)
{
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    assert_int_equal(store_take(people->store, &c, &error), 0);
    if (people_run(c, sql, NULL, &error) != 0)
        fail_msg("%s: %s", sql, error.message);
}

static inline int64_t people_number(const struct people *people, const char *sql)
{
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    assert_int_equal(store_take(people->store, &c, &error), 0);
    if (people_run(c, sql, &rows, &error) != 0)
        fail_msg("%s: %s", sql, error.message);
    return store_number(rows, 0, PQfname(rows, 0));
}

static inline bool people_identify(struct auth *auth, const char *cookie, const char *bearer, const char *host,
                                   struct identity *ret)
{
    const struct policy *policy = policy_take(auth);
    const struct credentials credentials = {slice_of(cookie), slice_of(bearer), slice_of(host)};
    bool known = auth_identify(policy, &credentials, ret);
    policy_release(policy);
    return known;
}

static inline bool people_cookie(struct auth *auth, const char *secret)
{
    struct identity identity;
    return people_identify(auth, secret, "", "", &identity);
}

static inline struct decision people_decide(struct auth *auth, const struct identity *identity, const char *namespace,
                                            const char *kind, const char *name, enum verb verb)
{
    const struct policy *policy = policy_take(auth);
    struct decision decision = policy_decide(
        policy, identity, &(struct access){.namespace = namespace, .kind = kind, .name = name, .verb = verb});
    policy_release(policy);
    return decision;
}

/* An account, signed in by its invitation, without a password. */
static inline struct auth_session people_join(struct auth *auth, const char *email)
{
    struct error error = {0};
    struct auth_session session = {0};
    char code[64];
    if (auth_user_create(auth, email, false, code, NULL, &error) != 0)
        fail_msg("%s: %s", email, error.message);
    assert_int_equal(auth_sign_in_link(auth, slice_of(code), "127.0.0.1", &session, &error), 0);
    return session;
}

#endif
