/* Which settings are taken, from where, and what is said about wrong ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "controlplane/config.h"

static const char *variables[8][2];

static const char *environment(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        if (variables[i][0] && strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    }
    return NULL;
}

static int clear(void **state)
{
    (void)state;
    memset(variables, 0, sizeof(variables));
    return 0;
}

static void set(size_t index, const char *name, const char *value)
{
    variables[index][0] = name;
    variables[index][1] = value;
}

static void defaults_are_valid(void **state)
{
    (void)state;
    struct config config;
    struct error error = {0};
    assert_int_equal(config_load(SLICE(""), environment, &config, &error), 0);
    assert_string_equal(config.listen.text, "127.0.0.1:8080");
    assert_string_equal(config_port(&config), "8080");
    assert_string_equal(config.images.text, "var/images");
    assert_string_equal(config.admin_socket.text, "var/run/admin.sock");
    assert_int_equal(config.profiles_per_user.number, 3);
    assert_int_equal(config.memory_reserved.number, 2LL << 30);
    assert_int_equal(config.quota_cpu.number, 32000);
    assert_int_equal(config_log_level(&config), LOG_INFO);
    config_free(&config);
}

static void environment_wins_over_file(void **state)
{
    (void)state;
    struct config config;
    set(0, "ATELIER_LISTEN", "[::1]:9000");
    assert_int_equal(config_load(SLICE("listen: 127.0.0.1:1\nworkers: 4\ndata: /srv/atelier\n# a comment\n"),
                                 environment, &config, NULL),
                     0);
    assert_string_equal(config.listen.text, "[::1]:9000");
    assert_int_equal(config.workers.number, 4);
    assert_string_equal(config.images.text, "/srv/atelier/images");
    assert_string_equal(config.sandboxd_socket.text, "/srv/atelier/run/sandboxd.sock");
    config_free(&config);
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *field, *expected;
    } cases[] = {
        {"worker: 4\n", "worker", "did you mean \"workers\""},
        {"liste: x\n", "liste", "did you mean \"listen\""},
        {"zzzzzzzzzzzzzzzzzzzz: x\n", "zzzzzzzzzzzzzzzzzzzz", "--help"},
        {"workers: 0\n", "workers", "between 1 and 64"},
        {"workers: four\n", "workers", "a whole number"},
        {"workers: [4]\n", "workers", "a text or a whole number"},
        {"listen: \"8080\"\n", "listen", "ADDRESS:PORT"},
        {"listen: \"127.0.0.1:65536\"\n", "listen", "ADDRESS:PORT"},
        {"listen: \"a b:80\"\n", "listen", "ADDRESS:PORT"},
        {"listen: \"\"\n", "listen", "1 to 64 characters"},
        {"home_size: -1Gi\n", "home_size", "between"},
        {"home_size: plenty\n", "home_size", "a size such as"},
        {"quota_cpu: 0\n", "quota_cpu", "between 100"},
        {"log_level: loud\n", "log_level", "debug, info, warn or error"},
        {"base_domain: UPPER\n", "base_domain", "a domain name"},
        {"data: \"a\\u0007b\"\n", "data", "control"},
        {"admin_socket: "
         "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789\n",
         "admin_socket", "107 characters"},
        {"- a\n", "", "key: value"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct config config;
        struct error error = {0};
        if (config_load(slice_of(cases[i].yaml), environment, &config, &error) == 0)
            fail_msg("row %zu was taken: %s", i, cases[i].yaml);
        if (strcmp(error.field, cases[i].field) != 0 || !strstr(error.message, cases[i].expected))
            fail_msg("row %zu: field \"%s\": %s", i, error.field, error.message);
    }
}

static void metrics_can_be_disabled(void **state)
{
    (void)state;
    struct config config;
    set(0, "ATELIER_METRICS_LISTEN", "");
    assert_int_equal(config_load(SLICE(""), environment, &config, NULL), 0);
    assert_string_equal(config.metrics_listen.text, "");
    config_free(&config);
}

static void secrets_come_from_a_file_and_stay_hidden(void **state)
{
    (void)state;
    struct config config;
    struct error error = {0};
    char path[] = "/tmp/atelier-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "host=/x password=hunter2\n", 25), 25);
    close(fd);
    set(0, "DATABASE_URL_FILE", path);
    assert_int_equal(config_load(SLICE(""), environment, &config, &error), 0);
    assert_string_equal(config.database_url.text, "host=/x password=hunter2");
    AUTO_BUFFER struct buffer text = {0};
    config_print_values(&config, &text);
    assert_null(strstr(text.p, "hunter2"));
    config_free(&config);
    set(1, "DATABASE_URL", "postgres://u:hunter2@h/d");
    assert_int_equal(config_load(SLICE(""), environment, &config, &error), -ERROR_INVALID);
    assert_null(strstr(error.message, "hunter2"));
    unlink(path);
    set(1, NULL, NULL);
    assert_true(config_load(SLICE(""), environment, &config, &error) < 0);
}

static void reload_takes_over_only_what_it_may(void **state)
{
    (void)state;
    struct config config, fresh;
    unsigned ignored = 0;
    assert_int_equal(config_load(SLICE(""), environment, &config, NULL), 0);
    assert_int_equal(config_load(SLICE("log_level: debug\nworkers: 9\nloops: 2\n"), environment, &fresh, NULL), 0);
    config_reload(&config, &fresh, &ignored);
    assert_int_equal(config_log_level(&config), LOG_DEBUG);
    assert_int_equal(config.workers.number, 8);
    assert_int_equal(ignored, 2);
    config_free(&fresh);
    config_free(&config);
}

static void the_page_names_every_key(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer docs = {0}, help = {0}, file = {0};
    config_print_docs(&docs);
    config_print_help(&help);
    for (size_t i = 0; i < config_key_count; i++) {
        assert_non_null(strstr(docs.p, config_keys[i].name));
        assert_non_null(strstr(help.p, config_keys[i].variable));
    }
    if (file_read("docs/configuration.md", 1 << 20, &file, NULL) ==
        0) /* run from the tree: the page must be this one */
        assert_string_equal(file.p, docs.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_valid, clear),
        cmocka_unit_test_setup(environment_wins_over_file, clear),
        cmocka_unit_test_setup(wrong_values_are_named, clear),
        cmocka_unit_test_setup(metrics_can_be_disabled, clear),
        cmocka_unit_test_setup(secrets_come_from_a_file_and_stay_hidden, clear),
        cmocka_unit_test_setup(reload_takes_over_only_what_it_may, clear),
        cmocka_unit_test_setup(the_page_names_every_key, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
