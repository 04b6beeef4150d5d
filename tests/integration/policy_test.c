/* Is the snapshot in force what PostgreSQL says, on every replica, in time, and never longer than allowed? */
#include "tests/integration/people.h"

#include <time.h>

static struct people people, replica;

static void changed(void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
}

static bool wait_until(bool (*holds)(void *), void *context, int64_t *ret_took_ms)
{
    int64_t before_ms = clock_monotonic_ms();
    while (!holds(context) && clock_monotonic_ms() - before_ms < PATIENCE_MS)
        clock_sleep_ms(1);
    if (ret_took_ms)
        *ret_took_ms = clock_monotonic_ms() - before_ms;
    return holds(context);
}

struct count {
    _Atomic int *changes;
    int before;
};

static bool counted(void *context)
{
    const struct count *count = context;
    return atomic_load(count->changes) > count->before;
}

struct question {
    struct auth *auth;
    struct identity identity;
    const char *namespace;
    bool wanted;
};

static bool answered(void *context)
{
    const struct question *q = context;
    return people_decide(q->auth, &q->identity, q->namespace, "Notebook", "nb1", VERB_CONNECT).allowed == q->wanted;
}

static bool valid(void *context)
{
    const struct question *q = context;
    const struct policy *policy = policy_take(q->auth);
    bool is = policy_still_valid(policy, &q->identity);
    policy_release(policy);
    return is == q->wanted;
}

static int64_t share(const char *profile, const char *email, enum role role, int64_t expires_ms)
{
    struct error error = {0};
    const struct identity by = {.kind = IDENTITY_LOCAL};
    AUTO_JSON cJSON *made = NULL;
    int64_t id = 0;
    if (auth_grant_add(people.auth, profile, "User", email, role, NULL, NULL, expires_ms, &by, &made, &error) != 0)
        fail_msg("%s", error.message);
    json_i64(json_member(made, "id"), &id);
    return id;
}

static void revocation_reaches_the_other_replica(void **state)
{
    (void)state;
    struct error error = {0};
    static _Atomic int changes;
    auth_on_change(replica.auth, changed, &changes);
    people_join(people.auth, "owner@example.com");
    assert_int_equal(auth_profile_claim(people.auth, "shared", "owner@example.com", true, &error), 0);
    struct auth_session guest = people_join(people.auth, "guest@example.com");
    struct question there = {replica.auth, guest.identity, "shared", true};
    int64_t took_ms, worst_ms = 0;
    for (int i = 0; i < 20; i++) {
        int before = atomic_load(&changes);
        int64_t id = share("shared", "guest@example.com", ROLE_EDITOR, 0);
        there.wanted = true;
        assert_true(wait_until(answered, &there, NULL));
        assert_int_equal(auth_grant_remove(people.auth, "shared", id, &error), 0);
        assert_false(people_decide(people.auth, &guest.identity, "shared", "Notebook", "nb1", VERB_CONNECT).allowed);
        there.wanted = false;
        assert_true(wait_until(answered, &there, &took_ms));
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        /* Those are told who hold connections, a moment after whoever asks sees it. */
        assert_true(wait_until(counted, &(struct count){&changes, before}, NULL));
    }
    print_message("revocation on the other replica: at most %lld ms\n", (long long)worst_ms);
    there.wanted = true;
    assert_true(wait_until(valid, &there, NULL));
    assert_int_equal(auth_sign_out(people.auth, &guest.identity, &error), 0);
    there.wanted = false;
    assert_true(wait_until(valid, &there, NULL));
}

static void expiry_needs_nobody(void **state)
{
    (void)state;
    static _Atomic int changes;
    auth_on_change(people.auth, changed, &changes);
    struct auth_session guest = people_join(people.auth, "brief@example.com");
    struct question here = {people.auth, guest.identity, "shared", true};
    struct count told = {&changes, 0};
    int64_t expires_ms = 0, asked_ms = 0;
    for (int64_t lasts_ms = 400; !asked_ms; lasts_ms *= 2) { /* longer, where it has gone by before anybody asks */
        told.before = atomic_load(&changes) + 1;             /* but for the grant itself */
        expires_ms = clock_wall_ms() + lasts_ms;
        share("shared", "brief@example.com", ROLE_EDITOR, expires_ms);
        if (answered(&here))
            asked_ms = expires_ms - 1;
        else
            assert_true(clock_wall_ms() >= expires_ms);
    }
    here.wanted = false;
    for (; !answered(&here); clock_sleep_ms(1)) {
        assert_true(asked_ms < expires_ms);
        asked_ms = clock_wall_ms();
    }
    assert_true(clock_wall_ms() >= expires_ms);
    assert_true(wait_until(counted, &told, NULL)); /* so that open connections are looked at again */
}

