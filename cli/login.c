/* How does a person sign in on a command line, and switch between services? */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/random.h"
#include "cli/browser.h"
#include "cli/client.h"
#include "cli/context.h"
#include "cli/duration.h"
#include "cli/object.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#define TOKEN_MAX 512
#define HOST_NAME_SIZE 65              /* Linux' HOST_NAME_MAX; the service takes as much */
#define TTL_DEFAULT_S (90LL * 86400)   /* of a token that a browser approved */
#define APPROVAL_WAIT_MS (5 * 60000LL) /* to sign in, read and decide */

/* "https://ml.example.com:8443" -> "ml.example.com" */
static char *name_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return memory_text_n(host, strcspn(host, ":/"));
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

/* --- by browser: a secret stays here, its SHA-256 goes through the browser, a code comes back (RFC 7636) ------------
 */

struct approval {
    char *verifier, *state;
    uint16_t port; /* 0: the person copies the code */
    int64_t ttl_s;
};

static char *approval_url(const struct context *context, const struct approval *approval)
{
    AUTO_BUFFER struct buffer url = {0};
    uint8_t digest[DIGEST_SIZE];
    char host[HOST_NAME_SIZE] = "this machine";
    digest_sha256(slice_of(approval->verifier), digest);
    AUTO_FREE char *challenge = text_base64url(digest, sizeof(digest));
    if (gethostname(host, sizeof(host)) == 0)
        host[sizeof(host) - 1] = '\0';
    buffer_add_format(&url, "%s/cli-login?challenge=%s&ttl=%lld&host=", context->url, challenge,
                      (long long)approval->ttl_s);
    text_percent(slice_of(host), &url);
    if (approval->port)
        buffer_add_format(&url, "&port=%u&state=%s", approval->port, approval->state);
    return buffer_take(&url);
}

/* The code that the person's browser brings, or that they copy from it. */
static int get_code(const struct context *context, struct approval *approval, bool by_hand,
                    char ret_code[LOOPBACK_CODE_SIZE], struct error *error)
{
    int fd = -1;
    int failed = by_hand ? 0 : loopback_listen(&fd, &approval->port, error);
    if (failed)
        return failed;
    AUTO_FREE char *url = approval_url(context, approval);
    if (by_hand) {
        say("Open this page in a browser where you are signed in, and allow it:");
        fprintf(stderr, "\n    %s\n\n", url);
        return terminal_ask("The code it shows: ", true, ret_code, LOOPBACK_CODE_SIZE, error);
    }
    if (browser_open(url))
        say("Your browser asks whether this command line may act as you. If it does not, open:");
    else
        say("There is no browser here that could be opened (--no-browser lets you copy a code instead). Open:");
    fprintf(stderr, "\n    %s\n\n", url);
    failed = loopback_wait(fd, approval->state, APPROVAL_WAIT_MS, ret_code, error);
    close(fd);
    return failed;
}

static int redeem(struct call *call, struct context *context, const char *code, const char *verifier,
                  struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    AUTO_JSON cJSON *answer = NULL;
    struct client *client = NULL;
    int64_t id = 0;
    json_set_text(body, "code", code);
    json_set_text(body, "verifier", verifier);
    int failed = client_use(call, context, &client, error);
    if (!failed)
        failed = client_json(call, "POST", "/auth/cli", body, &answer, error);
    if (!failed && !json_text(answer, "token", NULL))
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the service's answer holds no token");
    if (!failed) {
        context->token = memory_text(json_text(answer, "token", NULL));
        if (json_i64(json_member(answer, "id"), &id))
            context->token_id = memory_format("%lld", (long long)id);
        memory_wipe(json_member(answer, "token")->valuestring, strlen(context->token));
    }
    return failed;
}

static int sign_in_by_browser(struct call *call, struct context *context, struct error *error)
{
    char code[LOOPBACK_CODE_SIZE] = "";
    const char *ttl = call_option(call, "ttl");
    struct approval approval = {.ttl_s = TTL_DEFAULT_S};
    (void)duration_parse(slice_of(ttl ? ttl : ""), &approval.ttl_s);
    approval.verifier = random_token(DIGEST_SIZE);
    approval.state = random_token(DIGEST_SIZE);
    int failed = get_code(context, &approval, call_flag(call, "no-browser"), code, error);
    if (!failed)
        failed = redeem(call, context, code, approval.verifier, error);
    memory_wipe(approval.verifier, strlen(approval.verifier));
    free(approval.verifier);
    free(approval.state);
    return failed;
}

static int sign_in_by_token(struct context *context, struct error *error)
{
    char token[TOKEN_MAX];
    int failed = terminal_ask("API token (the console makes one under Tokens): ", false, token, sizeof(token), error);
    if (!failed)
        context->token = memory_text(token);
    memory_wipe(token, sizeof(token));
    return failed;
}

int verb_login(struct call *call, struct error *error)
{
    const char *url = call->arguments[0], *name = call_option(call, "name");
    struct context context = {0};
    bool by_token = call_flag(call, "token") || (!call_flag(call, "no-browser") && isatty(STDIN_FILENO) != 1);
    if (call_flag(call, "token") && call_flag(call, "no-browser"))
        return call_usage(error, "--token and --no-browser exclude each other");
    context.url = client_base(url);
    if (!context.url)
        return call_usage(error, "expected http://HOST or https://HOST, not \"%.80s\"", url);
    context.name = name ? memory_text(name) : name_of(url);
    context.namespace = memory_text(call_option(call, "namespace"));
    int failed = strcmp(context.name, "local") == 0 || !context.name[0]
                     ? call_usage(error, "\"%.40s\" cannot be a context's name; choose one with --name", context.name)
                     : check_ca(&context, call_option(call, "ca"), error);
    if (!failed)
        failed = by_token ? sign_in_by_token(&context, error) : sign_in_by_browser(call, &context, error);
    if (!failed)
        failed = try_context(call, &context, error);
    if (!failed)
        failed = context_save(&context, error);
    context_free(&context);
    return failed;
}

/* What a browser approved for this context ends with it; a token given by hand may be used elsewhere and stays. */
static void end_token(struct call *call, const struct context *context)
{
    struct error error = {0};
    struct client *client = NULL;
    AUTO_FREE char *path = client_path("/api/atelier/v1/tokens", context->token_id, NULL);
    int failed = client_use(call, context, &client, &error);
    if (!failed)
        failed = client_json(call, "DELETE", path, NULL, NULL, &error);
    if (failed && failed != -ERROR_UNAUTHENTICATED && failed != -ERROR_NOT_FOUND)
        say("its token could not be deleted (%s): do it in the console, under Tokens", error.message);
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
    if (!failed && context.token_id)
        end_token(call, &context);
    if (!failed)
        say("context \"%s\" is forgotten%s", context.name,
            context.token_id ? "" : "; its token stays good until it is deleted in the console");
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
    static const struct listing listing = {headers, context_row, "name", false};
    AUTO_JSON cJSON *document = json_object();
    cJSON *items = NULL;
    int failed = context_list(&items, error);
    if (failed)
        return failed;
    json_set(document, "items", items);
    return print_items(call, document, &listing, error);
}

int verb_context_use(struct call *call, struct error *error)
{
    const char *namespace = call_option(call, "namespace");
    int failed = context_use(call->arguments[0], namespace, error);
    if (!failed)
        say("context \"%s\" is used from now on%s%s", call->arguments[0], namespace ? ", in the profile " : "",
            namespace ? namespace : "");
    return failed;
}
