/* What does the store say without a server: about bad URLs, an absent server, and never about the password? */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "store/internal.h"

static void refuses_bad_options(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "postgresql://u:hunter22@secret@host/db",
        "postgresql://u:hunter22@host:notaport/db?bogus=1",
        "host='unclosed hunter22",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct store *store = NULL;
        struct error error = {0};
        assert_int_equal(store_new(&(struct store_options){bad[i], 1}, &store, &error), -ERROR_INVALID);
        assert_string_equal(error.field, "DATABASE_URL");
        assert_null(strstr(error.message, "hunter22"));
        assert_null(store);
    }
    struct store *store = NULL;
    struct error error = {0};
    assert_int_equal(store_new(&(struct store_options){"dbname=x", 0}, &store, &error), -ERROR_INVALID);
    assert_int_equal(store_new(&(struct store_options){"dbname=x", 65}, &store, &error), -ERROR_INVALID);
}

static void an_absent_server_is_unavailable_at_once(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct error error = {0};
    struct store_connection *c = NULL;
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(
        store_new(&(struct store_options){"host=/nonexistent/hunter22 password=hunter22 dbname=x", 4}, &store, &error),
        0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(store_take(store, &c, &error), -ERROR_UNAVAILABLE);
    assert_int_equal(store_wait(store, 100, &error), -ERROR_UNAVAILABLE);
    assert_true(clock_monotonic_ms() - before_ms < 1500);
    assert_false(store_ready(store));
    assert_null(strstr(error.message, "hunter22"));
    PGconn *pg = NULL;
    assert_int_equal(store_connection_open(store, 500, &pg, &error), -ERROR_UNAVAILABLE);
    assert_null(strstr(error.message, "hunter22")); /* the operator's text names the path, the password cut out */
    assert_non_null(strstr(error.message, "/nonexistent/***"));
    store_free(store);
}

static void numbers_become_text(void **state)
{
    (void)state;
    assert_string_equal(STORE_I64(0).number, "0");
    assert_string_equal(STORE_I64(INT64_MIN).number, "-9223372036854775808");
    assert_string_equal(STORE_I64(INT64_MAX).number, "9223372036854775807");
    assert_null(STORE_I64(5).text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(an_absent_server_is_unavailable_at_once),
        cmocka_unit_test(numbers_become_text),
    };
    return cmocka_run_group_tests_name("store/pool", tests, NULL, NULL);
}
