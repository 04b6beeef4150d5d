/* Does progress say how far it is, how fast, and how long it will still take? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli/progress.h"

#define MIB ((int64_t)1 << 20)

static void bytes(void **state)
{
    static const struct {
        int64_t done, total, elapsed_ms;
        const char *line;
    } cases[] = {
        {0, 0, 0, "x: 0.0Ki"},
        {512, 0, 100, "x: 0.5Ki"},
        {10 * MIB, 40 * MIB, 500, "x: 10Mi of 40Mi"}, /* too early for a rate */
        {10 * MIB, 40 * MIB, 5000, "x: 10Mi of 40Mi, 2.0Mi/s, 15s left"},
        {40 * MIB, 40 * MIB, 20000, "x: 40Mi of 40Mi, 2.0Mi/s"},
        {50 * MIB, 40 * MIB, 25000, "x: 50Mi of 40Mi, 2.0Mi/s"}, /* tar's own bytes come on top */
        {1LL << 50, 1LL << 52, 3600000, "x: 1024Ti of 4096Ti, 291Gi/s, 3h left"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer line = {0};
        progress_bytes_line("x", cases[i].done, cases[i].total, cases[i].elapsed_ms, &line);
        if (strcmp(line.p, cases[i].line) != 0)
            fail_msg("case %zu: \"%s\"", i, line.p);
    }
}

static void waits(void **state)
{
    static const struct {
        int64_t elapsed_ms, usual_ms;
        const char *line;
    } cases[] = {
        {4000, 0, "nb Pending (4s)"},
        {4000, 10000, "nb Pending (4s, 6s left)"},
        {11000, 10000, "nb Pending (11s, longer than usual)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer line = {0};
        progress_wait_line("nb", "Pending", cases[i].elapsed_ms, cases[i].usual_ms, &line);
        if (strcmp(line.p, cases[i].line) != 0)
            fail_msg("case %zu: \"%s\"", i, line.p);
    }
}

/* Follows what waits take now, without believing a single one. */
static void learns(void **state)
{
    char folder[] = "/tmp/atelier-progress-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(progress_usual_ms("Notebook"), 0);
    progress_learn("Notebook", 6000);
    progress_learn("Notebook", 9000);
    progress_learn("RayCluster", 30000);
    assert_int_equal(progress_usual_ms("Notebook"), 7000);
    assert_int_equal(progress_usual_ms("RayCluster"), 30000);
    AUTO_FREE char *path = memory_format("%s/atelier/waits.json", folder);
    assert_int_equal(file_write(path, SLICE("{\"Notebook\":\"x\""), 0600, NULL), 0);
    assert_int_equal(progress_usual_ms("Notebook"), 0);
    progress_learn("Notebook", 5000);
    assert_int_equal(progress_usual_ms("Notebook"), 5000);
    assert_int_equal(file_remove_tree(folder, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes), cmocka_unit_test(waits), cmocka_unit_test(learns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
