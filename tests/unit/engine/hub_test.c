/* Are watchers told in order, and told when they are too late? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/clock.h"
#include "engine/local/object.h"

static struct object *make(const char *name, int64_t version, size_t bytes)
{
    cJSON *body = json_object();
    cJSON *metadata = json_object_in(body, "metadata");
    json_set_text(metadata, "name", name);
    json_set_text(metadata, "namespace", "alice");
    json_set_text(metadata, "uid", "u");
    return object_new(KIND_SECRET, body, version, bytes);
}

struct log {
    pthread_mutex_t lock;
    size_t added, lost, bookmarks;
    int64_t last;
    bool in_order;
    _Atomic bool hold;
};

static void note(void *context, enum engine_event event, const cJSON *object)
{
    struct log *log = context;
    int64_t version = 0;
    while (log->hold)
        clock_sleep_ms(1);
    (void)text_parse_i64(slice_of(json_text_or("0", object, "metadata", "resourceVersion", NULL)), 0, INT64_MAX,
                         &version);
    pthread_mutex_lock(&log->lock);
    if (event == ENGINE_ADDED) {
        log->in_order = log->in_order && version > log->last;
        log->last = version;
        log->added++;
    }
    log->lost += event == ENGINE_LOST;
    log->bookmarks += event == ENGINE_BOOKMARK;
    pthread_mutex_unlock(&log->lock);
}

static size_t added(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    size_t count = log->lost ? SIZE_MAX : log->added;
    pthread_mutex_unlock(&log->lock);
    return count;
}

static size_t bookmarks(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    size_t count = log->bookmarks;
    pthread_mutex_unlock(&log->lock);
    return count;
}

static void wait_for(struct log *log, size_t count)
{
    for (int i = 0; i < 5000 && added(log) != count; i++)
        clock_sleep_ms(1);
    assert_int_equal(added(log), count);
}

static void publish(struct hub *hub, int64_t version, size_t bytes)
{
    AUTO_OBJECT struct object *object = make("s", version, bytes);
    hub_publish(hub, KIND_SECRET, (uint64_t)version, NULL, object);
}

static int open_from(struct hub *hub, int64_t from, struct log *log, struct engine_watch **ret)
{
    const struct hub_request request = {
        .kind = KIND_SECRET, .resume = true, .from = (uint64_t)from, .known = true, .watcher = note, .context = log};
    return hub_open(hub, &request, ret, NULL);
}

#define LOG                                                                                                            \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .in_order = true                                                            \
    }

static void test_order_and_resume(void **state)
{
    (void)state;
    struct hub *hub = hub_new(&object_states, NULL);
    struct log first = LOG, second = LOG;
    struct engine_watch *a = NULL, *b = NULL;
    hub_begin(hub, KIND_SECRET, 100, NULL, 0);
    assert_int_equal(open_from(hub, 100, &first, &a), 0);
    for (int64_t version = 101; version <= 1100; version++)
        publish(hub, version, 100);
    wait_for(&first, 1000);
    assert_true(first.in_order);
    assert_int_equal(open_from(hub, 600, &second, &b), 0);
    wait_for(&second, 500);
    assert_true(second.in_order);
    assert_int_equal(open_from(hub, 99, &second, &b), -ERROR_GONE);
    assert_int_equal(open_from(hub, 1101, &second, &b), -ERROR_GONE);
    hub_close(hub, a);
    hub_close(hub, b);
    hub_free(hub);
}

/* A watcher that holds still while more happens than is remembered. */
static void test_too_slow(void **state)
{
    (void)state;
    struct hub *hub = hub_new(&object_states, NULL);
    struct log slow = LOG;
    struct engine_watch *watch = NULL;
    hub_begin(hub, KIND_SECRET, 0, NULL, 0);
    assert_int_equal(open_from(hub, 0, &slow, &watch), 0);
    slow.hold = true;
    publish(hub, 1, 100);
    for (int64_t version = 2; version <= 6000; version++)
        publish(hub, version, 100);
    slow.hold = false;
    wait_for(&slow, SIZE_MAX);
    assert_true(slow.added < 6000);
    hub_close(hub, watch);

    /* Large objects are remembered for fewer changes: a resume from before is refused. */
    for (int64_t version = 6001; version <= 6010; version++)
        publish(hub, version, 1 << 20);
    assert_int_equal(open_from(hub, 6001, &slow, &watch), -ERROR_GONE);
    struct log recent = LOG;
    assert_int_equal(open_from(hub, 6008, &recent, &watch), 0);
    wait_for(&recent, 2);
    hub_close(hub, watch);
    hub_free(hub);
}

