/* How does what a manifest wants become what is there? */
#include "cli/client.h"
#include "cli/manifest.h"
#include "cli/object.h"
#include "cli/verbs.h"

/* Server-owned fields of a printed object must not turn an apply into a conflict. */
static cJSON *wanted_of(const cJSON *object)
{
    static const char *const owned[] = {"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"};
    cJSON *wanted = json_copy(object);
    cJSON *metadata = json_member(wanted, "metadata");
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        json_remove(metadata, owned[i]);
    json_remove(wanted, "status");
    return wanted;
}

/* Controllers may have written its status meanwhile: that is no change of ours. */
static const char *change_of(const cJSON *before, const cJSON *after)
{
    AUTO_JSON cJSON *old = wanted_of(before), *now = wanted_of(after);
    return json_equal(old, now) ? "unchanged" : "configured";
}

static int put(struct call *call, const struct manifest *target, enum dry_run dry_run, const cJSON *object, cJSON **ret,
               const char **ret_change, struct error *error)
{
    AUTO_FREE char *path = resource_path(target->resource, target->namespace, target->name);
    AUTO_FREE char *collection = resource_path(target->resource, target->namespace, NULL);
    AUTO_FREE char *patched = object_dry_path(path, dry_run);
    AUTO_FREE char *posted = object_dry_path(collection, dry_run);
    AUTO_JSON cJSON *before = NULL;
    AUTO_JSON cJSON *wanted = wanted_of(object);
    int failed = client_json(call, "GET", path, NULL, &before, error);
    if (failed == -ERROR_NOT_FOUND) {
        failed = client_json(call, "POST", posted, wanted, ret, error);
        *ret_change = "created";
        if (failed != -ERROR_EXISTS)
            return failed;
        failed = client_json(call, "GET", path, NULL, &before, error); /* someone else was faster */
    }
    if (failed)
        return failed;
    if (error)
        *error = (struct error){0};
    failed = client_json(call, "PATCH", patched, wanted, ret, error);
    if (!failed)
        *ret_change = change_of(before, *ret);
    return failed;
}

int apply_object(struct call *call, const cJSON *object, struct error *error)
{
    struct manifest target;
    AUTO_JSON cJSON *result = NULL;
    const char *change = "";
    enum dry_run dry_run;
    int failed = object_dry_run(call, &dry_run, error);
    if (!failed)
        failed = manifest_target(call, object, &target, error);
    if (failed || dry_run == DRY_RUN_CLIENT)
        return failed ? failed : print_manifest(call, object, error);
    failed = put(call, &target, dry_run, object, &result, &change, error);
    if (failed || dry_run)
        return failed ? failed : print_manifest(call, result, error);
    AUTO_FREE char *json = json_print(result);
    struct buffer raw = {.p = json, .n = strlen(json)};
    AUTO_FREE char *name = resource_name(target.resource, target.name);
    AUTO_FREE char *line = memory_format("%s %s", name, change);
    return print_answer(call, &raw, line, error);
}

/* Of one among several, told at once: the others go on. */
static void tell_failure(const char *name, const struct error *error)
{
    struct error told = *error;
    if (!strstr(told.message, name))
        error_wrap(&told, "%s", name);
    say_failure(&told);
}

static int for_each_manifest(struct call *call, int (*act)(struct call *, const cJSON *, struct error *),
                             struct error *error)
{
    AUTO_JSON cJSON *manifests = NULL;
    int failed = manifest_read_all(call_option(call, "filename"), &manifests, error), result = EXIT_OK;
    const cJSON *manifest;
    if (failed)
        return failed;
    if (!manifests->child->next)
        return act(call, manifests->child, error);
    cJSON_ArrayForEach(manifest, manifests)
    {
        struct error own = {0};
        if (act(call, manifest, &own) == 0)
            continue;
        tell_failure(json_text_or("manifest", manifest, "metadata", "name", NULL), &own);
        result = EXIT_FAILED;
    }
    return result;
}

