/* Which settings exist, and what does each hold? */
#include "controlplane/config.h"

#include <ctype.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/outbound.h"

#define CONFIG_FILE_MAX 65536 /* a secret's file: longer is surely another file */

const struct config_key config_keys[] = {
#define X(id, variable, type, fallback, least, most, reloadable, help)                                                 \
    {#id, variable, #type, fallback, help, least, most, reloadable},
    CONFIG_TABLE(X)
#undef X
};
const size_t config_key_count = COUNT_OF(config_keys);

static struct config_value *config_slot(const struct config *config, size_t index)
{
    static const size_t offsets[] = {
#define X(id, ...) offsetof(struct config, id),
        CONFIG_TABLE(X)
#undef X
    };
    return (struct config_value *)((char *)(uintptr_t)config + offsets[index]);
}

/* --- what is no key ----------------------------------------------------------------------------------------------- */
static int refuse_unknown(const char *key, struct error *error)
{
    struct nearest nearest = {.word = key};
    for (size_t i = 0; i < config_key_count; i++)
        nearest_offer(&nearest, slice_of(config_keys[i].name));
    char shown[80];
    text_printable(slice_of(key), shown, sizeof(shown));
    if (nearest.meant[0])
        return error_set(error, ERROR_INVALID, shown, "there is no setting \"%s\"; did you mean \"%s\"?", shown,
                         nearest.meant);
    return error_set(error, ERROR_INVALID, shown, "there is no setting \"%s\"; atelierd --help lists all", shown);
}

/* --- checking one value ------------------------------------------------------------------------------------------- */
static int refuse(const struct config_key *key, const char *expected, const char *text, struct error *error)
{
    char shown[80];
    text_printable(slice_of(strcmp(key->type, "SECRET") == 0 ? "(hidden)" : text), shown, sizeof(shown));
    return error_set(error, ERROR_INVALID, key->name, "%s (%s) is \"%s\"; expected %s", key->name, key->variable, shown,
                     expected);
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080". */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || colon == text || !text_parse_i64(slice_of(colon + 1), 1, 65535, &port))
        return false;
    if (text[0] == '[')
        return colon[-1] == ']' && colon - text > 3;
    struct slice host = {text, (size_t)(colon - text)};
    return memchr(host.p, ':', host.n) == NULL && name_is_subdomain(host);
}

static bool in_range(const struct config_key *key, int64_t number)
{
    return number >= key->least && number <= key->most;
}

static bool check_number(const struct config_key *key, struct config_value *value, const char **ret_expected)
{
    struct slice text = slice_of(value->text);
    if (strcmp(key->type, "INTEGER") == 0) {
        *ret_expected = "a whole number";
        return text_parse_i64(text, INT64_MIN, INT64_MAX, &value->number);
    }
    if (strcmp(key->type, "CPU") == 0) {
        *ret_expected = "a number of CPUs such as 32 or 500m";
        return quantity_parse_milli(text, &value->number);
    }
    *ret_expected = "a size such as 2Gi or 512Mi";
    return quantity_parse_bytes(text, &value->number);
}

static bool check_level(const char *text, int64_t *ret)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (int64_t)i;
            return true;
        }
    }
    return false;
}

static bool check_choice(const char *type, struct config_value *value, const char **ret_expected)
{
    bool truth = strcmp(type, "BOOL") == 0;
    *ret_expected = truth ? "true or false" : "local or kubernetes";
    value->number = strcmp(value->text, truth ? "true" : "kubernetes") == 0;
    return value->number || strcmp(value->text, truth ? "false" : "local") == 0;
}

