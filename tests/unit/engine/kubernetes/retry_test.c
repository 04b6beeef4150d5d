/* Which requests are sent again, and when: the whole table. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "engine/kubernetes/retry.h"

#define ANSWERED RETRY_ANSWERED, .left_ms = 30000, .attempts = 1, .retry_after_ms
#define LOST(how) .transport = how, .left_ms = 30000, .retry_after_ms = -1, .attempts

static const struct {
    struct retry_facts facts;
    enum retry_verdict verdict;
    int64_t least_ms, most_ms; /* of the wait */
} rows[] = {
    /* answers that are answers */
    {{.transport = ANSWERED = -1, .status = 200}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = -1, .status = 409, .repeatable = true}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = -1, .status = 500, .repeatable = true}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = -1, .status = 503, .repeatable = true}, RETRY_DELIVER, 0, 0},
    /* busy: nothing was done, whatever the method */
    {{.transport = ANSWERED = -1, .status = 429}, RETRY_AFTER, 1000, 1300},
    {{.transport = ANSWERED = 3000, .status = 429}, RETRY_AFTER, 3000, 3800},
    {{.transport = ANSWERED = 0, .status = 429, .dice = UINT32_MAX}, RETRY_AFTER, 0, 50},
    {{.transport = ANSWERED = 2000, .status = 503}, RETRY_AFTER, 2000, 2550},
    {{.transport = ANSWERED = 30000, .status = 429}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = 1000, .status = 429, .once = true}, RETRY_DELIVER, 0, 0},
    /* another 5xx may have done it */
    {{.transport = ANSWERED = 1000, .status = 504}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = 1000, .status = 504, .repeatable = true}, RETRY_AFTER, 1000, 1300},
    /* credentials: once, also for what may be sent only once */
    {{.transport = ANSWERED = -1, .status = 401, .renewable = true}, RETRY_RENEW, 0, 0},
    {{.transport = ANSWERED = -1, .status = 401, .renewable = true, .once = true}, RETRY_RENEW, 0, 0},
    {{.transport = ANSWERED = -1, .status = 401, .renewable = true, .renewed = true}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = -1, .status = 401}, RETRY_DELIVER, 0, 0},
    {{.transport = ANSWERED = -1, .status = 403, .renewable = true}, RETRY_DELIVER, 0, 0},
    /* no answer */
    {{LOST(RETRY_NOT_SENT) = 1}, RETRY_AFTER, 50, 100},
    {{LOST(RETRY_NOT_SENT) = 4}, RETRY_AFTER, 400, 800},
    {{LOST(RETRY_NOT_SENT) = RETRY_CONNECT_ATTEMPTS_MAX}, RETRY_DELIVER, 0, 0},
    {{LOST(RETRY_NOT_SENT) = 1, .once = true}, RETRY_DELIVER, 0, 0},
    {{LOST(RETRY_BROKEN) = 1}, RETRY_DELIVER, 0, 0},
    {{LOST(RETRY_BROKEN) = 1, .repeatable = true}, RETRY_AFTER, 50, 100},
    {{LOST(RETRY_BROKEN) = 1, .repeatable = true, .once = true}, RETRY_DELIVER, 0, 0},
    {{LOST(RETRY_HOPELESS) = 1, .repeatable = true}, RETRY_DELIVER, 0, 0},
};

static void decides_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint32_t dice = 0; dice < 5000; dice += 7) {
            struct retry_facts facts = rows[i].facts;
            int64_t wait = 0;
            facts.dice ^= dice;
            enum retry_verdict verdict = retry_decide(&facts, &wait);
            if (verdict != rows[i].verdict || wait < rows[i].least_ms || wait > rows[i].most_ms)
                fail_msg("row %zu: verdict %d, wait %lld ms", i, (int)verdict, (long long)wait);
        }
    }
}

static void never_waits_longer_than_there_is_time(void **state)
{
    (void)state;
    for (int64_t left = -5; left < 2000; left += 5) {
        const struct retry_facts facts = {
            .transport = RETRY_NOT_SENT, .attempts = 3, .left_ms = left, .retry_after_ms = -1, .dice = (uint32_t)left};
        int64_t wait = 0;
        if (retry_decide(&facts, &wait) == RETRY_AFTER)
            assert_true(wait < left);
        else
            assert_true(left <= 400);
    }
}

static void reads_how_long_to_wait(void **state)
{
    const struct {
        const char *text;
        int64_t ms;
    } values[] = {
        {"1", 1000},
        {" 2 ", 2000},
        {"0", 0},
        {"3600", 3600000},
        {"99999999", 3600000},
        {"-1", -1},
        {"", -1},
        {"1.5", -1},
        {"1s", -1},
        {"0x10", -1},
        {"9223372036854775807", -1},
        {"99999999999999999999", -1},
        {"Wed, 21 Oct 2015 07:28:00 GMT", -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (retry_after_parse(values[i].text, strlen(values[i].text)) != values[i].ms)
            fail_msg("\"%s\"", values[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_the_table),
        cmocka_unit_test(never_waits_longer_than_there_is_time),
        cmocka_unit_test(reads_how_long_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
