/* The metrics registry: the text format, grouping, and counting from many threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/metrics.h"

static struct metric idle = {
    .name = "atelier_test_closed_total", .help = "Closed.\nBy \\reason.", .labels = "reason=\"idle\""};
static struct metric busy = {
    .name = "atelier_test_closed_total", .help = "Closed.\nBy \\reason.", .labels = "reason=\"busy\""};
static struct metric gauge = METRIC_GAUGE("atelier_test_gauge", "A gauge.");
static struct metric shared = METRIC_COUNTER("atelier_test_shared_total", "Counted by threads.");

static void prints_the_format(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    metric_add(&idle, 2);
    metric_set(&gauge, -7);
    metric_add(&busy, 1);
    metric_add(&idle, 3);
    metrics_print(&text);
    assert_non_null(strstr(text.p, "# HELP atelier_test_closed_total Closed.\\nBy \\\\reason.\n"
                                   "# TYPE atelier_test_closed_total counter\n"
                                   "atelier_test_closed_total{reason=\"busy\"} 1\n"
                                   "atelier_test_closed_total{reason=\"idle\"} 5\n"
                                   "# HELP atelier_test_gauge A gauge.\n"
                                   "# TYPE atelier_test_gauge gauge\n"
                                   "atelier_test_gauge -7\n"));
    static const char *const process[] = {"process_cpu_seconds_total ",
                                          "process_resident_memory_bytes ",
                                          "process_virtual_memory_bytes ",
                                          "process_open_fds ",
                                          "process_max_fds ",
                                          "process_start_time_seconds "};
    for (size_t i = 0; i < COUNT_OF(process); i++) {
        AUTO_FREE char *line = memory_format("\n%s", process[i]);
        assert_non_null(strstr(text.p, line));
    }
    assert_int_equal(text.p[text.n - 1], '\n');
}

static void *count(void *argument)
{
    (void)argument;
    for (int i = 0; i < 10000; i++)
        metric_add(&shared, 1);
    return NULL;
}

static void counts_from_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    AUTO_BUFFER struct buffer text = {0};
    metrics_print(&text);
    assert_non_null(strstr(text.p, "\natelier_test_shared_total 40000\n"));
}

static void drops(void **state)
{
    (void)state;
    struct metric *passing = memory_get(sizeof(*passing));
    AUTO_BUFFER struct buffer text = {0};
    *passing = (struct metric)METRIC_COUNTER("atelier_test_passing_total", "Goes away.");
    metric_add(passing, 1);
    metrics_print(&text);
    assert_non_null(strstr(text.p, "atelier_test_passing_total 1\n"));
    metric_drop(passing);
    free(passing);
    buffer_clear(&text);
    metrics_print(&text);
    assert_null(strstr(text.p, "atelier_test_passing_total"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_the_format),
        cmocka_unit_test(counts_from_threads),
        cmocka_unit_test(drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
