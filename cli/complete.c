/* What may stand where the cursor is, and how does a shell ask? */
#include "cli/client.h"
#include "cli/context.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define NAMES_MAX 500           /* candidates of one kind; nobody reads more */
#define LOOK_UP_TIMEOUT_MS 2000 /* a shell that waits longer feels broken */

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void offer(const char *text, const char *prefix)
{
    char printable[256];
    if (strncmp(text, prefix, strlen(prefix)) != 0)
        return;
    text_printable(slice_of(text), printable, sizeof(printable));
    puts(printable);
}

/* Names from the service; none if it cannot be asked now: completion never complains. */
static void offer_objects(struct call *call, const char *word, const char *before, const char *prefix)
{
    const struct resource *resource = resource_by_word(word);
    const char *namespace = NULL;
    AUTO_JSON cJSON *list = NULL;
    AUTO_BUFFER struct buffer raw = {0};
    const cJSON *item;
    if (!resource || (resource->namespaced && call_namespace(call, &namespace, NULL) != 0))
        return;
    AUTO_FREE char *collection = resource_path(resource, namespace, NULL);
    AUTO_FREE char *path = memory_format("%s?limit=%d", collection, NAMES_MAX);
    struct client_request request = {.method = "GET", .path = path, .timeout_ms = LOOK_UP_TIMEOUT_MS};
    if (client_send(call, &request, &raw, NULL) != 0 ||
        json_parse(buffer_slice(&raw), &json_limits_default, &list, NULL) != 0)
        return;
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        AUTO_FREE char *text = memory_format("%s%s", before, json_text_or("", item, "metadata", "name", NULL));
        offer(text, prefix);
    }
}

static void offer_kinds(const char *prefix)
{
    AUTO_BUFFER struct buffer words = {0};
    resource_words(&words);
    for (struct slice rest = buffer_slice(&words); rest.n;) {
        struct slice word = slice_trim(slice_split(rest, ',', &rest));
        AUTO_FREE char *text = memory_text_n(word.p, word.n);
        offer(text, prefix);
    }
}

static void offer_contexts(const char *prefix)
{
    AUTO_JSON cJSON *items = NULL;
    const cJSON *item;
    if (context_list(&items, NULL) < 0)
        return;
    cJSON_ArrayForEach(item, items) offer(json_text_or("", item, "name", NULL), prefix);
}

/* Everyone's groups of commands are offered by their first word, once. */
static void offer_commands(const char *first, const char *prefix)
{
    char last[64] = "";
    for (const struct command *command = commands; command->words; command++) {
        struct slice second;
        struct slice head = slice_split(slice_of(command->words), ' ', &second);
        char word[64];
        bool inside = first && slice_is(head, first) && second.n;
        if (first && !inside)
            continue;
        struct slice shown = first ? second : head;
        snprintf(word, sizeof(word), "%.*s", (int)shown.n, shown.p);
        if (strcmp(word, last) != 0 && word[0] != '_')
            offer(word, prefix);
        snprintf(last, sizeof(last), "%s", word);
    }
}

static void offer_option_names(const struct option *list, const char *prefix)
{
    for (; list && list->name; list++) {
        AUTO_FREE char *text = memory_format("--%s", list->name);
        offer(text, prefix);
    }
}

/* --- where the cursor is ------------------------------------------------------------------------------------------ */

static void offer_words(const char *words, const char *prefix)
{
    for (struct slice rest = slice_of(words); rest.n;) {
        struct slice word = slice_split(rest, ',', &rest);
        AUTO_FREE char *text = memory_text_n(word.p, word.n);
        offer(text, prefix);
    }
}

static bool offer_value(struct call *call, const char *option, const char *prefix)
{
    static const struct {
        const char *option, *values;
    } fixed[] = {
        {"output", "table,wide,name,json,yaml,jsonpath="}, {"role", "viewer,editor,admin"}, {"for", "ready,delete"}};
    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        if (strcmp(fixed[i].option, option) != 0)
            continue;
        offer_words(fixed[i].values, prefix);
        return true;
    }
    if (strcmp(option, "namespace") == 0)
        offer_objects(call, "profiles", "", prefix);
    else if (strcmp(option, "notebook") == 0)
        offer_objects(call, "notebooks", "", prefix);
    else if (strcmp(option, "ray") == 0 || strcmp(option, "cluster") == 0)
        offer_objects(call, "rayclusters", "", prefix);
    else if (strcmp(option, "context") == 0)
        offer_contexts(prefix);
    else
        return false;
    return true;
}

/* The kind whose names stand at the next argument: the command's own words tell, as its help does. */
static const char *kind_at(const struct call *call)
{
    const char *words = call->command->words, *arguments = call->command->arguments;
    if (strncmp(arguments, "CLUSTER", 7) == 0 || strcmp(words, "ray delete") == 0)
        return call->argument_count == 0 || strcmp(words, "ray delete") == 0 ? "rayclusters" : NULL;
    if (strncmp(arguments, "PROFILE", 7) == 0 || strncmp(words, "profile ", 8) == 0)
        return call->argument_count == 0 && strcmp(words, "profile create") != 0 ? "profiles" : NULL;
    if (strncmp(words, "notebook ", 9) == 0 && strcmp(words, "notebook create") != 0)
        return "notebooks";
    if (strncmp(words, "job ", 4) == 0 && strcmp(words, "job create") != 0)
        return call->argument_count == 0 || strcmp(words, "job delete") == 0 ? "rayjobs" : NULL;
    if (strcmp(words, "volume delete") == 0)
        return "persistentvolumeclaims";
    if (strncmp(arguments, "SERVICE", 7) == 0)
        return call->argument_count == 0 ? "services" : NULL;
    return NULL;
}