static void changes_from_outside_are_seen(void **state)
{
    (void)state;
    struct auth_session guest = people_join(people.auth, "outside@example.com");
    struct question here = {people.auth, guest.identity, "shared", true};
    people_sql(&people, "INSERT INTO grants(profile, subject_kind, subject_name, role, created_by, created_ms)"
                        " VALUES ('shared', 'User', 'outside@example.com', 'editor', 'psql', 1)");
    assert_true(wait_until(answered, &here, NULL));
    people_sql(&people, "UPDATE users SET disabled = true WHERE email = 'outside@example.com'");
    here.wanted = false;
    assert_true(wait_until(answered, &here, NULL));
}

static void what_is_seen_is_written_without_a_new_snapshot(void **state)
{
    (void)state;
    struct identity identity;
    struct auth_session guest = people_join(people.auth, "seen@example.com");
    people_sql(&people, "UPDATE sessions SET last_seen_ms = last_seen_ms - 3600000 WHERE user_id ="
                        " (SELECT id FROM users WHERE email = 'seen@example.com')");
    people_sql(&people, "UPDATE users SET platform_admin = false"); /* any change: the hour-old time is loaded */
    upkeep_purge(people.auth);                                      /* what earlier tests left */
    assert_int_equal(auth_refresh(people.auth, NULL), 0);
    assert_true(people_identify(people.auth, guest.secret, "", "", &identity));
    const struct policy *policy = policy_take(people.auth);
    uint64_t generation = policy_generation(policy);
    upkeep_seen(people.auth, policy);
    upkeep_purge(people.auth);
    policy_release(policy);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM sessions s JOIN users u ON u.id = s.user_id"
                                            " WHERE email = 'seen@example.com'"
                                            " AND last_seen_ms > extract(epoch FROM now()) * 1000 - 60000"),
                     1);
    assert_int_equal(auth_refresh(people.auth, NULL), 0);
    policy = policy_take(people.auth);
    assert_true(policy_generation(policy) == generation);
    policy_release(policy);
}

static void the_past_is_purged(void **state)
{
    (void)state;
    people_join(people.auth, "past@example.com");
    people_sql(&people, "UPDATE sessions SET expires_ms = 1 WHERE user_id ="
                        " (SELECT id FROM users WHERE email = 'past@example.com')");
    people_sql(&people,
               "INSERT INTO grants(profile, subject_kind, subject_name, role, created_by, created_ms, expires_ms)"
               " VALUES ('shared', 'User', 'past@example.com', 'editor', 'psql', 1, 2)");
    upkeep_purge(people.auth);
    assert_int_equal(people_number(&people, "SELECT (SELECT count(*) FROM sessions WHERE expires_ms = 1) +"
                                            " (SELECT count(*) FROM grants WHERE expires_ms = 2) AS n"),
                     0);
}

/* A snapshot that somebody holds stays as it was, whatever happens meanwhile. */
static void a_held_snapshot_does_not_change(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session guest = people_join(people.auth, "held@example.com");
    int64_t id = share("shared", "held@example.com", ROLE_EDITOR, 0);
    const struct access access = {.namespace = "shared", .kind = "Notebook", .name = "nb1", .verb = VERB_CONNECT};
    const struct policy *before = policy_take(people.auth);
    assert_true(policy_decide(before, &guest.identity, &access).allowed);
    assert_int_equal(auth_grant_remove(people.auth, "shared", id, &error), 0);
    for (int i = 0; i < 5; i++)
        share("shared", "held@example.com", i % 2 ? ROLE_VIEWER : ROLE_ADMIN, 0);
    assert_true(policy_decide(before, &guest.identity, &access).allowed);
    const struct policy *after = policy_take(people.auth);
    assert_true(policy_generation(after) > policy_generation(before));
    policy_release(after);
    policy_release(before);
}

