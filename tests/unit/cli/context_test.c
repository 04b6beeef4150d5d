/* Are contexts kept for their owner alone, found again, and refused when anyone else could have read them? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/context.h"

static char directory[64];

static int enter(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/atelier-context-XXXXXX");
    return mkdtemp(directory) && setenv("XDG_CONFIG_HOME", directory, 1) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    return file_remove_tree(directory, NULL);
}

static void none_means_this_machine(void **state)
{
    struct context found;
    (void)state;
    assert_int_equal(context_find(NULL, &found, NULL), 0);
    assert_null(found.url);
    assert_int_equal(context_find("local", &found, NULL), 0);
    assert_null(found.url);
    assert_int_equal(context_find("prod", &found, NULL), -ERROR_NOT_FOUND);
}

static void what_is_saved_is_found_and_used(void **state)
{
    struct context prod = {.name = "prod", .url = "https://ml.example.com", .token = "secret-1", .namespace = "alice"};
    struct context test = {.name = "test", .url = "http://127.0.0.1:8080", .token = "secret-2", .ca_file = "/ca.pem"};
    struct context found;
    struct stat info;
    AUTO_FREE char *path = memory_format("%s/atelier/contexts.json", directory);
    (void)state;
    assert_int_equal(context_save(&prod, NULL), 0);
    assert_int_equal(context_save(&test, NULL), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(context_find(NULL, &found, NULL), 0);
    assert_string_equal(found.name, "test");
    assert_string_equal(found.ca_file, "/ca.pem");
    context_free(&found);
    assert_int_equal(context_use("prod", "bob", NULL), 0);
    assert_int_equal(context_find(NULL, &found, NULL), 0);
    assert_string_equal(found.namespace, "bob");
    context_free(&found);
    assert_int_equal(context_use("local", "bob", NULL), -ERROR_INVALID); /* it keeps none */
    assert_int_equal(context_use("prod", "alice", NULL), 0);
    assert_int_equal(context_find(NULL, &found, NULL), 0);
    assert_string_equal(found.token, "secret-1");
    assert_string_equal(found.namespace, "alice");
    context_free(&found);
    assert_int_equal(context_remove("prod", NULL), 0);
    assert_int_equal(context_find(NULL, &found, NULL), 0);
    assert_null(found.url); /* none is current now */
    assert_int_equal(context_use("prod", NULL, NULL), -ERROR_NOT_FOUND);
}

static void lists_without_tokens(void **state)
{
    struct context prod = {.name = "prod", .url = "https://ml.example.com", .token = "secret-1"};
    AUTO_JSON cJSON *items = NULL;
    (void)state;
    assert_int_equal(context_save(&prod, NULL), 0);
    assert_int_equal(context_list(&items, NULL), 0);
    AUTO_FREE char *text = json_print(items);
    assert_non_null(strstr(text, "ml.example.com"));
    assert_null(strstr(text, "secret-1"));
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    struct context prod = {.name = "prod", .url = "https://ml.example.com", .token = "secret-1"};
    struct context found;
    struct error error = {0};
    AUTO_FREE char *path = memory_format("%s/atelier/contexts.json", directory);
    (void)state;
    assert_int_equal(context_save(&prod, NULL), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(context_find(NULL, &found, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(file_write(path, SLICE("[1]"), 0600, NULL), 0);
    assert_int_equal(context_find(NULL, &found, &error), -ERROR_INVALID);
    assert_int_equal(file_write(path, SLICE("{"), 0600, NULL), 0);
    assert_true(context_find(NULL, &found, &error) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none_means_this_machine, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_saved_is_found_and_used, enter, leave),
        cmocka_unit_test_setup_teardown(lists_without_tokens, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_that_others_can_read_is_refused, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