static void offer_argument(struct call *call, const char *prefix)
{
    const char *kind = kind_at(call), *slash = strchr(prefix, '/');
    bool asks = strncmp(call->command->arguments, "VERB", 4) == 0;
    bool takes_kind = asks || strncmp(call->command->arguments, "KIND", 4) == 0;
    if (asks && call->argument_count == 0)
        offer_words("get,list,watch,create,update,patch,delete", prefix);
    else if (kind)
        offer_objects(call, kind, "", prefix);
    else if (strncmp(call->command->words, "context ", 8) == 0 || strcmp(call->command->words, "logout") == 0)
        offer_contexts(prefix);
    else if (takes_kind && !asks && call->argument_count > 0)
        offer_objects(call, call->arguments[0], "", prefix);
    else if (slash) {
        AUTO_FREE char *word = memory_text_n(prefix, (size_t)(slash - prefix));
        AUTO_FREE char *before = memory_format("%s/", word);
        offer_objects(call, word, before, prefix);
    } else if (takes_kind)
        offer_kinds(prefix);
    else if (strncmp(call->command->arguments, "POD", 3) == 0) {
        offer_objects(call, "pods", "", prefix);
        offer_objects(call, "notebooks", "notebook/", prefix);
        offer_objects(call, "rayclusters", "raycluster/", prefix);
    }
}

/* The option whose value is being typed, or NULL. */
static const struct option *pending_option(const struct command *command, const char *word)
{
    if (word[0] != '-' || !word[1] || strchr(word, '='))
        return NULL;
    const struct option *option = word[1] == '-' ? command_option(command, word + 2, 0)
                                  : word[2]      ? NULL
                                                 : command_option(command, "", word[1]);
    return option && option_takes_next(option) ? option : NULL;
}

/* "__complete -- WORD... CURRENT": candidates for CURRENT, one a line. */
int verb_complete(struct call *call, struct error *error)
{
    struct call typed = {0};
    const char *texts[CALL_ARGUMENTS_MAX + CALL_OPTIONS_MAX];
    (void)error;
    if (call->rest_count == 0 || call->rest_count >= COUNT_OF(texts) - 1)
        return 0;
    const char *prefix = call->rest[call->rest_count - 1];
    int count = 0;
    texts[count++] = "atelier";
    for (unsigned i = 0; i + 1 < call->rest_count; i++)
        texts[count++] = call->rest[i];
    const char *last = texts[count - 1];
    command_parse(count, texts, &typed, NULL); /* what is typed so far is seldom complete: only what it found counts */
    const struct option *pending = count > 1 ? pending_option(typed.command, last) : NULL;
    if (pending) {
        typed.option_count -= typed.option_count > 0 && !typed.options[typed.option_count - 1].value ? 1 : 0;
        offer_value(&typed, pending->name, prefix);
    } else if (prefix[0] == '-') {
        offer_option_names(typed.command ? typed.command->options : NULL, prefix);
        offer_option_names(command_option(NULL, "namespace", 0), prefix);
    } else if (!typed.command) {
        offer_commands(count > 1 && last[0] != '-' && strcmp(last, "help") != 0 ? last : NULL, prefix);
    } else {
        if (typed.argument_count == 0)
            offer_commands(last, prefix);
        offer_argument(&typed, prefix);
    }
    client_free(typed.client);
    return 0;
}

/* --- the scripts -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash", "# bash completion for atelier: . <(atelier completion bash)\n"
             "_atelier() {\n"
             "    local IFS=$'\\n'\n"
             "    COMPREPLY=($(atelier __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
             "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
             "}\n"
             "complete -o filenames -F _atelier atelier\n"},
    {"zsh", "#compdef atelier\n"
            "# zsh completion for atelier: atelier completion zsh > \"${fpath[1]}/_atelier\"\n"
            "_atelier() {\n"
            "    local -a found\n"
            "    found=(${(f)\"$(atelier __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
            "    if (( ${#found} )); then compadd -- $found; else _files; fi\n"
            "}\n"
            "compdef _atelier atelier\n"
            "# Loaded from fpath by the first Tab, which is to be answered, too.\n"
            "if [ \"$funcstack[1]\" = _atelier ]; then _atelier; fi\n"},
    {"fish", "# fish completion for atelier: atelier completion fish > ~/.config/fish/completions/atelier.fish\n"
             "function __atelier_complete\n"
             "    set -l words (commandline -opc) (commandline -ct)\n"
             "    set -l found (atelier __complete -- $words[2..-1] 2>/dev/null)\n"
             "    if test (count $found) -gt 0\n"
             "        printf '%s\\n' $found\n"
             "    else\n"
             "        __fish_complete_path (commandline -ct)\n"
             "    end\n"
             "end\n"
             "complete -c atelier -f -a '(__atelier_complete)'\n"},
};

int verb_completion(struct call *call, struct error *error)
{
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (strcmp(call->arguments[0], scripts[i].shell) == 0)
            return print_text(scripts[i].script, error);
    }
    return call_usage(error, "\"%.40s\" is not a shell known here: expected bash, zsh or fish", call->arguments[0]);
}
