/* Which command is meant, and with which arguments and options? */
#include "cli/command.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>

#include "base/json.h"
#include "base/log.h"
#include "base/nearest.h"
#include "cli/client.h"
#include "cli/object.h"

static const struct option global_options[] = {
    {"namespace", 'n', "NS", "the profile to work in (default: ATELIER_NAMESPACE, or your only profile)"},
    {"output", 'o', "FORMAT", "table (default), wide, name, json, yaml or jsonpath=TEMPLATE, as in kubectl"},
    {"context", 0, "NAME", "the service to use: a context that `atelier login` made, or local"},
    {"quiet", 'q', NULL, "no progress on stderr, only what went wrong"},
    {"help", 'h', NULL, "this help"},
    {NULL, 0, NULL, NULL},
};

int call_usage(struct error *error, const char *format, ...)
{
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_set(error, ERROR_BAD_REQUEST, NULL, "%s", text);
    return EXIT_USAGE;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static const struct option *find_option(const struct option *list, struct slice name, char letter)
{
    for (; list && list->name; list++)
        if (letter ? list->letter == letter : slice_is(name, list->name))
            return list;
    return NULL;
}

static const struct option *known_option(const struct command *command, struct slice name, char letter)
{
    const struct option *option = find_option(command ? command->options : NULL, name, letter);
    return option ? option : find_option(global_options, name, letter);
}

const struct option *command_option(const struct command *command, const char *name, char letter)
{
    return known_option(command, slice_of(name), letter);
}

bool option_takes_next(const struct option *option)
{
    return option->value && option->value[0] != '[';
}

static int keep_option(struct call *call, const struct option *option, const char *value, struct error *error)
{
    if (call->option_count == CALL_OPTIONS_MAX)
        return call_usage(error, "more than %d options", CALL_OPTIONS_MAX);
    call->options[call->option_count].option = option;
    call->options[call->option_count++].value = value;
    return 0;
}

static int unknown_option(const struct call *call, const char *text, struct error *error)
{
    if (strcmp(text, "-A") == 0 || strcmp(text, "--all-namespaces") == 0)
        return call->command ? call_usage(error, "%s takes no %s: it is about one profile at most; lists take it",
                                          call->command->words, text)
                             : call_usage(error, "%s goes behind the command, as in: atelier get pods -A", text);
    const char *where = call->command ? "here" : "before the command";
    struct nearest nearest = {.word = text[1] == '-' ? text + 2 : ""};
    const struct option *lists[] = {call->command ? call->command->options : NULL, global_options};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (const struct option *option = lists[i]; option && option->name; option++)
            nearest_offer(&nearest, slice_of(option->name));
    if (nearest.meant[0])
        return call_usage(error, "%.80s is not an option %s; did you mean --%s?", text, where, nearest.meant);
    return call_usage(error, "%.80s is not an option %s", text, where);
}

/* "-it": flags by their letters, of which the last may have a value, as the rest of this text or as the next one. */
static int take_letters(struct call *call, int count, const char *const *texts, int *at, struct error *error)
{
    for (const char *letter = texts[*at] + 1; *letter; letter++) {
        const struct option *option = known_option(call->command, (struct slice){0}, *letter);
        if (!option)
            return unknown_option(call, texts[*at], error);
        bool takes = option_takes_next(option);
        if (takes && !letter[1] && *at + 1 >= count)
            return call_usage(error, "--%s needs a value: %s", option->name, option->value);
        int failed = keep_option(call, option, !takes ? NULL : letter[1] ? letter + 1 : texts[++*at], error);
        if (failed || takes)
            return failed;
    }
    return 0;
}

/* Takes the option at texts[*at], and its value from the next text if it is not part of the same one. */
static int take_option(struct call *call, int count, const char *const *texts, int *at, struct error *error)
{
    const char *text = texts[*at], *equals = strchr(text, '='), *value = equals ? equals + 1 : NULL;
    if (text[1] != '-')
        return take_letters(call, count, texts, at, error);
    struct slice rest, name = slice_split(slice_of(text + 2), '=', &rest);
    const struct option *option = known_option(call->command, name, 0);
    if (!option)
        return unknown_option(call, text, error);
    if (!option->value && value)
        return call_usage(error, "--%s takes no value", option->name);
    if (option->value && !option_takes_next(option) && !value)
        value = "";
    if (option->value && !value) {
        if (*at + 1 >= count)
            return call_usage(error, "--%s needs a value: %s", option->name, option->value);
        value = texts[++*at];
    }
    return keep_option(call, option, value, error);
}

const char *call_option_at(const struct call *call, const char *name, unsigned index)
{
    for (unsigned i = 0; i < call->option_count; i++)
        if (strcmp(call->options[i].option->name, name) == 0 && index-- == 0)
            return call->options[i].value;
    return NULL;
}

const char *call_option(const struct call *call, const char *name)
{
    const char *found = NULL;
    for (unsigned i = 0; i < call->option_count; i++)
        if (strcmp(call->options[i].option->name, name) == 0)
            found = call->options[i].value;
    return found;
}

const char *call_option_or(const struct call *call, const char *name, const char *fallback)
{
    const char *value = call_option(call, name);
    return value ? value : fallback;
}

bool call_flag(const struct call *call, const char *name)
{
    for (unsigned i = 0; i < call->option_count; i++)
        if (strcmp(call->options[i].option->name, name) == 0)
            return true;
    return false;
}

int call_number(const struct call *call, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *ret,
                struct error *error)
{
    const char *text = call_option(call, name);
    if (!text) {
        *ret = fallback;
        return 0;
    }
    if (text_parse_i64(slice_of(text), least, most, ret))
        return 0;
    return call_usage(error, "--%s: expected a whole number from %lld to %lld", name, (long long)least,
                      (long long)most);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static const struct command *find_command(const char *first, const char *second, int *ret_words)
{
    AUTO_FREE char *both = second ? memory_format("%s %s", first, second) : NULL;
    for (const struct command *command = commands; command->words; command++) {
        if (both && strcmp(command->words, both) == 0) {
            *ret_words = 2;
            return command;
        }
    }
    for (const struct command *command = commands; command->words; command++) {
        if (strcmp(command->words, first) == 0) {
            *ret_words = 1;
            return command;
        }
    }
    return NULL;
}

static bool begins_with_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    return strncmp(words, word, length) == 0 && words[length] == ' ';
}

static bool is_group(const char *word)
{
    for (const struct command *command = commands; command->words; command++)
        if (begins_with_word(command->words, word))
            return true;
    return false;
}

/* Among the first words of commands; or, with <group>, the second ones of its commands. */
static void find_nearest(const char *group, struct nearest *nearest)
{
    for (const struct command *command = commands; command->words; command++) {
        struct slice second, first = slice_split(slice_of(command->words), ' ', &second);
        if (!group && first.p[0] != '_')
            nearest_offer(nearest, first);
        if (group && begins_with_word(command->words, group))
            nearest_offer(nearest, second);
    }
}

static int refuse_command(const char *first, const char *second, struct error *error)
{
    bool group = is_group(first);
    struct nearest nearest = {.word = group ? second : first};
    if (!group || second)
        find_nearest(group ? first : NULL, &nearest);
    AUTO_BUFFER struct buffer known = {0};
    for (const struct command *command = commands; command->words; command++)
        if (begins_with_word(command->words, first))
            buffer_add_format(&known, "%s%s", known.n ? ", " : "", command->words + strlen(first) + 1);
    if (group && nearest.meant[0])
        return call_usage(error, "there is no command \"%.40s %.40s\"; did you mean \"%s %s\"?", first, second, first,
                          nearest.meant);
    if (group && second)
        return call_usage(error, "there is no command \"%.40s %.40s\"; there are: %s", first, second, known.p);
    if (group)
        return call_usage(error, "%s needs one of: %s", first, known.p);
    if (nearest.meant[0])
        return call_usage(error, "there is no command \"%.80s\"; did you mean \"%s\"?", first, nearest.meant);
    return call_usage(error, "there is no command \"%.80s\"; `atelier --help` lists them", first);
}

static int check_arguments(const struct call *call, struct error *error)
{
    const struct command *command = call->command;
    if (call->argument_count < command->least)
        return call_usage(error, "%s needs: %s", command->words, command->arguments);
    if (call->argument_count > command->most)
        return call_usage(error, "%s: unexpected argument \"%.80s\"", command->words, call->arguments[command->most]);
    if (command->rest && call->rest_count == 0)
        return call_usage(error, "%s needs a command after --", command->words);
    return 0;
}

static int take_arguments(struct call *call, int count, const char *const *texts, int at, struct error *error)
{
    for (; at < count; at++) {
        if (strcmp(texts[at], "--") == 0) {
            if (!call->command->rest)
                return call_usage(error, "%s takes nothing after --", call->command->words);
            call->rest = texts + at + 1;
            call->rest_count = (unsigned)(count - at - 1);
            return 0;
        }
        if (texts[at][0] == '-' && texts[at][1]) {
            int failed = take_option(call, count, texts, &at, error);
            if (failed)
                return failed;
            continue;
        }
        if (call->argument_count == CALL_ARGUMENTS_MAX)
            return call_usage(error, "more than %d arguments", CALL_ARGUMENTS_MAX);
        call->arguments[call->argument_count++] = texts[at];
    }
    return 0;
}

/* Those with a namespace of our own, a description and a value are the only options allowed before the command. */
static int take_leading_options(struct call *call, int count, const char *const *texts, int *at, struct error *error)
{
    for (; *at < count && texts[*at][0] == '-' && texts[*at][1]; ++*at) {
        int failed = take_option(call, count, texts, at, error);
        if (failed)
            return failed;
    }
    return 0;
}

/* "help COMMAND": the words of a command or of a group, and nothing else. */
static int parse_help(struct call *call, int count, const char *const *texts, struct error *error)
{
    int words = 1;
    const char *second = count > 1 ? texts[1] : NULL;
    if (count == 0)
        return COMMAND_HELP;
    call->command = find_command(texts[0], second, &words);
    if (!call->command && is_group(texts[0]))
        call->group = texts[0];
    if (!call->command && (second || !call->group))
        return refuse_command(texts[0], second, error);
    if (count > words)
        return call_usage(error, "help takes one command; unexpected argument \"%.80s\"", texts[words]);
    return COMMAND_HELP;
}

int command_parse(int count, const char *const *texts, struct call *ret, struct error *error)
{
    int at = 1, words = 0;
    *ret = (struct call){0};
    if (count == 2 && strcmp(texts[1], "--version") == 0) {
        ret->command = find_command("version", NULL, &words);
        return 0;
    }
    int failed = take_leading_options(ret, count, texts, &at, error);
    if (failed)
        return failed;
    if (call_flag(ret, "help"))
        return COMMAND_HELP;
    if (at < count && strcmp(texts[at], "help") == 0)
        return parse_help(ret, count - at - 1, texts + at + 1, error);
    if (at >= count)
        return call_usage(error, "name a command; `atelier --help` lists them");
    const char *second = at + 1 < count && texts[at + 1][0] != '-' ? texts[at + 1] : NULL;
    ret->command = find_command(texts[at], second, &words);
    bool help = at + 1 < count && (strcmp(texts[at + 1], "--help") == 0 || strcmp(texts[at + 1], "-h") == 0);
    if (!ret->command && help && is_group(texts[at])) {
        ret->group = texts[at];
        return COMMAND_HELP;
    }
    if (!ret->command && is_group(texts[at]))
        ret->group = texts[at];
    if (!ret->command)
        return refuse_command(texts[at], second, error);
    failed = take_arguments(ret, count, texts, at + words, error);
    if (!failed && call_flag(ret, "help"))
        return COMMAND_HELP;
    return failed ? failed : check_arguments(ret, error);
}

/* --- help --------------------------------------------------------------------------------------------------------- */

static void help_options(const struct option *list, struct buffer *ret)
{
    for (; list && list->name; list++) {
        char left[64];
        char letter[5] = "    ";
        if (list->letter)
            snprintf(letter, sizeof(letter), "-%c, ", list->letter);
        snprintf(left, sizeof(left), "--%s%s%s", list->name, option_takes_next(list) ? " " : "",
                 list->value ? list->value : "");
        buffer_add_format(ret, "  %s%-22s ", letter, left);
        if (strlen(left) > 22)
            buffer_add_format(ret, "\n      %-22s ", "");
        buffer_add_format(ret, "%s\n", list->help);
    }
}

static void help_overview(const char *group, struct buffer *ret)
{
    if (group)
        buffer_add_format(ret, "Usage: atelier [-n NS] [-o FORMAT] %s COMMAND ...\n\nCommands:\n", group);
    else
        buffer_add_text(ret, "Atelier: notebooks and Ray clusters for many people on one machine or on Kubernetes.\n\n"
                             "Usage: atelier [-n NS] [-o FORMAT] COMMAND ...\n\nCommands:\n");
    for (const struct command *command = commands; command->words; command++) {
        char left[96];
        if (command->words[0] == '_' || (group && !begins_with_word(command->words, group)))
            continue;
        snprintf(left, sizeof(left), "%s %s", command->words, command->arguments);
        if (strlen(left) > 40)
            buffer_add_format(ret, "  %s\n  %-40s %s\n", left, "", command->summary);
        else
            buffer_add_format(ret, "  %-40s %s\n", left, command->summary);
    }
    buffer_add_text(ret, "\nOptions everywhere:\n");
    help_options(global_options, ret);
    buffer_add_text(
        ret, "\nEnvironment:\n"
             "  ATELIER_URL, ATELIER_TOKEN    a service elsewhere and an API token for it; without them the one on\n"
             "                                this machine, as platform admin (root or its own user only)\n"
             "  ATELIER_CA                    the CA that its certificate comes from\n"
             "  ATELIER_CONTEXT               what --context says when it is not given\n"
             "  ATELIER_DATA                  data directory of the one on this machine\n"
             "  ATELIER_NAMESPACE             what -n says when it is not given\n"
             "  NO_COLOR                      no colours, which only terminals get anyway\n"
             "\nExit codes: 0 it worked, 1 it did not, 2 the command line was wrong; of exec the command's own.\n"
             "\n`atelier COMMAND --help` (or `help COMMAND`) shows options and examples, `atelier --version` the "
             "release.\n");
}

void command_help(const struct command *command, const char *group, struct buffer *ret)
{
    if (!command) {
        help_overview(group, ret);
        return;
    }
    buffer_add_format(ret, "%s\n\nUsage: atelier %s%s%s%s%s\n", command->summary, command->words,
                      command->arguments[0] ? " " : "", command->arguments, command->options ? " [options]" : "",
                      command->rest ? " -- COMMAND..." : "");
    if (command->options) {
        buffer_add_text(ret, "\nOptions:\n");
        help_options(command->options, ret);
    }
    buffer_add_text(ret, "\nOptions everywhere:\n");
    help_options(global_options, ret);
    if (command->examples)
        buffer_add_format(ret, "\nExamples:\n%s", command->examples);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static int run(struct call *call, struct error *error)
{
    int result = call->command->run(call, error);
    client_free(call->client);
    call->client = NULL;
    if (fflush(stdout) != 0 && result == 0)
        return error_set(error, ERROR_INTERNAL, NULL, "stdout: %s", strerrordesc_np(errno));
    return result;
}

int command_main(int count, const char *const *texts)
{
    struct call call;
    struct error error = {0};
    log_start("atelier", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    int result = command_parse(count, texts, &call, &error);
    if (result == COMMAND_HELP) {
        AUTO_BUFFER struct buffer help = {0};
        command_help(call.command, call.group, &help);
        return fwrite(help.p, 1, help.n, stdout) == help.n && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
    }
    if (result == 0)
        result = call_check(&call, &error);
    if (result == 0) {
        say_quiet(call_flag(&call, "quiet"));
        result = run(&call, &error);
    }
    if (result == EXIT_USAGE && error.code) {
        say_failure(&error);
        const char *about = call.command ? call.command->words : call.group ? call.group : "";
        fprintf(stderr, "atelier: see `atelier %s%s--help`\n", about, *about ? " " : "");
    } else if (result < 0) {
        say_failure(&error);
        return EXIT_FAILED;
    }
    return result;
}
