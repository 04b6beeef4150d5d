/* Do deadlines come in order, and messages once each? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gateway/crew.h"
#include "gateway/loop.h"

static struct loop loop;
static int64_t fired[512];
static size_t fired_count;

static int setup(void **state)
{
    (void)state;
    struct error error;
    fired_count = 0;
    return loop_init(&loop, NULL, 0, &error);
}

static int teardown(void **state)
{
    (void)state;
    loop_destroy(&loop);
    return 0;
}

static void on_fire(struct timer *timer)
{
    fired[fired_count++] = timer->deadline;
}

static void deadlines_come_in_order(void **state)
{
    (void)state;
    static struct timer timers[300];
    unsigned seed = 7;
    for (size_t i = 0; i < COUNT_OF(timers); i++) {
        timers[i] = (struct timer){.fire = on_fire};
        timer_set(&loop, &timers[i], (int64_t)(rand_r(&seed) % 1000));
    }
    /* A third is taken back, a third moves: some earlier, some later. */
    for (size_t i = 0; i < COUNT_OF(timers); i += 3) {
        timer_clear(&loop, &timers[i]);
        timer_set(&loop, &timers[i + 1], (int64_t)(rand_r(&seed) % 1000));
    }
    /* A turn fires all that has become due since the one before, however late a busy machine turns. */
    int64_t start = loop.now_ms, before = start - 1;
    while (loop.heap_count > 0 && loop.now_ms < start + 10 * 1000) {
        size_t first = fired_count;
        int64_t due = loop.now_ms;
        loop_turn(&loop, 50);
        for (size_t i = first; i < fired_count; i++)
            assert_in_range(fired[i], before + 1, due);
        before = due;
    }
    assert_int_equal(fired_count, 200);
    assert_int_equal(loop.heap_count, 0);
}

static void a_moved_deadline_fires_once(void **state)
{
    (void)state;
    struct timer timer = {.fire = on_fire};
    timer_set(&loop, &timer, 10);
    timer_set(&loop, &timer, 80);
    int64_t start = clock_monotonic_ms();
    while (fired_count == 0)
        loop_turn(&loop, 200);
    assert_true(clock_monotonic_ms() - start >= 75);
    loop_turn(&loop, 0);
    assert_int_equal(fired_count, 1);
}

enum { POSTERS = 4, POSTS = 2000 };
static struct counted {
    struct message message;
    unsigned poster, number;
} posts[POSTERS][POSTS];
static unsigned received[POSTERS];

static void on_message(struct loop *at, struct message *message)
{
    (void)at;
    struct counted *post = OWNER_OF(message, struct counted, message);
    /* In the order of their sender. */
    assert_int_equal(post->number, received[post->poster]);
    received[post->poster]++;
}

static void *post_all(void *context)
{
    unsigned poster = (unsigned)(uintptr_t)context;
    for (unsigned i = 0; i < POSTS; i++) {
        posts[poster][i] = (struct counted){.message.run = on_message, .poster = poster, .number = i};
        loop_post(&loop, &posts[poster][i].message);
    }
    return NULL;
}

static void messages_of_many_threads_all_arrive(void **state)
{
    (void)state;
    pthread_t threads[POSTERS];
    for (size_t i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_all, (void *)(uintptr_t)i);
    int64_t until = clock_monotonic_ms() + 10000;
    unsigned all = 0;
    while (all < POSTERS * POSTS && clock_monotonic_ms() < until) {
        loop_turn(&loop, 100);
        all = received[0] + received[1] + received[2] + received[3];
    }
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(all, POSTERS * POSTS);
}

/* --- the crew ----------------------------------------------------------------------------------------------------- */

static struct job {
    struct crew_job job;
    bool greedy;
} jobs[16];
static _Atomic int greedy_now, greedy_most, others_done;

static void run_job(struct crew_job *crew_job)
{
    struct job *job = OWNER_OF(crew_job, struct job, job);
    if (!job->greedy) {
        others_done++;
        return;
    }
    int now = ++greedy_now;
    if (now > greedy_most)
        greedy_most = now;
    clock_sleep_ms(60);
    greedy_now--;
}

static void one_tenant_gets_its_share_only(void **state)
{
    (void)state;
    struct crew *crew;
    struct error error;
    assert_int_equal(crew_new("test", 4, 64, 2, &crew, &error), 0);
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = (struct job){.job = {.run = run_job, .tenant = i < 12 ? 1 : 2 + i}, .greedy = i < 12};
        assert_true(crew_add(crew, &jobs[i].job));
    }
    clock_sleep_ms(50);
    assert_int_equal(others_done, 4); /* though twelve were before them */
    crew_stop(crew);
    assert_int_equal(greedy_now, 0);
    assert_int_equal(greedy_most, 2);
    assert_false(crew_add(crew, &jobs[0].job));
    crew_free(crew);
}

static void a_waiting_job_can_be_taken_back(void **state)
{
    (void)state;
    struct crew *crew;
    struct error error;
    others_done = 0;
    assert_int_equal(crew_new("test", 1, 3, 1, &crew, &error), 0);
    for (size_t i = 0; i < 4; i++)
        jobs[i] = (struct job){.job = {.run = run_job, .tenant = 0}, .greedy = i == 0};
    assert_true(crew_add(crew, &jobs[0].job));
    clock_sleep_ms(20);
    assert_true(crew_add(crew, &jobs[1].job));
    assert_true(crew_add(crew, &jobs[2].job));
    assert_true(crew_cancel(crew, &jobs[2].job));
    assert_false(crew_cancel(crew, &jobs[2].job));
    assert_false(crew_cancel(crew, &jobs[0].job)); /* runs */
    assert_true(crew_add(crew, &jobs[3].job));
    crew_stop(crew);
    assert_int_equal(others_done, 2);
    crew_free(crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deadlines_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_moved_deadline_fires_once, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_of_many_threads_all_arrive, setup, teardown),
        cmocka_unit_test(one_tenant_gets_its_share_only),
        cmocka_unit_test(a_waiting_job_can_be_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
