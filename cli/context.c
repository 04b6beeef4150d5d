/* Which services has this person signed in to, and where is that kept? */
#include "cli/context.h"

#include <sys/stat.h>

#include "base/file.h"

#define FILE_MAX ((size_t)1 << 20) /* some hundred contexts, each with a CA's path and a token */

static char *file_path(void)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        return memory_format("%s/atelier/contexts.json", base);
    return home && home[0] == '/' ? memory_format("%s/.config/atelier/contexts.json", home) : NULL;
}

/* An absent file is an empty document. */
static int load(cJSON **ret, struct error *error)
{
    AUTO_FREE char *path = file_path();
    AUTO_BUFFER struct buffer text = {0};
    struct stat info;
    if (!path || stat(path, &info) < 0) {
        *ret = json_object();
        return 0;
    }
    if (info.st_mode & 077)
        return error_set(error, ERROR_INVALID, NULL, "%s holds tokens and may be read by others: chmod 600 it", path);
    int failed = file_read(path, FILE_MAX, &text, error);
    if (!failed)
        failed = json_parse(buffer_slice(&text), &json_limits_default, ret, error);
    memory_wipe(text.p, text.n);
    if (failed)
        return error_wrap(error, "%s", path);
    if (!cJSON_IsObject(*ret)) {
        cJSON_Delete(*ret);
        *ret = NULL;
        return error_set(error, ERROR_INVALID, NULL, "%s: expected a JSON object", path);
    }
    return 0;
}

static int store(const cJSON *document, struct error *error)
{
    AUTO_FREE char *path = file_path();
    if (!path)
        return error_set(error, ERROR_INVALID, NULL, "HOME is not set: there is no place to keep a context");
    AUTO_FREE char *directory = memory_text_n(path, (size_t)(strrchr(path, '/') - path));
    AUTO_FREE char *text = json_print_pretty(document);
    int failed = file_make_directories(directory, 0700, error);
    if (!failed)
        failed = file_write(path, slice_of(text), 0600, error);
    memory_wipe(text, strlen(text));
    return failed;
}

static char *text_of(const cJSON *entry, const char *key)
{
    return memory_text(json_text(entry, key, NULL));
}

int context_find(const char *name, struct context *ret, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    *ret = (struct context){0};
    int failed = load(&document, error);
    if (failed)
        return failed;
    const char *wanted = name ? name : json_text(document, "current", NULL);
    if (!wanted || strcmp(wanted, "local") == 0)
        return 0;
    const cJSON *entry = json_at(document, "contexts", wanted, NULL);
    if (!json_text(entry, "url", NULL))
        return error_set(error, ERROR_NOT_FOUND, NULL,
                         "there is no context \"%.60s\": `atelier context list` shows them", wanted);
    *ret = (struct context){.name = memory_text(wanted),
                            .url = text_of(entry, "url"),
                            .token = text_of(entry, "token"),
                            .token_id = text_of(entry, "tokenId"),
                            .ca_file = text_of(entry, "ca"),
                            .namespace = text_of(entry, "namespace")};
    return 0;
}

void context_free(struct context *context)
{
    if (context->token)
        memory_wipe(context->token, strlen(context->token));
    free(context->name);
    free(context->url);
    free(context->token);
    free(context->token_id);
    free(context->ca_file);
    free(context->namespace);
    *context = (struct context){0};
}

int context_save(const struct context *context, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    int failed = load(&document, error);
    if (failed)
        return failed;
    cJSON *entry = json_set(json_object_in(document, "contexts"), context->name, json_object());
    json_set_text(entry, "url", context->url);
    json_set_text(entry, "token", context->token);
    json_set_text(entry, "tokenId", context->token_id);
    json_set_text(entry, "ca", context->ca_file);
    json_set_text(entry, "namespace", context->namespace);
    json_set_text(document, "current", context->name);
    return store(document, error);
}

static int check_known(const cJSON *document, const char *name, struct error *error)
{
    if (strcmp(name, "local") == 0 || json_at(document, "contexts", name, NULL))
        return 0;
    return error_set(error, ERROR_NOT_FOUND, NULL, "there is no context \"%.60s\": `atelier context list` shows them",
                     name);
}

int context_use(const char *name, const char *namespace, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    int failed = load(&document, error);
    if (!failed)
        failed = check_known(document, name, error);
    cJSON *entry = json_member(json_member(document, "contexts"), name);
    if (!failed && namespace && !entry)
        failed = error_set(error, ERROR_INVALID, NULL,
                           "the service of this machine keeps no profile to work in: set ATELIER_NAMESPACE");
    if (failed)
        return failed;
    if (namespace)
        json_set_text(entry, "namespace", namespace);
    json_set_text(document, "current", name);
    return store(document, error);
}

int context_remove(const char *name, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    int failed = load(&document, error);
    if (!failed)
        failed = check_known(document, name, error);
    if (failed)
        return failed;
    json_remove(json_member(document, "contexts"), name);
    if (strcmp(json_text_or("", document, "current", NULL), name) == 0)
        json_remove(document, "current");
    return store(document, error);
}

static void list_one(cJSON *array, const char *name, const cJSON *entry, const char *current)
{
    cJSON *item = json_push(array, json_object());
    json_set_text(item, "name", name);
    json_set_text(item, "url", json_text(entry, "url", NULL));
    json_set_text(item, "namespace", json_text(entry, "namespace", NULL));
    json_set_bool(item, "current", strcmp(name, current) == 0);
}

int context_list(cJSON **ret_array, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    const cJSON *entry;
    int failed = load(&document, error);
    if (failed)
        return failed;
    const char *current = json_text_or("local", document, "current", NULL);
    *ret_array = json_array();
    list_one(*ret_array, "local", NULL, current);
    cJSON_ArrayForEach(entry, json_member(document, "contexts")) list_one(*ret_array, entry->string, entry, current);
    return 0;
}