int verb_apply(struct call *call, struct error *error)
{
    if (!call_option(call, "filename"))
        return call_usage(error, "apply needs -f FILE (or - for stdin)");
    return for_each_manifest(call, apply_object, error);
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

static int delete_at(struct call *call, const struct resource *resource, const char *name, const char *path,
                     struct error *error)
{
    AUTO_BUFFER struct buffer raw = {0};
    enum dry_run dry_run;
    int failed = object_dry_run(call, &dry_run, error);
    if (failed)
        return failed;
    AUTO_FREE char *target = object_dry_path(path, dry_run);
    failed = client_send(call, &(struct client_request){.method = "DELETE", .path = target}, &raw, error);
    if (failed == -ERROR_NOT_FOUND && call_flag(call, "ignore-not-found")) {
        *error = (struct error){0};
        return 0;
    }
    if (!failed && !dry_run && call_flag(call, "wait"))
        failed = object_wait_gone(call, resource, name, WAIT_DEFAULT_S, error);
    if (failed)
        return failed;
    AUTO_FREE char *shown = resource_name(resource, name);
    AUTO_FREE char *line = memory_format("%s deleted%s", shown, dry_run ? " (dry run: it is still there)" : "");
    return print_done(call, &raw, line, error);
}

static int delete_manifest(struct call *call, const cJSON *object, struct error *error)
{
    struct manifest target;
    int failed = manifest_target(call, object, &target, error);
    if (failed)
        return failed;
    if (strcmp(target.resource->kind, "Profile") == 0)
        return call_usage(error, "a profile is deleted with `atelier profile delete %s`, which asks for its name",
                          target.name);
    if (target.namespace && target.namespace != call->namespace) /* what --wait then asks about */
        snprintf(call->namespace, sizeof(call->namespace), "%s", target.namespace);
    AUTO_FREE char *path = resource_path(target.resource, target.namespace, target.name);
    return delete_at(call, target.resource, target.name, path, error);
}

struct target {
    const struct resource *resource;
    const char *name;
    char *path;
};

static int find_target(struct call *call, const struct resource *resource, const char *name, struct target *ret,
                       struct error *error)
{
    if (strcmp(resource->kind, "Profile") == 0)
        return call_usage(error, "a profile is deleted with `atelier profile delete %.63s`, which asks for its name",
                          name);
    *ret = (struct target){.resource = resource, .name = name};
    return object_path(call, resource, name, &ret->path, error);
}

/* KIND NAME..., or KIND/NAME... */
static int find_targets(struct call *call, struct target *ret, unsigned *ret_count, struct error *error)
{
    const struct resource *resource = NULL;
    const char *name = NULL;
    int failed = object_kind(call->arguments[0], &resource, &name, error);
    bool each = name != NULL;
    if (!failed && !each && call->argument_count < 2)
        return call_usage(error, "delete %s needs a name", resource->singular);
    for (unsigned i = each ? 0 : 1; !failed && i < call->argument_count; i++) {
        name = call->arguments[i];
        if (each)
            failed = object_kind(call->arguments[i], &resource, &name, error);
        if (!failed && !name)
            failed = call_usage(error, "\"%.60s\": expected KIND/NAME, as the first is", call->arguments[i]);
        if (!failed)
            failed = find_target(call, resource, name, &ret[(*ret_count)++], error);
    }
    return failed;
}

static int delete_targets(struct call *call, const struct target *targets, unsigned count, struct error *error)
{
    int result = EXIT_OK;
    if (count == 1)
        return delete_at(call, targets[0].resource, targets[0].name, targets[0].path, error);
    for (unsigned i = 0; i < count; i++) {
        struct error own = {0};
        if (delete_at(call, targets[i].resource, targets[i].name, targets[i].path, &own) == 0)
            continue;
        tell_failure(targets[i].name, &own);
        result = EXIT_FAILED;
    }
    return result;
}

int verb_delete(struct call *call, struct error *error)
{
    struct target targets[CALL_ARGUMENTS_MAX] = {0};
    unsigned count = 0;
    if (call_option(call, "filename"))
        return call->argument_count ? call_usage(error, "-f and names exclude each other")
                                    : for_each_manifest(call, delete_manifest, error);
    if (!call->argument_count)
        return call_usage(error, "delete needs KIND NAME, KIND/NAME, or -f FILE");
    int failed = find_targets(call, targets, &count, error);
    if (!failed)
        failed = delete_targets(call, targets, count, error);
    for (unsigned i = 0; i < count; i++)
        free(targets[i].path);
    return failed;
}

/* --- wait --------------------------------------------------------------------------------------------------------- */

int verb_wait(struct call *call, struct error *error)
{
    const struct resource *resource;
    const char *name, *goal = call_option_or(call, "for", "ready");
    int64_t timeout_s = object_wait_limit(call);
    int failed = object_kind(call->arguments[0], &resource, &name, error);
    if (failed)
        return failed;
    if (call->argument_count > 1)
        name = call->arguments[1];
    if (!name)
        return call_usage(error, "wait %s needs a name", resource->singular);
    if (strcmp(goal, "delete") == 0)
        return object_wait_gone(call, resource, name, timeout_s, error);
    if (strcmp(goal, "ready") != 0)
        return call_usage(error, "--for: expected ready or delete");
    return object_wait(call, resource, name, timeout_s, error);
}