static int check_value(const struct config_key *key, struct config_value *value, struct error *error)
{
    const char *type = key->type, *text = value->text, *expected = NULL;
    if (strcmp(type, "INTEGER") == 0 || strcmp(type, "CPU") == 0 || strcmp(type, "SIZE") == 0) {
        if (!check_number(key, value, &expected))
            return refuse(key, expected, text, error);
        if (in_range(key, value->number))
            return 0;
        char range[96];
        snprintf(range, sizeof(range), "between %lld and %lld%s", (long long)key->least, (long long)key->most,
                 type[0] == 'C'   ? " thousandths of a CPU"
                 : type[0] == 'S' ? " bytes"
                                  : "");
        return refuse(key, range, text, error);
    }
    for (const char *at = text; *at; at++) {
        if (iscntrl((unsigned char)*at))
            return refuse(key, "a text without control characters", text, error);
    }
    if (!in_range(key, (int64_t)strlen(text))) {
        char range[96];
        snprintf(range, sizeof(range), "%lld to %lld characters", (long long)key->least, (long long)key->most);
        return refuse(key, range, text, error);
    }
    if (strcmp(type, "ADDRESS") == 0 && *text && !is_address(text))
        return refuse(key, "ADDRESS:PORT such as 127.0.0.1:8080", text, error);
    if (strcmp(type, "DOMAIN") == 0 && !name_is_subdomain(slice_of(text)))
        return refuse(key, "a domain name in lower case", text, error);
    if (strcmp(type, "LABEL") == 0 && !name_is_label(slice_of(text)))
        return refuse(key, "a name of lower-case letters, digits and '-', at most 63", text, error);
    if ((strcmp(type, "BOOL") == 0 || strcmp(type, "ENGINE") == 0) && !check_choice(type, value, &expected))
        return refuse(key, expected, text, error);
    struct outbound_policy policy;
    if (strcmp(type, "OUTBOUND") == 0 && outbound_parse(slice_of(text), key->name, &policy, NULL) < 0)
        return refuse(key, OUTBOUND_EXPECTED ", none of them private, link-local or reserved", text, error);
    if (strcmp(type, "LEVEL") == 0 && !check_level(text, &value->number))
        return refuse(key, "debug, info, warn or error", text, error);
    return 0;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */
static const char *environment_of(const char *name)
{
    return getenv(name);
}

static int parse_file(struct slice yaml, cJSON **ret, struct error *error)
{
    if (slice_trim(yaml).n == 0) {
        *ret = json_object();
        return 0;
    }
    AUTO_JSON cJSON *tree = NULL;
    int status = yaml_parse(yaml, &json_limits_default, &tree, error);
    if (status < 0)
        return status;
    if (cJSON_IsNull(tree)) {
        *ret = json_object();
        return 0;
    }
    if (!cJSON_IsObject(tree))
        return error_set(error, ERROR_INVALID, NULL, "expected lines of the form \"key: value\"");
    const cJSON *item;
    cJSON_ArrayForEach(item, tree)
    {
        bool known = false;
        for (size_t i = 0; i < config_key_count && !known; i++)
            known = strcmp(item->string, config_keys[i].name) == 0;
        if (!known)
            return refuse_unknown(item->string, error);
    }
    *ret = TAKE_POINTER(tree);
    return 0;
}

/* The text of a scalar; a number is written as YAML had it, as long as it is whole. */
static int scalar_text(const struct config_key *key, const cJSON *item, char **ret, struct error *error)
{
    int64_t number;
    if (cJSON_IsString(item))
        *ret = memory_text(item->valuestring);
    else if (cJSON_IsBool(item) && strcmp(key->type, "BOOL") == 0)
        *ret = memory_text(cJSON_IsTrue(item) ? "true" : "false");
    else if (json_i64(item, &number))
        *ret = memory_format("%lld", (long long)number);
    else
        return error_set(error, ERROR_INVALID, key->name, "%s must be a text or a whole number", key->name);
    return 0;
}

static char *expand(const struct config *config, const char *fallback)
{
    if (strncmp(fallback, "{data}", 6) == 0)
        return memory_format("%s%s", config->data.text, fallback + 6);
    if (strncmp(fallback, "{run_dir}", 9) == 0)
        return memory_format("%s%s", config->run_dir.text, fallback + 9);
    return memory_text(fallback);
}

static int load_secret(struct config *config, struct error *error)
{
    if (!*config->database_url_file.text)
        return 0;
    if (*config->database_url.text)
        return error_set(error, ERROR_INVALID, "database_url_file",
                         "database_url and database_url_file are both set; keep one");
    AUTO_BUFFER struct buffer content = {0};
    int status = file_read(config->database_url_file.text, CONFIG_FILE_MAX, &content, error);
    if (status < 0)
        return error_wrap(error, "database_url_file");
    while (content.n && isspace((unsigned char)content.p[content.n - 1]))
        content.p[--content.n] = '\0';
    free(config->database_url.text);
    config->database_url.text = memory_text(content.n ? content.p : "");
    if (content.n)
        memory_wipe(content.p, content.n);
    return 0;
}

int config_load(struct slice yaml, const char *(*environment)(const char *name), struct config *ret,
                struct error *error)
{
    struct config config = {0};
    AUTO_JSON cJSON *file = NULL;
    int status = parse_file(yaml, &file, error);
    if (!environment)
        environment = environment_of;
    for (size_t i = 0; i < config_key_count && status == 0; i++) {
        const struct config_key *key = &config_keys[i];
        struct config_value *value = config_slot(&config, i);
        const char *given = environment(key->variable);
        const cJSON *item = json_member(file, key->name);
        if (given)
            value->text = memory_text(given);
        else if (item)
            status = scalar_text(key, item, &value->text, error);
        else
            value->text = expand(&config, key->fallback);
        if (status == 0)
            status = check_value(key, value, error);
    }
    if (status == 0)
        status = load_secret(&config, error);
    if (status < 0) {
        config_free(&config);
        return status;
    }
    *ret = config;
    return 0;
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config_key_count; i++) {
        struct config_value *value = config_slot(config, i);
        if (value->text && strcmp(config_keys[i].type, "SECRET") == 0)
            memory_wipe(value->text, strlen(value->text));
        free(value->text);
        *value = (struct config_value){0};
    }
}

