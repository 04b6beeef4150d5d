/* In which order are kinds watched, so that of what belongs to something each change, and only that, is told? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "engine/engine_internal.h"
#include "tenancy/follow.h"

enum { OPENED_MAX = 32 };

/* --- an engine that says what is watched ---------------------------------------------------------------------------
 */

static struct {
    struct engine base;
    pthread_mutex_t lock; /* guards the rest */
    struct {
        enum engine_kind kind;
        const void *others_than;
        engine_watcher watcher;
        void *context;
    } opened[OPENED_MAX];
    size_t count;
    unsigned failures; /* so many watches of Services fail next */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    return kind != KIND_RAYCLUSTER;
}

static int watch_open(struct engine *engine, enum engine_kind kind, const char *namespace,
                      const struct engine_list_options *options, const char *version, engine_watcher watcher,
                      void *context, struct engine_watch **ret, struct error *error)
{
    (void)namespace;
    assert_null(version);
    if (kind == KIND_SERVICE)
        clock_sleep_ms(50); /* the others do not wait for it, but the first kind does */
    pthread_mutex_lock(&fake.lock);
    bool fails = kind == KIND_SERVICE && fake.failures > 0;
    fake.failures -= fails;
    if (!fails) {
        assert_true(fake.count < OPENED_MAX);
        fake.opened[fake.count].kind = kind;
        fake.opened[fake.count].others_than = options->others_than;
        fake.opened[fake.count].watcher = watcher;
        fake.opened[fake.count++].context = context;
    }
    pthread_mutex_unlock(&fake.lock);
    if (fails)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "away");
    *ret = memory_get(sizeof(**ret));
    (*ret)->engine = engine;
    return 0;
}

static void watch_close(struct engine_watch *watch)
{
    free(watch);
}

static const struct engine_operations operations = {.has = has, .watch = watch_open, .unwatch = watch_close};

/* --- a room --------------------------------------------------------------------------------------------------------
 */

static struct follow *follow;
static struct queue *queue;

static int64_t handle(void *context, const char *key)
{
    int64_t result = 0;
    (void)context;
    (void)follow_handle(follow, key, &result);
    return result;
}

static void seen(void *context, enum engine_kind kind, const cJSON *object)
{
    (void)context;
    (void)kind;
    (void)object;
}

static void begin(bool owners)
{
    static const enum engine_kind kinds[] = {KIND_PROFILE, KIND_SERVICE, KIND_SECRET, KIND_RAYCLUSTER};
    fake.base.operations = &operations;
    fake.count = 0;
    queue = queue_new("follow-test", 4, handle, NULL);
    follow = follow_new(&fake.base, queue, kinds, COUNT_OF(kinds), seen, NULL);
    if (owners)
        follow_owners(follow);
    follow_start(follow);
}

static void end(void)
{
    queue_stop(queue);
    follow_free(follow);
    queue_free(queue);
}

/* Where <kind> was watched for the <nth> time, once it was; fails after some seconds. */
static size_t place_of(enum engine_kind kind, unsigned nth)
{
    for (int i = 0; i < 500; i++) {
        unsigned found = 0;
        pthread_mutex_lock(&fake.lock);
        for (size_t k = 0; k < fake.count; k++) {
            if (fake.opened[k].kind == kind && ++found == nth) {
                pthread_mutex_unlock(&fake.lock);
                return k;
            }
        }
        pthread_mutex_unlock(&fake.lock);
        clock_sleep_ms(10);
    }
    fail_msg("%s were not watched %u times", engine_kinds[kind].plural, nth);
    return 0;
}

static void the_first_kind_is_looked_at_when_changes_of_the_others_are_told(void **state)
{
    (void)state;
    begin(true);
    size_t profiles = place_of(KIND_PROFILE, 1), services = place_of(KIND_SERVICE, 1);
    assert_true(services < profiles && place_of(KIND_SECRET, 1) < profiles);
    assert_ptr_equal(fake.opened[services].others_than, follow);
    assert_null(fake.opened[profiles].others_than);
    end();
}

static void what_was_missed_is_found_with_its_owner(void **state)
{
    (void)state;
    begin(true);
    size_t services = place_of(KIND_SERVICE, 1);
    (void)place_of(KIND_PROFILE, 1);
    fake.opened[services].watcher(fake.opened[services].context, ENGINE_LOST, NULL);
    size_t again = place_of(KIND_SERVICE, 2);
    assert_ptr_equal(fake.opened[again].others_than, follow);
    if (place_of(KIND_PROFILE, 2) < again) /* looked at too early, it is looked at once more */
        assert_true(place_of(KIND_PROFILE, 3) > again);
    end();
}

/* Nothing waits for ever for a kind that cannot be watched yet. */
static void one_that_comes_late_is_made_up_for(void **state)
{
    (void)state;
    fake.failures = 1;
    begin(true);
    size_t profiles = place_of(KIND_PROFILE, 1), services = place_of(KIND_SERVICE, 1);
    assert_true(profiles < services);
    assert_true(place_of(KIND_PROFILE, 2) > services);
    end();
}

static void others_are_told_all_there_is(void **state)
{
    (void)state;
    begin(false);
    assert_null(fake.opened[place_of(KIND_SERVICE, 1)].others_than);
    (void)place_of(KIND_PROFILE, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_kind_is_looked_at_when_changes_of_the_others_are_told),
        cmocka_unit_test(what_was_missed_is_found_with_its_owner),
        cmocka_unit_test(one_that_comes_late_is_made_up_for),
        cmocka_unit_test(others_are_told_all_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
