/* How is an object named on the command line, fetched, shown, and waited for? */
#include "cli/object.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/progress.h"
#include "ray/state.h"

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
    struct nearest nearest = {.word = text};
    resource_offer(&nearest);
    resource_words(&known);
    if (!resource && nearest.meant[0])
        return call_usage(error, "\"%.60s\" is not a kind of object; did you mean %s?", text, nearest.meant);
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

void object_look_closer(struct call *call, const struct resource *resource, cJSON *object)
{
    const char *name = strcmp(resource->kind, "RayCluster") == 0 ? ray_cluster_unsaid(object) : NULL;
    AUTO_JSON cJSON *pod = NULL;
    if (!name)
        return;
    AUTO_FREE char *path =
        resource_path(resource_by_word("pods"), json_text_or("", object, "metadata", "namespace", NULL), name);
    if (client_json(call, "GET", path, NULL, &pod, NULL) == 0)
        ray_cluster_complete(object, pod);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* What is waited for and how it stood last, told as it changes; on a terminal also how long it has taken. */
struct wait {
    const struct resource *resource;
    const char *name;
    char *title; /* "notebook/nb1" */
    char last[LINE_MAX_BYTES];
    struct progress progress;
    int64_t begun_ms, end_ms, usual_ms;
    bool unseen; /* its status is that of before the last change */
};

static void wait_begin(struct wait *wait, const struct resource *resource, const char *name, int64_t timeout_s)
{
    *wait = (struct wait){.resource = resource, .name = name, .begun_ms = clock_monotonic_ms()};
    wait->title = memory_format("%s/%s", resource->singular, name);
    wait->end_ms = wait->begun_ms + 1000 * timeout_s;
    progress_begin(&wait->progress, wait->title, 0);
}

static void wait_end(struct wait *wait)
{
    progress_end(&wait->progress);
    free(wait->title);
}

static void report_change(struct wait *wait, const cJSON *object)
{
    const char *reason = "";
    char now[LINE_MAX_BYTES];
    const char *state = resource_state(wait->resource, object, &reason);
    snprintf(now, sizeof(now), "%s%s%s", state[0] ? state : "Pending", reason[0] ? ": " : "", reason);
    if (strcmp(now, wait->last) != 0) {
        snprintf(wait->last, sizeof(wait->last), "%s", now);
        progress_end(&wait->progress);
        say("%s %s", wait->title, now);
    }
    progress_wait(&wait->progress, state[0] ? state : "Pending", wait->usual_ms);
}

static int wait_until_ready(struct call *call, struct wait *wait, struct error *error)
{
    for (;;) {
        AUTO_JSON cJSON *object = NULL;
        bool gone_bad = false;
        int failed = object_get(call, wait->resource, wait->name, &object, error);
        if (failed && failed != -ERROR_UNAVAILABLE)
            return failed;
        if (!failed) {
            object_look_closer(call, wait->resource, object);
            wait->unseen = !resource_is_observed(object);
            if (!wait->unseen)
                report_change(wait, object);
            if (resource_is_ready(wait->resource, object, &gone_bad))
                return 0;
            if (gone_bad)
                return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", wait->title, wait->last);
        }
        if (clock_monotonic_ms() >= wait->end_ms)
            return error_set(error, ERROR_TIMEOUT, NULL, "%s is not ready after %lld s: %s", wait->title,
                             (long long)(wait->end_ms - wait->begun_ms) / 1000,
                             wait->unseen    ? "nothing has taken the change up yet"
                             : wait->last[0] ? wait->last
                                             : "no answer");
        clock_sleep_ms(WAIT_POLL_MS);
    }
}

int object_wait(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                struct error *error)
{
    struct wait wait;
    wait_begin(&wait, resource, name, timeout_s);
    int failed = wait_until_ready(call, &wait, error);
    wait_end(&wait);
    return failed;
}

/* After a change: how long it takes is worth knowing the next time. */
static int wait_and_learn(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                          struct error *error)
{
    struct wait wait;
    wait_begin(&wait, resource, name, timeout_s);
    wait.usual_ms = progress_usual_ms(resource->kind);
    int failed = wait_until_ready(call, &wait, error);
    if (!failed)
        progress_learn(resource->kind, clock_monotonic_ms() - wait.begun_ms);
    wait_end(&wait);
    return failed;
}

int64_t object_wait_limit(const struct call *call)
{
    int64_t limit_s = WAIT_DEFAULT_S;
    (void)duration_parse(slice_of(call_option_or(call, "timeout", "")), &limit_s);
    return limit_s;
}

int object_wait_if_asked(struct call *call, const struct resource *resource, const char *name, struct error *error)
{
    return call_flag(call, "wait") ? wait_and_learn(call, resource, name, object_wait_limit(call), error) : 0;
}

static int wait_until_gone(struct call *call, struct wait *wait, struct error *error)
{
    for (;;) {
        AUTO_JSON cJSON *object = NULL;
        int failed = object_get(call, wait->resource, wait->name, &object, error);
        if (failed == -ERROR_NOT_FOUND) {
            if (error)
                *error = (struct error){0};
            return 0;
        }
        if (failed && failed != -ERROR_UNAVAILABLE)
            return failed;
        if (!failed)
            report_change(wait, object);
        if (clock_monotonic_ms() >= wait->end_ms)
            return error_set(error, ERROR_TIMEOUT, NULL, "%s is still there after %lld s: %s", wait->title,
                             (long long)(wait->end_ms - wait->begun_ms) / 1000, wait->last);
        clock_sleep_ms(WAIT_POLL_MS);
    }
}

int object_wait_gone(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                     struct error *error)
{
    struct wait wait;
    wait_begin(&wait, resource, name, timeout_s);
    int failed = wait_until_gone(call, &wait, error);
    wait_end(&wait);
    return failed;
}
