/* Is a command line understood as meant, and is a wrong one refused with the right words? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"

#define PARSE(call, error, ...)                                                                                        \
    command_parse((int)COUNT_OF(((const char *const[]){"atelier", __VA_ARGS__})),                                      \
                  (const char *const[]){"atelier", __VA_ARGS__}, (call), (error))

static void options_anywhere(void **state)
{
    struct call call;
    struct error error = {0};
    (void)state;
    assert_int_equal(PARSE(&call, &error, "-n", "alice", "notebook", "create", "nb1", "--cpu=2", "--wait"), 0);
    assert_string_equal(call.command->words, "notebook create");
    assert_int_equal(call.argument_count, 1);
    assert_string_equal(call.arguments[0], "nb1");
    assert_string_equal(call_option(&call, "namespace"), "alice");
    assert_string_equal(call_option(&call, "cpu"), "2");
    assert_true(call_flag(&call, "wait"));
    assert_false(call_flag(&call, "timeout"));
    assert_null(call_option(&call, "memory"));
    assert_string_equal(call_option_or(&call, "memory", "1Gi"), "1Gi");
    assert_int_equal(PARSE(&call, &error, "exec", "-itn", "alice", "nb1-0", "--", "sh"), 0);
    assert_true(call_flag(&call, "stdin") && call_flag(&call, "tty"));
    assert_string_equal(call_option(&call, "namespace"), "alice");
    assert_int_equal(PARSE(&call, &error, "exec", "-iz", "nb1-0", "--", "sh"), EXIT_USAGE);
    assert_int_equal(PARSE(&call, &error, "get", "pods", "-nalice", "-ojson"), 0);
    assert_string_equal(call_option(&call, "namespace"), "alice");
    assert_string_equal(call_option(&call, "output"), "json");
}

/* A value that may be left out is never the next word. */
static void optional_values(void **state)
{
    struct call call;
    struct error error = {0};
    AUTO_BUFFER struct buffer text = {0};
    (void)state;
    assert_int_equal(PARSE(&call, &error, "notebook", "create", "--dry-run", "nb1"), 0);
    assert_true(call_flag(&call, "dry-run"));
    assert_string_equal(call_option(&call, "dry-run"), "");
    assert_string_equal(call.arguments[0], "nb1");
    assert_int_equal(PARSE(&call, &error, "notebook", "create", "nb1", "--dry-run=server"), 0);
    assert_string_equal(call_option(&call, "dry-run"), "server");
    command_help(call.command, NULL, &text);
    assert_non_null(strstr(text.p, "--dry-run[=server]"));
}

static void rest_is_left_alone(void **state)
{
    struct call call;
    struct error error = {0};
    (void)state;
    assert_int_equal(
        PARSE(&call, &error, "ray", "submit", "c1", "-e", "A=1", "-e", "B=2", "--", "python", "-c", "--help"), 0);
    assert_int_equal(call.rest_count, 3);
    assert_string_equal(call.rest[2], "--help");
    assert_string_equal(call_option_at(&call, "env", 0), "A=1");
    assert_string_equal(call_option_at(&call, "env", 1), "B=2");
    assert_null(call_option_at(&call, "env", 2));
}

static void refuses(void **state)
{
    static const struct {
        const char *texts[6];
        const char *message; /* a part of it */
    } cases[] = {
        {{"atelier"}, "name a command"},
        {{"atelier", "bogus"}, "there is no command \"bogus\""},
        {{"atelier", "ray"}, "ray needs one of: create, up"},
        {{"atelier", "ray", "bogus"}, "there is no command \"ray bogus\""},
        {{"atelier", "get"}, "get needs: KIND"},
        {{"atelier", "get", "pods", "a", "b"}, "unexpected argument \"b\""},
        {{"atelier", "get", "pods", "--cpu", "2"}, "--cpu is not an option here"},
        {{"atelier", "--cpu", "2", "get", "pods"}, "before the command"},
        {{"atelier", "get", "pods", "-n"}, "--namespace needs a value"},
        {{"atelier", "get", "pods", "--watch=yes"}, "--watch takes no value"},
        {{"atelier", "get", "pods", "--", "x"}, "takes nothing after --"},
        {{"atelier", "ray", "submit", "c"}, "needs a command after --"},
        {{"atelier", "ray", "submit", "c", "--"}, "needs a command after --"},
        {{"atelier", "local", "up", "extra"}, "unexpected argument"},
        {{"atelier", "help", "bogus"}, "there is no command \"bogus\""},
        {{"atelier", "help", "ray", "bogus"}, "there is no command \"ray bogus\""},
        {{"atelier", "help", "get", "pods"}, "unexpected argument \"pods\""},
        {{"atelier", "help", "ray", "create", "--cpu"}, "unexpected argument \"--cpu\""},
        {{"atelier", "--version", "get", "pods"}, "--version is not an option before the command"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call;
        struct error error = {0};
        int count = 0;
        while (count < 6 && cases[i].texts[count])
            count++;
        assert_int_equal(command_parse(count, cases[i].texts, &call, &error), EXIT_USAGE);
        if (!strstr(error.message, cases[i].message))
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, error.message, cases[i].message);
    }
}