static _Atomic bool stop;

static void *reader(void *argument)
{
    const struct question *q = argument;
    uint64_t last = 0, reads = 0;
    while (!atomic_load(&stop) || reads <= 100) {
        const struct policy *policy = policy_take(q->auth);
        uint64_t generation = policy_generation(policy);
        if (generation < last)
            return "generations went backwards";
        last = generation;
        /* The owner never loses the profile, in no snapshot. */
        if (!policy_decide(policy, &q->identity, &(struct access){.namespace = q->namespace, .verb = VERB_TRANSFER})
                 .allowed)
            return "the owner was refused";
        policy_release(policy);
        reads++;
    }
    return NULL;
}

static void *writer(void *argument)
{
    const struct identity by = {.kind = IDENTITY_LOCAL};
    for (int i = 0; i < 25; i++) {
        struct error error = {0};
        AUTO_JSON cJSON *made = NULL;
        int64_t id = 0;
        if (auth_grant_add(people.auth, "busy", "User", argument, ROLE_VIEWER, NULL, NULL, 0, &by, &made, &error) != 0)
            return memory_text(error.message);
        json_i64(json_member(made, "id"), &id);
        if (auth_grant_remove(people.auth, "busy", id, &error) != 0)
            return memory_text(error.message);
    }
    return NULL;
}

static void readers_and_writers_at_once(void **state)
{
    (void)state;
    struct error error = {0};
    static char *const emails[] = {"w1@example.com", "w2@example.com", "w3@example.com"};
    struct auth_session owner = people_join(people.auth, "busy@example.com");
    assert_int_equal(auth_profile_claim(people.auth, "busy", "busy@example.com", true, &error), 0);
    struct question here = {people.auth, owner.identity, "busy", true};
    pthread_t readers[3], writers[3];
    void *failure = NULL;
    atomic_store(&stop, false);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        pthread_create(&readers[i], NULL, reader, &here);
    for (size_t i = 0; i < COUNT_OF(writers); i++)
        pthread_create(&writers[i], NULL, writer, emails[i]);
    for (size_t i = 0; i < COUNT_OF(writers); i++) {
        pthread_join(writers[i], &failure);
        if (failure)
            fail_msg("%s", (char *)failure);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        pthread_join(readers[i], &failure);
        if (failure)
            fail_msg("%s", (char *)failure);
    }
    unsigned slots = 0;
    for (const struct policy *slot = people.auth->slots; slot; slot = slot->next)
        slots++;
    assert_in_range(slots, 2, 16); /* retired snapshots are used again */
}

struct freshness {
    struct auth *auth;
    int64_t until_ms;
};

static bool is_fresher(void *context)
{
    const struct freshness *known = context;
    return atomic_load(&known->auth->fresh_until_ms) > known->until_ms;
}

/* Decisions go on for max_stale with the database gone; then everything is refused; and back again without help. */
static void an_outage_fails_closed_in_time(void **state)
{
    (void)state;
    enum { STALE_MS = 5000 };
    struct people brief = people_on(memory_text(people.url), STALE_MS);
    struct auth_session owner = people_join(brief.auth, "outage@example.com");
    struct error error = {0};
    assert_int_equal(auth_profile_claim(brief.auth, "outage", "outage@example.com", true, &error), 0);
    struct question here = {brief.auth, owner.identity, "outage", true};
    for (int polls = 0; polls < 3; polls++) { /* keep it fresh */
        struct freshness known = {brief.auth, atomic_load(&brief.auth->fresh_until_ms)};
        assert_true(wait_until(is_fresher, &known, NULL));
    }
    assert_true(answered(&here));
    postgres_kill();
    int64_t killed_ms = clock_monotonic_ms(), asked_ms = killed_ms, took_ms;
    int64_t until_ms = atomic_load(&brief.auth->fresh_until_ms);
    assert_in_range(until_ms, killed_ms + 1, killed_ms + STALE_MS);
    assert_true(auth_ready(brief.auth));
    here.wanted = false;
    for (; !answered(&here); clock_sleep_ms(1)) {
        assert_true(asked_ms < until_ms);
        asked_ms = clock_monotonic_ms();
    }
    assert_true(clock_monotonic_ms() >= until_ms);
    assert_false(auth_ready(brief.auth));
    assert_true(valid(&here)); /* open connections are to be closed */
    const struct identity local = {.kind = IDENTITY_LOCAL};
    assert_false(people_decide(brief.auth, &local, "outage", NULL, NULL, VERB_GET).allowed);
    postgres_start();
    here.wanted = true;
    assert_true(wait_until(answered, &here, &took_ms));
    assert_true(auth_ready(brief.auth));
    print_message("back after %lld ms\n", (long long)took_ms);
    people_free(&brief);
}

