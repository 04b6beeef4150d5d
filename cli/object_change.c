/* How is one object created, changed, listed, deleted or opened by a command that knows its kind? */
#include "base/clock.h"
#include "cli/browser.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define KEPT_USUALLY "8h" /* as the console's button: a working day */

int object_dry_run(const struct call *call, enum dry_run *ret, struct error *error)
{
    const char *value = call_option(call, "dry-run");
    if (!call_flag(call, "dry-run"))
        *ret = DRY_RUN_NO;
    else if (!value || !value[0] || strcmp(value, "client") == 0)
        *ret = DRY_RUN_CLIENT;
    else if (strcmp(value, "server") == 0)
        *ret = DRY_RUN_SERVER;
    else
        return call_usage(error, "--dry-run: expected nothing, =client or =server");
    return 0;
}

char *object_dry_path(const char *path, enum dry_run dry_run)
{
    return memory_format("%s%s", path, dry_run == DRY_RUN_NO ? "" : "?dryRun=All");
}

/* What the service answered: "<shown> <done>", or the whole object if nothing was stored. */
static int report(struct call *call, enum dry_run dry_run, const struct buffer *raw, const struct resource *resource,
                  const char *name, const char *done, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    AUTO_FREE char *shown = resource_name(resource, name);
    AUTO_FREE char *line = memory_format("%s %s", shown, done);
    if (dry_run == DRY_RUN_NO)
        return print_answer(call, raw, line, error);
    int failed = json_parse(buffer_slice(raw), &output_limits, &object, error);
    return failed ? failed : print_manifest(call, object, error);
}

int create_object(struct call *call, const struct resource *resource, const cJSON *object, struct error *error)
{
    const char *namespace = NULL, *name = json_text_or("", object, "metadata", "name", NULL);
    AUTO_BUFFER struct buffer raw = {0};
    enum dry_run dry_run;
    int failed = object_dry_run(call, &dry_run, error);
    if (!failed && resource->namespaced)
        failed = call_namespace(call, &namespace, error);
    if (failed || dry_run == DRY_RUN_CLIENT)
        return failed ? failed : print_manifest(call, object, error);
    AUTO_FREE char *collection = resource_path(resource, namespace, NULL);
    AUTO_FREE char *path = object_dry_path(collection, dry_run);
    AUTO_FREE char *body = json_print(object);
    failed = client_send(
        call,
        &(struct client_request){.method = "POST", .path = path, .type = "application/json", .body = slice_of(body)},
        &raw, error);
    if (!failed)
        failed = report(call, dry_run, &raw, resource, name, "created", error);
    return failed || dry_run ? failed : object_wait_if_asked(call, resource, name, error);
}

/* Only the service knows what is patched: its dry run is the only one. */
int patch_object(struct call *call, const struct resource *resource, const char *name, const cJSON *patch,
                 const char *done, struct error *error)
{
    char *object = NULL;
    AUTO_BUFFER struct buffer raw = {0};
    enum dry_run dry_run;
    int failed = object_dry_run(call, &dry_run, error);
    if (!failed)
        failed = object_path(call, resource, name, &object, error);
    if (failed)
        return failed;
    AUTO_FREE char *owned = object;
    AUTO_FREE char *path = object_dry_path(owned, dry_run);
    AUTO_FREE char *body = json_print(patch);
    failed = client_send(call,
                         &(struct client_request){.method = "PATCH",
                                                  .path = path,
                                                  .type = cJSON_IsArray(patch) ? "application/json-patch+json"
                                                                               : "application/merge-patch+json",
                                                  .body = slice_of(body)},
                         &raw, error);
    if (!failed)
        failed = report(call, dry_run, &raw, resource, name, done, error);
    return failed || dry_run ? failed : object_wait_if_asked(call, resource, name, error);
}

int suspend_object(struct call *call, const char *word, bool suspended, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    json_set_bool(json_object_in(patch, "spec"), "suspend", suspended);
    return patch_object(call, resource_by_word(word), call->arguments[0], patch, suspended ? "suspended" : "resumed",
                        error);
}

int keep_object(struct call *call, const char *word, struct error *error)
{
    const char *until = call_option_or(call, "until", KEPT_USUALLY);
    char time[CLOCK_TEXT_SIZE];
    int64_t until_ms;
    AUTO_JSON cJSON *patch = json_object();
    if (!duration_parse_until(slice_of(until), clock_wall_ms(), &until_ms))
        return call_usage(error, DURATION_UNTIL_EXPECTED);
    clock_format(until_ms - until_ms % 1000, time);
    json_set_text(json_object_in(json_object_in(patch, "metadata"), "annotations"), "atelier.dev/keep-until", time);
    AUTO_FREE char *done = memory_format("kept until %s", time);
    return patch_object(call, resource_by_word(word), call->arguments[0], patch, done, error);
}

int list_objects(struct call *call, const char *word, struct error *error)
{
    call->arguments[0] = word;
    call->argument_count = 1;
    return verb_get(call, error);
}

int delete_objects(struct call *call, const char *word, struct error *error)
{
    if (call->argument_count >= CALL_ARGUMENTS_MAX)
        return call_usage(error, "too many names");
    memmove(call->arguments + 1, call->arguments, call->argument_count * sizeof(call->arguments[0]));
    call->arguments[0] = word;
    call->argument_count++;
    return verb_delete(call, error);
}

int open_url(struct call *call, const char *kind, bool browse, struct error *error)
{
    const char *namespace = NULL;
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *answer = NULL;
    int failed = call_namespace(call, &namespace, error);
    if (failed)
        return failed;
    buffer_add_format(&path, "/api/atelier/v1/open?kind=%s&namespace=", kind);
    text_percent(slice_of(namespace), &path);
    buffer_add_text(&path, "&name=");
    text_percent(slice_of(call->arguments[0]), &path);
    failed = client_json(call, "GET", path.p, NULL, &answer, error);
    if (failed == -ERROR_NOT_FOUND)
        failed =
            error_set(error, ERROR_NOT_FOUND, NULL, "%s \"%s\" not found in %s", kind, call->arguments[0], namespace);
    const char *url = json_text(answer, "url", NULL);
    if (!failed && !url)
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the service's answer names no url");
    if (failed)
        return failed;
    char printable[2048];
    text_printable(slice_of(url), printable, sizeof(printable) - 1);
    if (browse && !browser_open(printable))
        say("There is no browser here that could be opened. Open:");
    AUTO_FREE char *line = memory_format("%s\n", printable);
    return print_text(line, error);
}
