/* The reconcile queue: never twice at a time, never forgotten, fair, and patient with what fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/text.h"

#define RUNS_MAX 100000

/* What the handler saw and what it should do; guarded by its lock. */
struct script {
    pthread_mutex_t lock;
    struct {
        char key[32];
        int64_t at_ms;
    } runs[RUNS_MAX];
    size_t count;
    int64_t results[16]; /* returned in order, then the last one for ever */
    size_t result_count;
    int64_t duration_ms;
    _Atomic int running[64], most_at_once, all_running, most_running;
    _Atomic bool blocked;
};

static struct script script;

static void reset(void)
{
    memset(&script, 0, sizeof(script));
    pthread_mutex_init(&script.lock, NULL);
}

static void raise_to(_Atomic int *most, int value)
{
    int seen = atomic_load(most);
    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value))
        ;
}

static int64_t handle(void *context, const char *key)
{
    struct script *at = context;
    size_t slot = (size_t)(unsigned char)key[strlen(key) - 1] % 64;
    raise_to(&at->most_at_once, atomic_fetch_add(&at->running[slot], 1) + 1);
    raise_to(&at->most_running, atomic_fetch_add(&at->all_running, 1) + 1);
    pthread_mutex_lock(&at->lock);
    size_t n = at->count++;
    snprintf(at->runs[n % RUNS_MAX].key, sizeof(at->runs[0].key), "%s", key);
    at->runs[n % RUNS_MAX].at_ms = clock_monotonic_ms();
    size_t turn = n < at->result_count ? n : at->result_count ? at->result_count - 1 : 0;
    int64_t result = at->results[turn];
    pthread_mutex_unlock(&at->lock);
    clock_sleep_ms(at->duration_ms);
    while (atomic_load(&at->blocked))
        clock_sleep_ms(1);
    atomic_fetch_sub(&at->all_running, 1);
    atomic_fetch_sub(&at->running[slot], 1);
    return result;
}

static size_t runs(void)
{
    pthread_mutex_lock(&script.lock);
    size_t count = script.count;
    pthread_mutex_unlock(&script.lock);
    return count;
}

static void wait_for_runs(size_t count)
{
    for (int i = 0; i < 10000 && runs() < count; i++)
        clock_sleep_ms(2);
    assert_true(runs() >= count);
}

static void end(struct queue *queue)
{
    queue_stop(queue);
    queue_stop(queue); /* twice is harmless */
    queue_add(queue, "a", "after/the/end");
    queue_free(queue);
    queue_free(NULL);
    pthread_mutex_destroy(&script.lock);
}

static void runs_each_key_once(void **state)
{
    (void)state;
    reset();
    atomic_store(&script.blocked, true);
    struct queue *queue = queue_new("test", 1, handle, &script);
    queue_add(queue, "t", "k/t/0");
    wait_for_runs(1);
    for (int i = 0; i < 100; i++) {
        queue_add(queue, "t", "k/t/0"); /* while it runs: again, but only once */
        queue_add(queue, "t", "k/t/1");
    }
    atomic_store(&script.blocked, false);
    wait_for_runs(3);
    clock_sleep_ms(50);
    assert_int_equal(runs(), 3);
    queue_add(queue, "t", "k/t/0"); /* done means forgotten: it can be added again */
    wait_for_runs(4);
    end(queue);
}

static void *add_many(void *argument)
{
    struct queue *queue = argument;
    char key[32], tenant[8];
    for (int i = 0; i < 2000; i++) {
        snprintf(tenant, sizeof(tenant), "t%d", i % 5);
        snprintf(key, sizeof(key), "k/%s/%c", tenant, '0' + i % 60);
        if (i % 3)
            queue_add(queue, tenant, key);
        else
            queue_add_after(queue, tenant, key, i % 7);
    }
    return NULL;
}

/* Keys here differ in their last byte, which is how the handler counts runs at the same time. */
static void never_runs_a_key_twice_at_once(void **state)
{
    (void)state;
    reset();
    struct queue *queue = queue_new("test", 8, handle, &script);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, add_many, queue);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    clock_sleep_ms(100);
    size_t after = runs();
    assert_true(after >= 60);
    clock_sleep_ms(50);
    assert_int_equal(runs(), after); /* everything is done and nothing spins */
    end(queue);
    assert_int_equal(atomic_load(&script.most_at_once), 1);
}

