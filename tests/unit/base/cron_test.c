/* Is a schedule accepted exactly if cron would know when it is? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cron.h"

static void schedules_are_understood(void **state)
{
    static const char *const good[] = {
        "* * * * *",       "0 3 * * *",    "05 09 * * *",     "*/15 * * * *",  "0,30 8-18/2 1,15 * ?",
        "0 0 1 JAN,Jul *", "5/10 * * * *", "0 4 * * mon-fri", "0 4 * * 0-6/2", "  0\t3  * * *  ",
        "59 23 31 12 6",   "@daily",       "@every 1h30m",    "@every 1.5h",   "@every 300ms",
        "@annually",       "@hourly",      "0 3 ? * SUN"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char fault[160] = "";
        if (!cron_check(slice_of(good[i]), fault, sizeof(fault)))
            fail_msg("%s: %s", good[i], fault);
    }
}

static void what_is_wrong_is_named(void **state)
{
    static const char *const bad[][2] = {
        {"", "it has 0"},
        {"* * * *", "it has 4"},
        {"0 0 3 * * *", "it has 6"},
        {"nightly", "it has 1"},
        {"60 3 * * *", "its minute \"60\" is not within 0 to 59"},
        {"0 25 * * *", "its hour \"25\" is not within 0 to 23"},
        {"0 3 0 * *", "its day of the month \"0\" is not within 1 to 31"},
        {"0 3 * 13 *", "its month \"13\" is not within 1 to 12"},
        {"0 3 * * 7", "its day of the week \"7\" is not within 0 to 6"},
        {"0 3 * * someday", "its day of the week \"someday\" is neither a number nor a name"},
        {"nightly 3 * * *", "its minute \"nightly\" is no number"},
        {"0 3 * jan-foo *", "is neither"},
        {"0 18-8 * * *", "its hour \"18-8\" ends before it begins"},
        {"*/0 * * * *", "has a step"},
        {"*/x * * * *", "has a step"},
        {"*/1/2 * * * *", "has a step"},
        {"1-2-3 * * * *", "is no number"},
        {"1, * * * *", "ends with a comma"},
        {",1 * * * *", "is no number"},
        {"-1 * * * *", "is no number"},
        {"99999999999999999999 * * * *", "is no number"},
        {"\033[2J 3 * * *", "its minute \"\\x1b[2J\" is no number"},
        {"@nightly", "after \"@\" stands"},
        {"@every", "after \"@\" stands"},
        {"@every day", "after \"@\" stands"},
        {"@every 5", "after \"@\" stands"},
        {"@every .h", "after \"@\" stands"},
        {"@every 1.2.3h", "after \"@\" stands"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char fault[160] = "";
        if (cron_check(slice_of(bad[i][0]), fault, sizeof(fault)))
            fail_msg("accepted: %s", bad[i][0]);
        if (!strstr(fault, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_understood),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