void config_reload(struct config *config, const struct config *fresh, unsigned *ret_ignored)
{
    unsigned ignored = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        struct config_value *mine = config_slot(config, i);
        const struct config_value *theirs = config_slot(fresh, i);
        if (strcmp(mine->text, theirs->text) == 0)
            continue;
        if (!config_keys[i].reloadable) {
            ignored++;
            continue;
        }
        free(mine->text);
        mine->text = memory_text(theirs->text);
        mine->number = theirs->number;
    }
    if (ret_ignored)
        *ret_ignored = ignored;
}

enum log_level config_log_level(const struct config *config)
{
    return (enum log_level)config->log_level.number;
}

bool config_is_default(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return strcmp(config_slot(config, i)->text, config_keys[i].fallback) == 0;
    return false;
}

const char *config_port(const struct config *config)
{
    const char *colon = strrchr(config->listen.text, ':');
    return colon ? colon + 1 : "80";
}

/* --- printing ----------------------------------------------------------------------------------------------------- */
void config_print_help(struct buffer *ret)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        buffer_add_format(ret, "  %-20s %s\n  %-20s   %s%s%s\n", key->name, key->help, "", key->variable,
                          *key->fallback ? ", default " : "", key->fallback);
    }
}

void config_print_docs(struct buffer *ret)
{
    buffer_add_text(
        ret, "# Configuration of atelierd\n\n"
             "`atelierd --config FILE` reads one YAML file of `key: value` lines. Every key can be given in the\n"
             "environment instead, which wins. A key that does not exist is refused, naming the nearest one that\n"
             "does. `atelierd check-config` shows what would be used. SIGHUP reads the file again and takes over\n"
             "the keys marked so; the others need a restart. `{data}` and `{run_dir}` stand for those settings.\n"
             "This page is printed by `atelierd --print-config-docs`.\n\n"
             "Three variables are no settings: `ATELIER_CONFIG` names the file, `ATELIER_LOG_FORMAT=text` asks for\n"
             "readable log lines where stderr is no terminal, and to the descriptor `ATELIER_NOTIFY_FD` the line\n"
             "`ready` is written once atelierd serves.\n\n"
             "| key | environment | default | SIGHUP | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        buffer_add_format(ret, "| `%s` | `%s` | %s%s%s | %s | %s |\n", key->name, key->variable,
                          *key->fallback ? "`" : "", key->fallback, *key->fallback ? "`" : "",
                          key->reloadable ? "yes" : "", key->help);
    }
}

void config_print_values(const struct config *config, struct buffer *ret)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *text = config_slot(config, i)->text;
        if (strcmp(config_keys[i].type, "SECRET") == 0)
            text = *text ? "(set)" : "(not set)";
        buffer_add_format(ret, "%s: ", config_keys[i].name);
        buffer_add_json_string(ret, slice_of(text));
        buffer_add_text(ret, "\n");
    }
}