static void tenants_take_turns(void **state)
{
    (void)state;
    reset();
    char key[32];
    atomic_store(&script.blocked, true);
    struct queue *queue = queue_new("test", 1, handle, &script);
    queue_add(queue, "first", "k/first/x");
    wait_for_runs(1);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k/noisy/%d", i);
        queue_add(queue, "noisy", key);
    }
    queue_add(queue, "quiet", "k/quiet/0");
    queue_add(queue, "quiet", "k/quiet/1");
    queue_add(queue, "other", "k/other/0");
    atomic_store(&script.blocked, false);
    wait_for_runs(24);
    static const char *const order[] = {"k/first/x", "k/noisy/0", "k/quiet/0", "k/other/0",
                                        "k/noisy/1", "k/quiet/1", "k/noisy/2", "k/noisy/3"};
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_string_equal(script.runs[i].key, order[i]);
    end(queue);
}

static void one_tenant_never_holds_all_workers(void **state)
{
    (void)state;
    reset();
    char key[32];
    atomic_store(&script.blocked, true);
    struct queue *queue = queue_new("test", 3, handle, &script);
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "k/slow/%d", i);
        queue_add(queue, "slow", key);
    }
    wait_for_runs(2);
    clock_sleep_ms(50);
    assert_int_equal(runs(), 2);
    queue_add(queue, "quick", "k/quick/0"); /* while every handler of the other hangs */
    wait_for_runs(3);
    assert_string_equal(script.runs[2].key, "k/quick/0");
    atomic_store(&script.blocked, false);
    wait_for_runs(11);
    end(queue);
}

static void uses_its_workers(void **state)
{
    (void)state;
    reset();
    char key[32], tenant[8];
    script.duration_ms = 30;
    struct queue *queue = queue_new("test", 4, handle, &script);
    for (int i = 0; i < 12; i++) {
        snprintf(tenant, sizeof(tenant), "t%d", i % 2);
        snprintf(key, sizeof(key), "k/%s/%c", tenant, '0' + i);
        queue_add(queue, tenant, key);
    }
    wait_for_runs(12);
    end(queue);
    assert_int_equal(atomic_load(&script.most_running), 4);
}

static int64_t gap(size_t n)
{
    return script.runs[n + 1].at_ms - script.runs[n].at_ms;
}

static void failures_back_off(void **state)
{
    (void)state;
    reset();
    static const int64_t results[] = {-1, -1, -1, 0, -1, 0};
    memcpy(script.results, results, sizeof(results));
    script.result_count = COUNT_OF(results);
    struct queue *queue = queue_new("test", 2, handle, &script);
    queue_add(queue, "t", "k/t/0");
    wait_for_runs(4);
    assert_true(gap(0) >= 199);
    assert_true(gap(1) >= 399);
    assert_true(gap(2) >= 799);
    clock_sleep_ms(20);
    queue_add(queue, "t", "k/t/0"); /* the success has reset the backoff */
    wait_for_runs(6);
    assert_true(gap(4) >= 199 && gap(4) < 1500);
    end(queue);
}

/* A change is looked at soon even in a long backoff, yet a key that always fails and is always added does not spin. */
static void adding_cuts_a_backoff_short(void **state)
{
    (void)state;
    reset();
    script.results[0] = -1;
    script.result_count = 1;
    struct queue *queue = queue_new("test", 2, handle, &script);
    int64_t from = clock_monotonic_ms();
    queue_add(queue, "t", "k/t/0");
    while (clock_monotonic_ms() - from < 2050) {
        queue_add(queue, "t", "k/t/0");
        clock_sleep_ms(1);
    }
    size_t count = runs();
    assert_true(count >= 6 && count <= 11); /* every 200 ms; backoff alone would give 4 */
    end(queue);
}

static void delays(void **state)
{
    (void)state;
    reset();
    script.results[0] = 0;
    script.result_count = 1;
    struct queue *queue = queue_new("test", 2, handle, &script);
    int64_t from = clock_monotonic_ms();
    queue_add_after(queue, "t", "k/t/a", 300);
    queue_add_after(queue, "t", "k/t/b", 100);
    queue_add_after(queue, "t", "k/t/c", 200);
    queue_add_after(queue, "t", "k/t/c", 400); /* the sooner of two counts */
    queue_add_after(queue, "t", "k/t/d", INT64_MAX);
    queue_add_after(queue, "t", "k/t/e", 60000);
    queue_add_after(queue, "t", "k/t/e", -5);
    wait_for_runs(4);
    static const char *const order[] = {"k/t/e", "k/t/b", "k/t/c", "k/t/a"};
    static const int64_t due_ms[] = {0, 100, 200, 300};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_string_equal(script.runs[i].key, order[i]);
        int64_t late = script.runs[i].at_ms - from - due_ms[i];
        assert_true(late >= -1 && late < 2000);
    }
    queue_add_after(queue, "t", "k/t/f", 100);
    queue_add(queue, "t", "k/t/f"); /* now beats later; it then runs once, not twice */
    wait_for_runs(5);
    clock_sleep_ms(150);
    assert_int_equal(runs(), 5);
    end(queue);
}