static void test_closing_waits_for_the_callback(void **state)
{
    (void)state;
    struct hub *hub = hub_new(&object_states, NULL);
    struct log log = LOG;
    struct engine_watch *watch = NULL;
    hub_begin(hub, KIND_SECRET, 0, NULL, 0);
    for (int round = 0; round < 200; round++) {
        assert_int_equal(open_from(hub, round, &log, &watch), 0);
        publish(hub, round + 1, 10);
        hub_close(hub, watch);
        size_t before = added(&log);
        publish(hub, round + 1, 10);
        assert_int_equal(added(&log), before);
    }
    hub_free(hub);
}

/* Who watches a quiet corner of a busy kind is told all the same from where to go on. */
static void test_others_changes_keep_no_bookmark_away(void **state)
{
    (void)state;
    struct hub_states impatient = object_states;
    impatient.limits.bookmark_ms = 100;
    struct hub *hub = hub_new(&impatient, NULL);
    struct log quiet = LOG, busy = LOG;
    struct engine_watch *corner = NULL, *all = NULL;
    hub_begin(hub, KIND_SECRET, 0, NULL, 0);
    struct hub_request request = {
        .kind = KIND_SECRET, .namespace = "bob", .resume = true, .known = true, .watcher = note, .context = &quiet};
    assert_int_equal(hub_open(hub, &request, &corner, NULL), 0);
    assert_int_equal(open_from(hub, 0, &busy, &all), 0);
    int64_t version = 0;
    for (int i = 0; i < 2000 && bookmarks(&quiet) < 3; i++) {
        publish(hub, ++version, 10);
        clock_sleep_ms(5);
    }
    wait_for(&busy, (size_t)version);
    assert_int_equal(added(&quiet), 0);
    assert_true(bookmarks(&quiet) >= 3);
    hub_close(hub, corner);
    hub_close(hub, all);
    hub_free(hub);
}

/* Secrets of an even version are like the one before. */
static bool odd_only(const cJSON *before, const cJSON *now)
{
    int64_t was = 0, is = 0;
    assert_true(text_parse_i64(slice_of(json_text_or("", before, "metadata", "resourceVersion", NULL)), 0, 100, &was));
    assert_true(text_parse_i64(slice_of(json_text_or("", now, "metadata", "resourceVersion", NULL)), 0, 100, &is));
    assert_int_equal(is, was + 1);
    return is % 2 == 1;
}

static void note_all(void *context, enum engine_event event, const cJSON *object)
{
    note(context, event == ENGINE_MODIFIED || event == ENGINE_DELETED ? ENGINE_ADDED : event, object);
}

/* One tree at a time, as an engine lends them that keeps text. */
static const cJSON *lend_one(void *context, enum engine_kind kind, void *state)
{
    cJSON **lent = context;
    (void)kind;
    cJSON_Delete(*lent);
    *lent = json_copy(((const struct object *)state)->body);
    return *lent;
}

static void lend_none(void *context)
{
    cJSON **lent = context;
    cJSON_Delete(*lent);
    *lent = NULL;
}