static void bounded(void **state)
{
    const char *texts[CALL_OPTIONS_MAX * 2 + 8] = {"atelier", "ray", "submit", "c"};
    struct call call;
    struct error error = {0};
    int count = 4;
    (void)state;
    for (int i = 0; i <= CALL_OPTIONS_MAX; i++) {
        texts[count++] = "-e";
        texts[count++] = "A=1";
    }
    assert_int_equal(command_parse(count, texts, &call, &error), EXIT_USAGE);
    assert_non_null(strstr(error.message, "options"));
}

static void numbers(void **state)
{
    struct call call;
    struct error error = {0};
    int64_t number = 0;
    (void)state;
    assert_int_equal(PARSE(&call, &error, "ray", "create", "c", "--replicas", "3", "--min", "x"), 0);
    assert_int_equal(call_number(&call, "replicas", 0, 10, 1, &number, &error), 0);
    assert_int_equal(number, 3);
    assert_int_equal(call_number(&call, "max", 0, 10, 7, &number, &error), 0);
    assert_int_equal(number, 7);
    assert_int_equal(call_number(&call, "replicas", 0, 2, 1, &number, &error), EXIT_USAGE);
    assert_int_equal(call_number(&call, "min", 0, 2, 1, &number, &error), EXIT_USAGE);
    assert_non_null(strstr(error.message, "--min"));
}

static void help(void **state)
{
    struct call call;
    struct error error = {0};
    (void)state;
    assert_int_equal(PARSE(&call, &error, "--help"), COMMAND_HELP);
    assert_null(call.command);
    assert_int_equal(PARSE(&call, &error, "ray", "--help"), COMMAND_HELP);
    assert_string_equal(call.group, "ray");
    AUTO_BUFFER struct buffer text = {0};
    command_help(NULL, call.group, &text);
    assert_non_null(strstr(text.p, "ray submit"));
    assert_null(strstr(text.p, "notebook create"));
    assert_int_equal(PARSE(&call, &error, "rays", "--help"), EXIT_USAGE);
    assert_int_equal(PARSE(&call, &error, "help"), COMMAND_HELP);
    assert_null(call.command);
    assert_null(call.group);
    assert_int_equal(PARSE(&call, &error, "help", "ray"), COMMAND_HELP);
    assert_string_equal(call.group, "ray");
    assert_int_equal(PARSE(&call, &error, "help", "ray", "create"), COMMAND_HELP);
    assert_string_equal(call.command->words, "ray create");
    assert_int_equal(PARSE(&call, &error, "-n", "alice", "help", "get"), COMMAND_HELP);
    assert_string_equal(call.command->words, "get");
    assert_int_equal(PARSE(&call, &error, "--version"), 0);
    assert_string_equal(call.command->words, "version");
    assert_int_equal(PARSE(&call, &error, "ray", "scale", "-h"), COMMAND_HELP);
    assert_string_equal(call.command->words, "ray scale");
}

/* Every command can be shown, has an example that parses as itself, and has no option twice. */
static void table_is_sound(void **state)
{
    (void)state;
    for (const struct command *command = commands; command->words; command++) {
        AUTO_BUFFER struct buffer text = {0};
        assert_non_null(command->run);
        assert_true(command->least <= command->most && command->most <= CALL_ARGUMENTS_MAX);
        assert_non_null(command->examples);
        AUTO_FREE char *start = memory_format("  atelier %s", command->words);
        assert_non_null(strstr(command->examples, start));
        command_help(command, NULL, &text);
        assert_non_null(strstr(text.p, command->summary));
        for (const struct option *a = command->options; a && a->name; a++)
            for (const struct option *b = a + 1; b->name; b++)
                assert_true(strcmp(a->name, b->name) != 0 && (!a->letter || a->letter != b->letter));
        for (const struct command *other = command + 1; other->words; other++)
            assert_string_not_equal(command->words, other->words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_anywhere),
        cmocka_unit_test(optional_values),
        cmocka_unit_test(rest_is_left_alone),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounded),
        cmocka_unit_test(numbers),
        cmocka_unit_test(help),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
