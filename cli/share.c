/* Who else may use a profile, or one thing in it? */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/object.h"
#include "cli/verbs.h"

/* The one resource meant, or NULL for the whole profile. */
static int resource_of(const struct call *call, const char **ret_kind, const char **ret_name, struct error *error)
{
    const char *notebook = call_option(call, "notebook"), *ray = call_option(call, "ray");
    if (notebook && ray)
        return call_usage(error, "--notebook and --ray exclude each other: share them one after the other");
    *ret_kind = notebook ? "Notebook" : ray ? "RayCluster" : NULL;
    *ret_name = notebook ? notebook : ray;
    return 0;
}

static char *members_path(const struct call *call)
{
    return client_path("/api/atelier/v1/profiles", call->arguments[0], "members", NULL);
}

static bool is_meant(const cJSON *member, const char *email, const char *kind, const char *name)
{
    const char *has_kind = json_text_or("", member, "resource", "kind", NULL);
    const char *has_name = json_text_or("", member, "resource", "name", NULL);
    return slice_is_nocase(slice_of(json_text_or("", member, "subject", "name", NULL)), email) &&
           strcmp(has_kind, kind ? kind : "") == 0 && strcmp(has_name, name ? name : "") == 0;
}

static const cJSON *find_member(const struct call *call, const cJSON *list, const char *kind, const char *name)
{
    const cJSON *member, *found = NULL;
    cJSON_ArrayForEach(member, json_member(list, "items")) if (is_meant(member, call->arguments[1], kind, name)) found =
        member;
    return found;
}

/* What is shared again keeps the end that it has: nobody is let in for good by leaving an option out. */
static int keep_end(struct call *call, const char *path, const char *kind, const char *name, cJSON *body,
                    struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    int failed = client_json(call, "GET", path, NULL, &list, error);
    const char *ends = json_text(find_member(call, list, kind, name), "expiresAt", NULL);
    int64_t ends_ms;
    if (failed || !ends || !clock_parse(slice_of(ends), &ends_ms) || ends_ms <= clock_wall_ms())
        return failed; /* one that has ended is no end to keep */
    json_set_text(body, "expiresAt", ends);
    say("note: it ends when it did before; --until never makes it for good");
    return 0;
}

static int add_end(struct call *call, const char *path, const char *kind, const char *name, cJSON *body,
                   struct error *error)
{
    const char *until = call_option(call, "until");
    char time[CLOCK_TEXT_SIZE];
    int64_t until_ms;
    if (!until)
        return keep_end(call, path, kind, name, body, error);
    if (strcmp(until, "never") == 0)
        return 0;
    if (!duration_parse_until(slice_of(until), clock_wall_ms(), &until_ms))
        return call_usage(error, DURATION_UNTIL_EXPECTED ", or never");
    clock_format(until_ms, time);
    json_set_text(body, "expiresAt", time);
    return 0;
}

int verb_share(struct call *call, struct error *error)
{
    const char *kind, *name;
    AUTO_FREE char *path = members_path(call);
    AUTO_JSON cJSON *body = json_object();
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_JSON cJSON *answer = NULL;
    int failed = resource_of(call, &kind, &name, error);
    if (failed)
        return failed;
    cJSON *subject = json_object_in(body, "subject");
    json_set_text(subject, "kind", "User");
    json_set_text(subject, "name", call->arguments[1]);
    json_set_text(body, "role", call_option_or(call, "role", "editor"));
    if (kind) {
        json_set_text(json_object_in(body, "resource"), "kind", kind);
        json_set_text(json_object_in(body, "resource"), "name", name);
    }
    failed = add_end(call, path, kind, name, body, error);
    if (failed)
        return failed;
    AUTO_FREE char *text = json_print(body);
    failed = client_send(
        call,
        &(struct client_request){.method = "POST", .path = path, .type = "application/json", .body = slice_of(text)},
        &raw, error);
    if (!failed)
        failed = json_parse(buffer_slice(&raw), &json_limits_default, &answer, error);
    if (failed)
        return failed;
    bool pending = strcmp(json_text_or("", answer, "state", NULL), "pending") == 0;
    const char *ends = json_text(answer, "expiresAt", NULL);
    AUTO_FREE char *line = memory_format(
        "%s is %s of %s%s%s%s%s%s", call->arguments[1], json_text_or("editor", answer, "role", NULL),
        call->arguments[0], kind ? (name == call_option(call, "notebook") ? " notebook/" : " raycluster/") : "",
        kind ? name : "", ends ? " until " : " for good", ends ? ends : "",
        pending ? ", as soon as they have an account" : "");
    return print_answer(call, &raw, line, error);
}

static char *id_of(const cJSON *member)
{
    int64_t number;
    if (json_i64(json_member(member, "id"), &number))
        return memory_format("%lld", (long long)number);
    return memory_text(json_text_or("", member, "id", NULL));
}

int verb_unshare(struct call *call, struct error *error)
{
    const char *kind, *name;
    AUTO_FREE char *path = members_path(call);
    AUTO_JSON cJSON *list = NULL;
    int failed = resource_of(call, &kind, &name, error);
    if (!failed)
        failed = client_json(call, "GET", path, NULL, &list, error);
    if (failed)
        return failed;
    const cJSON *found = find_member(call, list, kind, name);
    AUTO_FREE char *id = found ? id_of(found) : memory_text("");
    if (!id[0])
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s has no such part in %s: `atelier members %s` lists them",
                         call->arguments[1], call->arguments[0], call->arguments[0]);
    AUTO_FREE char *one = client_path(path, id, NULL);
    failed = client_json(call, "DELETE", one, NULL, NULL, error);
    if (failed)
        return failed;
    AUTO_FREE char *line = memory_format("%s no longer has a part in %s%s%s", call->arguments[1], call->arguments[0],
                                         kind ? ": " : "", kind ? name : "");
    return print_done(call, NULL, line, error);
}

static void member_row(const cJSON *item, struct table *table)
{
    const char *kind = json_text(item, "resource", "kind", NULL);
    AUTO_FREE char *what = kind ? memory_format("%s/%s", kind, json_text_or("", item, "resource", "name", NULL))
                                : memory_text("everything");
    table_add(table, json_text_or("", item, "subject", "name", NULL));
    table_add(table, json_text_or("", item, "role", NULL));
    table_add(table, what);
    table_add(table, json_text_or("", item, "state", NULL));
    table_add(table, json_text_or("", item, "expiresAt", NULL));
    AUTO_FREE char *id = id_of(item);
    table_add(table, id);
}

int verb_members(struct call *call, struct error *error)
{
    static const char *const headers[] = {"WHO", "ROLE", "MAY USE", "STATE", "UNTIL", "+ID", NULL};
    AUTO_FREE char *path = members_path(call);
    static const struct listing listing = {headers, member_row, "id", false};
    return list_items(call, path, &listing, error);
}