static void check_concerns(const struct hub_states *states, void *context)
{
    struct hub *hub = hub_new(states, context);
    struct log log = LOG;
    struct engine_watch *watch = NULL;
    hub_begin(hub, KIND_SECRET, 0, NULL, 0);
    const struct hub_request request = {
        .kind = KIND_SECRET, .resume = true, .known = true, .watcher = note_all, .context = &log, .concerns = odd_only};
    assert_int_equal(hub_open(hub, &request, &watch, NULL), 0);
    struct object *before = NULL;
    for (int64_t version = 2; version <= 12; version++) { /* is told: 2, which is new, and 3, 5, 7, 9, 11 */
        struct object *now = make("s", version, 10);
        hub_publish(hub, KIND_SECRET, (uint64_t)version, before, now);
        object_unref(before);
        before = now;
    }
    hub_publish(hub, KIND_SECRET, 13, before, NULL); /* an end concerns everybody */
    object_unref(before);
    wait_for(&log, 7);
    assert_true(log.in_order);
    assert_int_equal(log.last, 12);
    hub_close(hub, watch);
    hub_free(hub);
}

static void test_only_what_concerns(void **state)
{
    (void)state;
    struct hub_states lending = object_states;
    cJSON *lent = NULL;
    lending.object = lend_one;
    lending.rest = lend_none;
    check_concerns(&object_states, NULL);
    check_concerns(&lending, &lent);
    cJSON_Delete(lent);
}

/* Whether what is there was known when it began, or came later. */
static void test_nothing_that_exists(void **state)
{
    (void)state;
    struct hub *hub = hub_new(&object_states, NULL);
    struct log early = LOG, late = LOG, all = LOG;
    struct engine_watch *watches[3] = {NULL};
    AUTO_OBJECT struct object *there = make("s", 100, 10);
    struct hub_request request = {
        .kind = KIND_SECRET, .watcher = note, .context = &early, .others_than = &object_states};
    assert_int_equal(hub_open(hub, &request, &watches[0], NULL), 0);
    hub_begin(hub, KIND_SECRET, 100, (void *[]){there}, 1);
    request.known = true;
    request.from = HUB_NOW;
    request.states = (void *[]){there};
    request.count = 1;
    request.context = &late;
    assert_int_equal(hub_open(hub, &request, &watches[1], NULL), 0);
    request.others_than = NULL;
    request.context = &all;
    assert_int_equal(hub_open(hub, &request, &watches[2], NULL), 0);
    wait_for(&all, 1);
    publish(hub, 101, 10);
    wait_for(&all, 2);
    wait_for(&early, 1);
    wait_for(&late, 1);
    assert_int_equal(early.last, 101);
    assert_int_equal(late.last, 101);
    for (size_t i = 0; i < COUNT_OF(watches); i++)
        hub_close(hub, watches[i]);
    hub_free(hub);
}

static void test_others_only(void **state)
{
    (void)state;
    struct hub *hub = hub_new(&object_states, NULL);
    struct log others = LOG, all = LOG;
    struct engine_watch *watches[2] = {NULL};
    hub_begin(hub, KIND_SECRET, 100, NULL, 0);
    struct hub_request request = {.kind = KIND_SECRET,
                                  .resume = true,
                                  .from = 100,
                                  .known = true,
                                  .watcher = note,
                                  .context = &others,
                                  .others_than = &object_states};
    assert_int_equal(hub_open(hub, &request, &watches[0], NULL), 0);
    request.others_than = NULL;
    request.context = &all;
    assert_int_equal(hub_open(hub, &request, &watches[1], NULL), 0);
    publish(hub, 101, 10);
    AUTO_OBJECT struct object *own = make("s", 102, 10);
    hub_publish_by(hub, KIND_SECRET, 102, NULL, own, &object_states);
    AUTO_OBJECT struct object *anothers = make("s", 103, 10); /* another reconciler's */
    hub_publish_by(hub, KIND_SECRET, 103, NULL, anothers, &own);
    publish(hub, 104, 10);
    wait_for(&all, 4);
    wait_for(&others, 3);
    assert_int_equal(others.last, 104);
    for (size_t i = 0; i < COUNT_OF(watches); i++)
        hub_close(hub, watches[i]);
    hub_free(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_and_resume),
                                       cmocka_unit_test(test_too_slow),
                                       cmocka_unit_test(test_closing_waits_for_the_callback),
                                       cmocka_unit_test(test_others_changes_keep_no_bookmark_away),
                                       cmocka_unit_test(test_only_what_concerns),
                                       cmocka_unit_test(test_nothing_that_exists),
                                       cmocka_unit_test(test_others_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
