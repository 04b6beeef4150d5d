/* Who has an account, a token or a part in a profile? */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define API "/api/atelier/v1"

/* Sends <body> and prints that member of the answer alone, for scripts; with -o json the whole answer. */
static int send_and_print(struct call *call, const char *method, const char *path, const cJSON *body,
                          const char *member, struct error *error)
{
    AUTO_FREE char *text = body ? json_print(body) : NULL;
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_JSON cJSON *answer = NULL;
    int failed = client_send(
        call,
        &(struct client_request){
            .method = method, .path = path, .type = body ? "application/json" : NULL, .body = slice_of(text)},
        &raw, error);
    if (!failed)
        failed = json_parse(buffer_slice(&raw), &json_limits_default, &answer, error);
    const char *value = json_text(answer, member, NULL);
    if (!failed && !value)
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the service's answer has no \"%s\"", member);
    return failed ? failed : print_answer(call, &raw, value, error);
}

/* A change whose answer says nothing that a person needs. */
static int send_and_say(struct call *call, const char *method, const char *path, const cJSON *body, const char *line,
                        struct error *error)
{
    int failed = client_json(call, method, path, body, NULL, error);
    return failed ? failed : print_done(call, NULL, line, error);
}

static void add_time(const cJSON *item, const char *key, struct table *table)
{
    table_add(table, json_text_or("", item, key, NULL));
}

/* --- users -------------------------------------------------------------------------------------------------------- */

int verb_user_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    json_set_text(body, "email", call->arguments[0]);
    if (call_flag(call, "admin"))
        json_set_bool(body, "platformAdmin", true);
    return send_and_print(call, "POST", API "/users", body, "invitationUrl", error);
}

static void user_row(const cJSON *item, struct table *table)
{
    table_add(table, json_text_or("", item, "email", NULL));
    table_add(table, json_text_or("", item, "state", NULL));
    table_add(table, json_true(item, "platformAdmin", NULL) ? "admin" : "user");
    add_time(item, "createdAt", table);
}

int verb_user_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"E-MAIL", "STATE", "ROLE", "CREATED", NULL};
    static const struct listing listing = {headers, user_row, "email", false};
    return list_items(call, API "/users", &listing, error);
}

int verb_user_reset_link(struct call *call, struct error *error)
{
    AUTO_FREE char *path = client_path(API "/users", call->arguments[0], "reset-link", NULL);
    return send_and_print(call, "POST", path, NULL, "url", error);
}

static int set_disabled(struct call *call, bool disabled, struct error *error)
{
    AUTO_FREE char *path = client_path(API "/users", call->arguments[0], NULL);
    AUTO_FREE char *line = memory_format("%s %s", call->arguments[0], disabled ? "disabled" : "enabled");
    AUTO_JSON cJSON *body = json_object();
    json_set_bool(body, "disabled", disabled);
    return send_and_say(call, "PATCH", path, body, line, error);
}

int verb_user_disable(struct call *call, struct error *error)
{
    return set_disabled(call, true, error);
}

int verb_user_enable(struct call *call, struct error *error)
{
    return set_disabled(call, false, error);
}

int verb_user_delete(struct call *call, struct error *error)
{
    AUTO_FREE char *path = client_path(API "/users", call->arguments[0], NULL);
    AUTO_FREE char *line = memory_format("%s deleted", call->arguments[0]);
    return send_and_say(call, "DELETE", path, NULL, line, error);
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

/* <body>, which says what alone it opens, or nothing. */
static int create_token(struct call *call, cJSON *body, struct error *error)
{
    const char *ttl = call_option(call, "ttl");
    int64_t seconds;
    json_set_text(body, "user", call_option(call, "user"));
    json_set_text(body, "name", call_option(call, "name"));
    if (ttl && duration_parse(slice_of(ttl), &seconds))
        json_set_i64(body, "ttlSeconds", seconds);
    return send_and_print(call, "POST", API "/tokens", body, call_flag(call, "named") ? "named" : "token", error);
}

int verb_token_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    return create_token(call, body, error);
}

int verb_ray_token(struct call *call, struct error *error)
{
    const struct resource *resource = NULL;
    const char *namespace = NULL;
    AUTO_JSON cJSON *body = json_object();
    int failed = ray_find_served(call, call->arguments[0], &resource, error);
    if (!failed)
        failed = call_namespace(call, &namespace, error);
    if (failed)
        return failed;
    cJSON *application = json_object_in(body, "application");
    json_set_text(application, "namespace", namespace);
    json_set_text(application, "kind", resource->kind);
    json_set_text(application, "name", call->arguments[0]);
    json_set_text(application, "prefix", call->arguments[1]);
    return create_token(call, body, error);
}

