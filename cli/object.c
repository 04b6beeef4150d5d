/* How is an object named on the command line, fetched, shown, and waited for? */
#include "cli/object.h"

#include "base/clock.h"
#include "cli/client.h"
#include "cli/duration.h"

#define WAIT_POLL_MS 250
#define LINE_MAX_BYTES 1024

/* --- naming ------------------------------------------------------------------------------------------------------- */

int object_kind(const char *word, const struct resource **ret, const char **ret_name, struct error *error)
{
    struct slice rest, kind = slice_split(slice_of(word), '/', &rest);
    AUTO_FREE char *text = memory_text_n(kind.p ? kind.p : "", kind.n);
    AUTO_BUFFER struct buffer known = {0};
    const char *slash = strchr(word, '/');
    const struct resource *resource = resource_by_word(text);
    resource_words(&known);
    if (!resource)
        return call_usage(error, "\"%.60s\" is not a kind of object; there are: %s", text, known.p);
    if (slash && !slash[1])
        return call_usage(error, "\"%.60s\" needs a name after the slash", word);
    *ret = resource;
    *ret_name = slash ? slash + 1 : NULL;
    return 0;
}

/* The only profile in a list that the caller owns (<owner>), or has any part in (NULL); NULL if there is not just one.
 */
static const char *only_one(const cJSON *profiles, const char *owner)
{
    const char *found = NULL;
    const cJSON *profile;
    int count = 0;
    cJSON_ArrayForEach(profile, profiles)
    {
        if (owner && strcmp(json_text_or("", profile, "owner", NULL), owner) != 0)
            continue;
        found = json_text(profile, "name", NULL);
        count++;
    }
    return count == 1 ? found : NULL;
}

/* A caller with one profile of their own, or a part in only one, means that. Platform admins see everybody's: theirs
 * only. */
static int only_profile(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *whoami = NULL;
    int failed = client_json(call, "GET", "/api/atelier/v1/whoami", NULL, &whoami, error);
    if (failed)
        return failed;
    const cJSON *profiles = json_member(whoami, "profiles");
    const char *name = only_one(profiles, json_text_or("", whoami, "email", NULL));
    if (!name && !json_true(whoami, "platformAdmin", NULL))
        name = only_one(profiles, NULL);
    if (!name)
        return call_usage(error, "say which profile with -n NAME; `atelier get profiles` lists them");
    snprintf(call->namespace, sizeof(call->namespace), "%s", name);
    return 0;
}

int call_namespace(struct call *call, const char **ret, struct error *error)
{
    const char *given = call_option(call, "namespace"), *variable = getenv("ATELIER_NAMESPACE");
    if (!given && variable && variable[0])
        given = variable;
    if (given && !name_is_label(slice_of(given)))
        return call_usage(error, "--namespace: expected a DNS label such as \"alice\"");
    struct client *client = NULL;
    if (!given && !call->namespace[0] && client_of(call, &client, NULL) == 0)
        given = client_namespace(client);
    if (given)
        snprintf(call->namespace, sizeof(call->namespace), "%s", given);
    int failed = call->namespace[0] ? 0 : only_profile(call, error);
    if (!failed)
        *ret = call->namespace;
    return failed;
}

int object_path(struct call *call, const struct resource *resource, const char *name, char **ret, struct error *error)
{
    const char *namespace = NULL;
    if (!name_is_subdomain(slice_of(name)) && strcmp(resource->kind, "Event") != 0)
        return call_usage(error, "\"%.60s\" cannot be a name: expected lower-case letters, digits and '-'", name);
    int failed = resource->namespaced ? call_namespace(call, &namespace, error) : 0;
    if (!failed)
        *ret = resource_path(resource, namespace, name);
    return failed;
}

int object_get(struct call *call, const struct resource *resource, const char *name, cJSON **ret, struct error *error)
{
    char *path = NULL;
    int failed = object_path(call, resource, name, &path, error);
    if (!failed)
        failed = client_json(call, "GET", path, NULL, ret, error);
    free(path);
    return failed;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static void report_change(const struct resource *resource, const char *name, const cJSON *object, char *last,
                          size_t size)
{
    const char *reason = "";
    char now[LINE_MAX_BYTES];
    const char *state = resource_state(resource, object, &reason);
    snprintf(now, sizeof(now), "%s%s%s", state[0] ? state : "Pending", reason[0] ? ": " : "", reason);
    if (strcmp(now, last) == 0)
        return;
    snprintf(last, size, "%s", now);
    say("%s/%s %s", resource->singular, name, now);
}

int object_wait(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                struct error *error)
{
    int64_t end = clock_monotonic_ms() + 1000 * timeout_s;
    char last[LINE_MAX_BYTES] = "";
    for (;;) {
        AUTO_JSON cJSON *object = NULL;
        bool gone_bad = false;
        int failed = object_get(call, resource, name, &object, error);
        if (failed && failed != -ERROR_UNAVAILABLE)
            return failed;
        if (!failed) {
            report_change(resource, name, object, last, sizeof(last));
            if (resource_is_ready(resource, object, &gone_bad))
                return 0;
            if (gone_bad)
                return error_set(error, ERROR_UNAVAILABLE, NULL, "%s/%s: %s", resource->singular, name, last);
        }
        if (clock_monotonic_ms() >= end)
            return error_set(error, ERROR_TIMEOUT, NULL, "%s/%s is not ready after %lld s: %s", resource->singular,
                             name, (long long)timeout_s, last[0] ? last : "no answer");
        clock_sleep_ms(WAIT_POLL_MS);
    }
}

static int wait_limit(const struct call *call, int64_t *ret_s, struct error *error)
{
    const char *text = call_option(call, "timeout");
    *ret_s = WAIT_DEFAULT_S;
    if (text && !duration_parse(slice_of(text), ret_s))
        return call_usage(error, "--timeout: expected a duration such as 90s or 5m");
    return 0;
}

int object_wait_if_asked(struct call *call, const struct resource *resource, const char *name, struct error *error)
{
    int64_t timeout_s;
    int failed = wait_limit(call, &timeout_s, error);
    if (failed || !call_flag(call, "wait"))
        return failed;
    return object_wait(call, resource, name, timeout_s, error);
}

int object_wait_gone(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                     struct error *error)
{
    int64_t end = clock_monotonic_ms() + 1000 * timeout_s;
    char last[LINE_MAX_BYTES] = "";
    for (;;) {
        AUTO_JSON cJSON *object = NULL;
        int failed = object_get(call, resource, name, &object, error);
        if (failed == -ERROR_NOT_FOUND) {
            if (error)
                *error = (struct error){0};
            return 0;
        }
        if (failed && failed != -ERROR_UNAVAILABLE)
            return failed;
        if (!failed)
            report_change(resource, name, object, last, sizeof(last));
        if (clock_monotonic_ms() >= end)
            return error_set(error, ERROR_TIMEOUT, NULL, "%s/%s is still there after %lld s: %s", resource->singular,
                             name, (long long)timeout_s, last);
        clock_sleep_ms(WAIT_POLL_MS);
    }
}