static void starts_without_a_database(void **state)
{
    (void)state;
    struct people late = {.url = memory_text(people.url)};
    struct error error = {0};
    postgres_kill();
    assert_int_equal(store_new(&(struct store_options){late.url, 2}, &late.store, &error), 0);
    const struct auth_options options = {.store = late.store,
                                         .admin_email = "root@example.com",
                                         .max_stale_ms = 60000,
                                         .session_ttl_ms = 3600000,
                                         .profiles_per_user = 1};
    assert_int_equal(auth_new(&options, &late.auth, &error), 0);
    clock_sleep_ms(200);
    assert_false(auth_ready(late.auth));
    const struct policy *empty = policy_take(late.auth);
    assert_non_null(empty);
    assert_int_equal(policy_generation(empty), 0);
    policy_release(empty);
    postgres_start();
    assert_true(people_wait_ready(late.auth, true, PATIENCE_MS));
    people_free(&late);
}

static void loads_many_quickly(void **state)
{
    (void)state;
    struct error error = {0};
    people_sql(&people, "INSERT INTO users(email, created_ms) SELECT 'many' || n || '@example.com', 1"
                        " FROM generate_series(1, 5000) n");
    people_sql(&people, "INSERT INTO profiles_owners SELECT 'many-' || n, (SELECT min(id) FROM users), 1"
                        " FROM generate_series(1, 1000) n");
    people_sql(&people,
               "INSERT INTO grants(profile, subject_kind, subject_name, role, created_by, created_ms)"
               " SELECT 'many-' || p, 'User', 'many' || (p * 5 + g) % 5000 + 1 || '@example.com', 'editor', 'x', 1"
               " FROM generate_series(1, 1000) p, generate_series(1, 10) g");
    people_sql(&people,
               "INSERT INTO sessions(user_id, secret_sha256, created_ms, expires_ms, last_seen_ms)"
               " SELECT id, lpad(id::text, 64, '0'), 1, 9999999999999, (extract(epoch FROM now()) * 1000)::bigint"
               " FROM users WHERE email LIKE 'many%'");
    assert_int_equal(auth_refresh(people.auth, &error), 0);
    people_sql(&people, "UPDATE users SET platform_admin = false WHERE email = 'many1@example.com'");
    int64_t before_ms = clock_monotonic_ms();
    clock_t worked = clock(); /* what others do on this machine is none of its time */
    assert_int_equal(auth_refresh(people.auth, &error), 0);
    worked = clock() - worked;
    print_message("snapshot of 5,000 users and sessions, 10,000 grants: %lld ms\n",
                  (long long)(clock_monotonic_ms() - before_ms));
    assert_true(worked < 3 * CLOCKS_PER_SEC);
}

static int setup(void **state)
{
    (void)state;
    people = people_new("policy");
    replica = people_on(memory_text(people.url), 300000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    people_free(&replica);
    people_free(&people);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revocation_reaches_the_other_replica),
        cmocka_unit_test(expiry_needs_nobody),
        cmocka_unit_test(changes_from_outside_are_seen),
        cmocka_unit_test(what_is_seen_is_written_without_a_new_snapshot),
        cmocka_unit_test(the_past_is_purged),
        cmocka_unit_test(a_held_snapshot_does_not_change),
        cmocka_unit_test(readers_and_writers_at_once),
        cmocka_unit_test(an_outage_fails_closed_in_time),
        cmocka_unit_test(starts_without_a_database),
        cmocka_unit_test(loads_many_quickly),
    };
    return cmocka_run_group_tests_name("integration/policy", tests, setup, teardown);
}