/* An id is a number or a text, as the service likes. */
static void add_id(const cJSON *item, struct table *table)
{
    char text[24] = "";
    int64_t number;
    const cJSON *id = json_member(item, "id");
    if (json_i64(id, &number))
        snprintf(text, sizeof(text), "%lld", (long long)number);
    table_add(table, text[0] ? text : json_text_or("", item, "id", NULL));
}

/* The paths of one application, or all that its person may do. */
static void add_opened(const cJSON *item, struct table *table)
{
    const cJSON *application = json_member(item, "application");
    AUTO_FREE char *paths =
        memory_format("/serve/%s/%s%s", json_text_or("", application, "namespace", NULL),
                      json_text_or("", application, "name", NULL), json_text_or("", application, "prefix", NULL));
    table_add(table, application ? paths : "everything");
}

static void token_row(const cJSON *item, struct table *table)
{
    add_id(item, table);
    table_add(table, json_text_or("", item, "name", NULL));
    table_add(table, json_text_or("", item, "email", NULL));
    add_opened(item, table);
    add_time(item, "expiresAt", table);
    add_time(item, "lastUsedAt", table);
    add_time(item, "createdAt", table);
}

/* One's own; with -n, those of that profile's applications. */
static int tokens_path(struct call *call, const char *id, char **ret, struct error *error)
{
    const char *namespace = NULL;
    if (!call_option(call, "namespace")) {
        *ret = client_path(API "/tokens", id, NULL);
        return 0;
    }
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        *ret = client_path(API "/profiles", namespace, "tokens", id, NULL);
    return failed;
}

int verb_token_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"ID", "NAME", "E-MAIL", "OPENS", "EXPIRES", "LAST USED", "+CREATED", NULL};
    static const struct listing listing = {headers, token_row, "id", false};
    AUTO_FREE char *path = NULL;
    int failed = tokens_path(call, NULL, &path, error);
    return failed ? failed : list_items(call, path, &listing, error);
}

int verb_token_delete(struct call *call, struct error *error)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *line = memory_format("token %s deleted", call->arguments[0]);
    int failed = tokens_path(call, call->arguments[0], &path, error);
    return failed ? failed : send_and_say(call, "DELETE", path, NULL, line, error);
}

/* --- the caller, the machine -------------------------------------------------------------------------------------- */

int verb_whoami(struct call *call, struct error *error)
{
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_JSON cJSON *answer = NULL;
    AUTO_BUFFER struct buffer line = {0};
    const cJSON *profile;
    enum output output;
    int failed = output_of(call, &output, error);
    if (!failed)
        failed = client_get(call, API "/whoami", &raw, error);
    if (!failed)
        failed = json_parse(buffer_slice(&raw), &json_limits_default, &answer, error);
    if (failed)
        return failed;
    const char *email = json_text_or("", answer, "email", NULL);
    buffer_add_format(&line, "%s%s", email[0] ? email : "this machine's administrator",
                      json_true(answer, "platformAdmin", NULL) ? " (platform admin)" : "");
    cJSON_ArrayForEach(profile, json_member(answer, "profiles"))
    {
        const char *role = json_text_or("", profile, "role", NULL);
        buffer_add_format(&line, "; %s: %s", json_text_or("", profile, "name", NULL),
                          role[0] ? role : "single resources");
    }
    return print_answer(call, &raw, output == OUTPUT_NAME && email[0] ? email : line.p, error);
}

static void audit_row(const cJSON *item, struct table *table)
{
    static const char *const keys[] = {"at",   "actor",   "action", "namespace", "kind",
                                       "name", "outcome", "detail", "peer",      "requestId"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        table_add(table, json_text_or("", item, keys[i], NULL));
}

int verb_ca(struct call *call, struct error *error)
{
    AUTO_BUFFER struct buffer pem = {0};
    int failed = client_get(call, API "/ca", &pem, error);
    if (!failed)
        fwrite(pem.p, 1, pem.n, stdout);
    return failed;
}

int verb_audit(struct call *call, struct error *error)
{
    static const char *const headers[] = {"AT",      "WHO",    "ACTION", "PROFILE",  "KIND", "NAME",
                                          "OUTCOME", "DETAIL", "+FROM",  "+REQUEST", NULL};
    const char *namespace = call_option(call, "namespace");
    static const struct listing listing = {headers, audit_row, "id", false};
    int64_t limit;
    int failed = call_number(call, "limit", 1, 1000, 50, &limit, error);
    if (failed)
        return failed;
    AUTO_FREE char *base =
        namespace ? client_path(API "/profiles", namespace, "audit", NULL) : memory_text(API "/audit");
    AUTO_FREE char *path = memory_format("%s?limit=%lld", base, (long long)limit);
    return list_items(call, path, &listing, error);
}