/* A delay must be kept even if the worker that knew of it is busy when it ends. */
static void delays_hold_while_workers_are_busy(void **state)
{
    (void)state;
    reset();
    atomic_store(&script.blocked, true);
    struct queue *queue = queue_new("test", 3, handle, &script);
    clock_sleep_ms(20);
    queue_add_after(queue, "b", "k/b/1", 100);
    queue_add(queue, "a", "k/a/0");
    int64_t from = clock_monotonic_ms();
    wait_for_runs(2);
    assert_string_equal(script.runs[1].key, "k/b/1");
    assert_true(script.runs[1].at_ms - from < 2000);
    atomic_store(&script.blocked, false);
    end(queue);
}

static void a_positive_result_comes_again(void **state)
{
    (void)state;
    reset();
    static const int64_t results[] = {50, 50, 0};
    memcpy(script.results, results, sizeof(results));
    script.result_count = COUNT_OF(results);
    struct queue *queue = queue_new("test", 1, handle, &script);
    queue_add(queue, "t", "k/t/0");
    wait_for_runs(3);
    assert_true(gap(0) >= 49 && gap(1) >= 49);
    clock_sleep_ms(120);
    assert_int_equal(runs(), 3);
    end(queue);
}

static void many_delays_keep_their_order(void **state)
{
    (void)state;
    reset();
    char key[32];
    int64_t soonest[200], latest[200]; /* between these the key became due */
    struct queue *queue = queue_new("test", 1, handle, &script);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "k/t/%03d", i);
        queue_add_after(queue, "t", key, 60000 + i);
    }
    for (int i = 0; i < 200; i++) {
        int n = (i * 77) % 200; /* pulled forward in another order */
        snprintf(key, sizeof(key), "k/t/%03d", n);
        soonest[n] = clock_monotonic_ms() + 100 + n;
        queue_add_after(queue, "t", key, 100 + n);
        latest[n] = clock_monotonic_ms() + 100 + n;
    }
    wait_for_runs(200);
    int64_t before = 0;
    for (size_t i = 0; i < 200; i++) {
        int64_t n;
        assert_true(text_parse_i64(slice_of(script.runs[i].key + 4 + strspn(script.runs[i].key + 4, "0") -
                                            (strcmp(script.runs[i].key + 4, "000") == 0)),
                                   0, 199, &n));
        assert_true(latest[n] >= before);
        assert_true(script.runs[i].at_ms >= soonest[n]);
        before = soonest[n] > before ? soonest[n] : before;
    }
    end(queue);
}

static void stops_with_work_pending(void **state)
{
    (void)state;
    reset();
    char key[32];
    script.duration_ms = 50;
    struct queue *queue = queue_new("test", 2, handle, &script);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "k/t/%02d", i);
        queue_add(queue, "t", key);
        snprintf(key, sizeof(key), "d/t/%02d", i);
        queue_add_after(queue, "t", key, 100000);
    }
    wait_for_runs(1);
    queue_stop(queue);
    size_t count = runs();
    assert_int_equal(atomic_load(&script.all_running), 0); /* it waited for the handlers */
    assert_true(count < 50);
    end(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_each_key_once),
        cmocka_unit_test(never_runs_a_key_twice_at_once),
        cmocka_unit_test(tenants_take_turns),
        cmocka_unit_test(one_tenant_never_holds_all_workers),
        cmocka_unit_test(uses_its_workers),
        cmocka_unit_test(failures_back_off),
        cmocka_unit_test(adding_cuts_a_backoff_short),
        cmocka_unit_test(delays),
        cmocka_unit_test(delays_hold_while_workers_are_busy),
        cmocka_unit_test(a_positive_result_comes_again),
        cmocka_unit_test(many_delays_keep_their_order),
        cmocka_unit_test(stops_with_work_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
