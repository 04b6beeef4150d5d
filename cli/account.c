/* What may a person change about their own account: the password, and where they are signed in? */
#include "cli/client.h"
#include "cli/context.h"
#include "cli/object.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#define API "/api/atelier/v1"
#define PASSWORD_SIZE 1025 /* the service takes 1024 bytes */

/* --- the password ------------------------------------------------------------------------------------------------- */

static int sign_in(struct call *call, struct client *client, const char *email, const char *password,
                   struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    AUTO_JSON cJSON *whoami = NULL;
    json_set_text(body, "email", email);
    json_set_text(body, "password", password);
    client_as_browser(client, NULL);
    int failed = client_json(call, "POST", "/auth/login", body, NULL, error);
    memory_wipe(json_member(body, "password")->valuestring, strlen(password));
    if (!failed)
        failed = client_json(call, "GET", API "/whoami", NULL, &whoami, error);
    if (!failed)
        client_as_browser(client, json_text_or("", whoami, "csrf", NULL));
    return failed;
}

/* The service changes a password only from a session, which a stolen token is not: this signs in with the old one. */
static int change(struct call *call, const char *email, const char *old, const char *new, struct error *error)
{
    struct client *client = NULL;
    AUTO_JSON cJSON *body = json_object();
    struct error ignored = {0};
    int failed = client_of(call, &client, error);
    if (!failed)
        failed = sign_in(call, client, email, old, error);
    if (failed)
        return failed;
    json_set_text(body, "oldPassword", old);
    json_set_text(body, "password", new);
    failed = client_json(call, "POST", API "/password", body, NULL, error);
    memory_wipe(json_member(body, "oldPassword")->valuestring, strlen(old));
    memory_wipe(json_member(body, "password")->valuestring, strlen(new));
    client_json(call, "POST", "/auth/logout", NULL, NULL, &ignored); /* setting a password may have ended it already */
    return failed;
}

static int ask_passwords(char old[PASSWORD_SIZE], char new[PASSWORD_SIZE], struct error *error)
{
    char again[PASSWORD_SIZE] = "";
    int failed = terminal_ask("Password now: ", false, old, PASSWORD_SIZE, error);
    if (!failed)
        failed = terminal_ask("New password: ", false, new, PASSWORD_SIZE, error);
    if (!failed && terminal_is(0))
        failed = terminal_ask("New password, once more: ", false, again, PASSWORD_SIZE, error);
    if (!failed && terminal_is(0) && strcmp(new, again) != 0)
        failed = error_set(error, ERROR_INVALID, NULL, "the two new passwords differ; nothing was changed");
    memory_wipe(again, sizeof(again));
    return failed;
}

int verb_password(struct call *call, struct error *error)
{
    char old[PASSWORD_SIZE] = "", new[PASSWORD_SIZE] = "";
    AUTO_JSON cJSON *whoami = NULL;
    int failed = client_json(call, "GET", API "/whoami", NULL, &whoami, error);
    const char *email = json_text_or("", whoami, "email", NULL);
    if (!failed && strcmp(json_text_or("", whoami, "kind", NULL), "local") == 0)
        failed = error_set(error, ERROR_FORBIDDEN, NULL,
                           "the admin socket has no account: use a context (`atelier login`), or give somebody "
                           "`atelier user reset-link`");
    if (!failed)
        failed = ask_passwords(old, new, error);
    if (!failed)
        failed = change(call, email, old, new, error);
    memory_wipe(old, sizeof(old));
    memory_wipe(new, sizeof(new));
    return failed ? failed : print_done(call, NULL, "the password is changed", error);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static void session_row(const cJSON *item, struct table *table)
{
    static const char *const keys[] = {"peer", "lastSeenAt", "expiresAt", "createdAt"};
    int64_t id = 0;
    json_i64(json_member(item, "id"), &id);
    AUTO_FREE char *number = memory_format("%lld", (long long)id);
    table_add(table, number);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        table_add(table, json_text_or("", item, keys[i], NULL));
}

int verb_session_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"ID", "FROM", "LAST SEEN", "UNTIL", "+SINCE", NULL};
    static const struct listing listing = {headers, session_row, "id", false};
    return list_items(call, API "/sessions", &listing, error);
}

int verb_session_end(struct call *call, struct error *error)
{
    bool all = call_flag(call, "all");
    if (all == (call->argument_count == 1))
        return call_usage(error, "session end needs an ID, or --all");
    AUTO_FREE char *path = all ? NULL : client_path(API "/sessions", call->arguments[0], NULL);
    AUTO_FREE char *line =
        all ? memory_text("every session has ended") : memory_format("session %s ended", call->arguments[0]);
    int failed = client_json(call, all ? "POST" : "DELETE", all ? "/auth/logout-everywhere" : path, NULL, NULL, error);
    return failed ? failed : print_done(call, NULL, line, error);
}
