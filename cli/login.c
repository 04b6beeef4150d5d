/* How does a person sign in on a command line, and switch between services? */
#include <errno.h>
#include <limits.h>
#include <termios.h>

#include "cli/client.h"
#include "cli/context.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define TOKEN_MAX 512

/* "https://ml.example.com:8443" -> "ml.example.com" */
static char *name_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return memory_text_n(host, strcspn(host, ":/"));
}

/* One line of stdin, not shown while it is typed. */
static int ask_token(char ret[TOKEN_MAX], struct error *error)
{
    struct termios before, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        fputs("API token (the console makes one under Account, Tokens): ", stderr);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    const char *line = fgets(ret, TOKEN_MAX, stdin);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputs("\n", stderr);
    }
    if (!line)
        return error_set(error, ERROR_INVALID, NULL, "no token was given on stdin");
    ret[strcspn(ret, "\r\n")] = '\0';
    if (!ret[0])
        return error_set(error, ERROR_INVALID, NULL, "no token was given on stdin");
    return 0;
}

static int check_ca(struct context *context, const char *path, struct error *error)
{
    char full[PATH_MAX];
    if (!path)
        return 0;
    if (!realpath(path, full) || access(full, R_OK) < 0)
        return error_set(error, ERROR_INVALID, "--ca", "%s: %s", path, strerrordesc_np(errno));
    context->ca_file = memory_text(full); /* the context is used from other directories */
    return 0;
}

/* Nothing is kept that does not work. */
static int try_context(struct call *call, const struct context *context, struct error *error)
{
    AUTO_JSON cJSON *whoami = NULL;
    struct client *client = NULL;
    int failed = client_use(call, context, &client, error);
    if (!failed)
        failed = client_json(call, "GET", "/api/atelier/v1/whoami", NULL, &whoami, error);
    if (!failed)
        say("signed in to %s as %s; context \"%s\"", context->url, json_text_or("?", whoami, "email", NULL),
            context->name);
    return failed;
}

int verb_login(struct call *call, struct error *error)
{
    char token[TOKEN_MAX];
    const char *url = call->arguments[0], *name = call_option(call, "name");
    struct context context = {0};
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return call_usage(error, "expected http://HOST or https://HOST, not \"%.80s\"", url);
    context.url = memory_text(url);
    while (slice_ends(slice_of(context.url), "/"))
        context.url[strlen(context.url) - 1] = '\0';
    context.name = name ? memory_text(name) : name_of(url);
    context.namespace = memory_text(call_option(call, "namespace"));
    int failed = strcmp(context.name, "local") == 0 || !context.name[0]
                     ? call_usage(error, "\"%.40s\" cannot be a context's name; choose one with --name", context.name)
                     : check_ca(&context, call_option(call, "ca"), error);
    if (!failed)
        failed = ask_token(token, error);
    if (!failed) {
        context.token = memory_text(token);
        failed = try_context(call, &context, error);
    }
    if (!failed)
        failed = context_save(&context, error);
    memory_wipe(token, sizeof(token));
    context_free(&context);
    return failed;
}

int verb_logout(struct call *call, struct error *error)
{
    struct context context = {0};
    const char *name = call->argument_count ? call->arguments[0] : NULL;
    int failed = context_find(name, &context, error);
    if (!failed && !context.name)
        failed = error_set(error, ERROR_INVALID, NULL, "the service of this machine needs no sign-in, and no sign-out");
    if (!failed)
        failed = context_remove(context.name, error);
    if (!failed)
        say("context \"%s\" is forgotten; its token stays good until it is deleted in the console", context.name);
    context_free(&context);
    return failed;
}

static void context_row(const cJSON *item, struct table *table)
{
    table_add(table, json_true(item, "current", NULL) ? "*" : " ");
    table_add(table, json_text(item, "name", NULL));
    table_add(table, json_text_or("(the admin socket of this machine)", item, "url", NULL));
    table_add(table, json_text(item, "namespace", NULL));
}

int verb_context_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"", "NAME", "URL", "PROFILE", NULL};
    AUTO_JSON cJSON *document = json_object();
    AUTO_BUFFER struct buffer raw = {0};
    cJSON *items = NULL;
    int failed = context_list(&items, error);
    if (failed)
        return failed;
    json_set(document, "items", items);
    AUTO_FREE char *text = json_print(document);
    buffer_add_text(&raw, text);
    return print_items(call, &raw, headers, context_row, error);
}

int verb_context_use(struct call *call, struct error *error)
{
    int failed = context_use(call->arguments[0], error);
    if (!failed)
        say("context \"%s\" is used from now on", call->arguments[0]);
    return failed;
}
