/* How does a file of Ray's cluster launcher run on the platform? `ray up`, `ray down`, `ray exec`, `ray get-head-ip`.
 */
#include <unistd.h>

#include "cli/client.h"
#include "cli/launcher.h"
#include "cli/manifest.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

static int read_file(const char *path, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *documents = NULL;
    int failed = manifest_read_all(path, &documents, error);
    if (!failed && cJSON_GetArraySize(documents) != 1)
        failed = error_set(error, ERROR_INVALID, NULL, "%s: expected one document", path);
    if (failed)
        return failed;
    if (json_member(documents->child, "apiVersion"))
        return error_set(error, ERROR_INVALID, "apiVersion",
                         "%s is a Kubernetes manifest, not a launcher file: use `atelier apply -f %s`", path, path);
    *ret = cJSON_DetachItemViaPointer(documents, documents->child);
    return 0;
}

static int read_size(const struct call *call, const char *option, bool (*parse)(struct slice, int64_t *), int64_t *ret,
                     struct error *error)
{
    const char *text = call_option(call, option);
    *ret = 0;
    if (text && (!parse(slice_of(text), ret) || *ret <= 0))
        return call_usage(error, "--%s: expected a quantity such as %s", option,
                          strcmp(option, "max-cpu") == 0 ? "2 or 500m" : "4Gi");
    return 0;
}

/* The tenant is the caller's to name, never the file's. */
static int check_namespace(struct call *call, const cJSON *file, struct error *error)
{
    const char *wanted = json_text(file, "provider", "namespace", NULL), *namespace;
    if (!wanted)
        return 0;
    int failed = call_namespace(call, &namespace, error);
    if (!failed && strcmp(wanted, namespace) != 0)
        failed = error_set(error, ERROR_INVALID, "provider.namespace",
                           "provider.namespace is %.63s, but this works in %s: give -n", wanted, namespace);
    return failed;
}

static void say_notes(const struct buffer *notes)
{
    struct slice rest = buffer_slice(notes), line;
    while (rest.n) {
        line = slice_split(rest, '\n', &rest);
        if (line.n)
            say("note: %.*s", (int)line.n, line.p);
    }
}

/* --- a cluster that is there -------------------------------------------------------------------------------------- */

/* It keeps what it was started with, unless the option says otherwise. */
static int add_memory(struct call *call, const cJSON *there, cJSON *cluster, struct error *error)
{
    if (!there || call_flag(call, "fault-tolerance"))
        return ray_add_memory(call, true, json_object_in(cluster, "spec"), error);
    const cJSON *has = json_at(there, "spec", "gcsFaultToleranceOptions", NULL);
    if (has)
        json_set(json_object_in(cluster, "spec"), "gcsFaultToleranceOptions", json_copy(has));
    return 0;
}

/* What the autoscaler has made of a group is not undone; where the file has other bounds, the service moves it there.
 */
static void keep_workers(const cJSON *there, cJSON *cluster)
{
    static const char *const kept[] = {"replicas", "scaleStrategy"};
    const cJSON *group;
    cJSON *wanted;
    cJSON_ArrayForEach(wanted, json_at(cluster, "spec", "workerGroupSpecs", NULL))
    {
        const char *name = json_text_or("", wanted, "groupName", NULL);
        cJSON_ArrayForEach(group, json_at(there, "spec", "workerGroupSpecs", NULL))
        {
            if (strcmp(json_text_or("", group, "groupName", NULL), name) != 0)
                continue;
            for (size_t i = 0; i < COUNT_OF(kept); i++)
                if (json_member(group, kept[i]))
                    json_set(wanted, kept[i], json_copy(json_member(group, kept[i])));
        }
    }
}

/* What is there is merged with what is wanted: what the file does not say any more is taken out by a null. */
static void take_out(const cJSON *there, cJSON *cluster)
{
    static const char limit[] = "atelier.dev/max-workers";
    cJSON *metadata = json_member(cluster, "metadata"), *spec = json_member(cluster, "spec");
    if (json_text(there, "metadata", "annotations", limit, NULL) && !json_at(metadata, "annotations", limit, NULL))
        json_set(json_object_in(metadata, "annotations"), limit, cJSON_CreateNull());
    if (json_at(there, "spec", "upgradeStrategy", NULL))
        json_set(spec, "upgradeStrategy", cJSON_CreateNull());
    if (json_true(there, "spec", "suspend", NULL))
        json_set_bool(spec, "suspend", false); /* `ray up` starts what was stopped */
}

static bool is_refused_for_what_runs(const struct error *error)
{
    bool of_pods = strncmp(error->field, "spec.headGroupSpec", 18) == 0 ||
                   strncmp(error->field, "spec.workerGroupSpecs[", 22) == 0;
    return of_pods && strstr(error->message, "spec.upgradeStrategy.type") != NULL;
}

/* Ray's own `ray up` restarts Ray for such a change too, and asks first. */
static int confirm_replacing(const struct call *call, const char *name, struct error *error)
{
    char answer[8] = "";
    if (call_flag(call, "yes") || call_option(call, "dry-run"))
        return 0;
    if (!isatty(STDIN_FILENO))
        return error_set(error, ERROR_INVALID, NULL,
                         "%s runs, and this change replaces its pods, with all that runs on them: give --yes", name);
    fprintf(stderr, "Replace the pods of %s, with everything that runs on them? [y/N] ", name);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return error_set(error, ERROR_INVALID, NULL, "%s was not changed", name);
}

static int convert(struct call *call, const cJSON *file, bool autoscaling, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *there = NULL;
    struct error fault = {0};
    enum dry_run dry_run;
    char image[RAY_IMAGE_SIZE] = "", version[RAY_VERSION_SIZE] = "";
    AUTO_BUFFER struct buffer notes = {0};
    struct launcher_options options = {
        .image = image, .image_wins = call_option(call, "image") != NULL, .autoscaling = autoscaling};
    int failed = read_size(call, "max-cpu", quantity_parse_milli, &options.cpu_milli_max, error);
    if (!failed)
        failed = read_size(call, "max-memory", quantity_parse_bytes, &options.memory_bytes_max, error);
    if (!failed)
        failed = ray_choose_image(call, image, version, error);
    options.ray_version = version[0] ? version : NULL;
    if (!failed)
        failed = launcher_convert(file, &options, ret, &notes, error);
    if (!failed)
        failed = object_dry_run(call, &dry_run, error);
    if (failed)
        return failed;
    (void)object_get(call, resource_by_word("rayclusters"), json_text(*ret, "metadata", "name", NULL), &there, &fault);
    failed = add_memory(call, there, *ret, error);
    if (!failed && there && autoscaling)
        keep_workers(there, *ret);
    if (!failed && there && dry_run != DRY_RUN_CLIENT)
        take_out(there, *ret);
    if (!failed)
        say_notes(&notes);
    return failed;
}

/* Applied; where that would not reach the pods that run, they are replaced. */
static int apply(struct call *call, cJSON *cluster, struct error *error)
{
    int failed = apply_object(call, cluster, error);
    if (failed != -ERROR_INVALID || !is_refused_for_what_runs(error))
        return failed;
    *error = (struct error){0};
    failed = confirm_replacing(call, json_text(cluster, "metadata", "name", NULL), error);
    if (failed)
        return failed;
    json_set_text(json_object_in(json_member(cluster, "spec"), "upgradeStrategy"), "type", "Recreate");
    say("note: its pods are replaced");
    return apply_object(call, cluster, error);
}

int verb_ray_up(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *file = NULL;
    AUTO_JSON cJSON *cluster = NULL;
    bool autoscaling = !call_flag(call, "no-autoscaling");
    int failed = read_file(call->arguments[0], &file, error);
    if (!failed)
        failed = check_namespace(call, file, error);
    if (!failed)
        failed = convert(call, file, autoscaling, &cluster, error);
    if (failed)
        return failed;
    failed = apply(call, cluster, error);
    if (failed == -ERROR_INVALID && autoscaling && strcmp(error->field, "spec.enableInTreeAutoscaling") == 0) {
        say("there is no autoscaling here: every worker group starts with its max_workers, and stays so");
        *error = (struct error){0};
        cJSON_Delete(cluster);
        cluster = NULL;
        failed = convert(call, file, false, &cluster, error);
        if (!failed)
            failed = apply(call, cluster, error);
    }
    if (failed || call_flag(call, "dry-run"))
        return failed;
    return object_wait_if_asked(call, resource_by_word("rayclusters"), json_text(cluster, "metadata", "name", NULL),
                                error);
}

/* A cluster's name as it is, or that of the launcher file which the word names. */
static int cluster_name(const char *word, char ret[LAUNCHER_NAME_MAX + 1], struct error *error)
{
    AUTO_JSON cJSON *file = NULL;
    bool is_file = slice_ends(slice_of(word), ".yaml") || slice_ends(slice_of(word), ".yml") || strchr(word, '/');
    if (!is_file) {
        if (strlen(word) > LAUNCHER_NAME_MAX)
            return call_usage(error, "\"%.60s\" cannot be the name of a cluster", word);
        snprintf(ret, LAUNCHER_NAME_MAX + 1, "%s", word);
        return 0;
    }
    int failed = read_file(word, &file, error);
    return failed ? failed : launcher_name(file, ret, error);
}

static int confirm(const struct call *call, const char *name, struct error *error)
{
    char answer[8] = "";
    if (call_flag(call, "yes") || !isatty(STDIN_FILENO))
        return 0;
    fprintf(stderr, "Delete the cluster %s with everything that runs on it? [y/N] ", name);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return error_set(error, ERROR_INVALID, NULL, "%s was not deleted", name);
}

int verb_ray_down(struct call *call, struct error *error)
{
    char name[LAUNCHER_NAME_MAX + 1];
    int failed = cluster_name(call->arguments[0], name, error);
    if (!failed)
        failed = confirm(call, name, error);
    if (failed)
        return failed;
    call->arguments[0] = name;
    return delete_objects(call, "rayclusters", error);
}

int verb_ray_exec(struct call *call, struct error *error)
{
    char name[LAUNCHER_NAME_MAX + 1];
    int failed = cluster_name(call->arguments[0], name, error);
    if (failed)
        return failed;
    call->arguments[0] = name;
    return verb_ray_submit(call, error);
}

int verb_ray_attach(struct call *call, struct error *error)
{
    char name[LAUNCHER_NAME_MAX + 1];
    int failed = cluster_name(call->arguments[0], name, error);
    return failed ? failed : ray_attach(call, name, error);
}

int verb_ray_get_head_ip(struct call *call, struct error *error)
{
    char name[LAUNCHER_NAME_MAX + 1], line[TABLE_CELL_MAX];
    AUTO_JSON cJSON *cluster = NULL;
    int failed = cluster_name(call->arguments[0], name, error);
    if (!failed)
        failed = object_get(call, resource_by_word("rayclusters"), name, &cluster, error);
    if (failed)
        return failed;
    const char *address = json_text(cluster, "status", "head", "podIP", NULL);
    if (!address || !address[0])
        return error_set(error, ERROR_UNAVAILABLE, NULL,
                         "the head of %s is not running yet: `atelier wait raycluster %s`", name, name);
    text_printable(slice_of(address), line, sizeof(line));
    AUTO_FREE char *text = memory_format("%s\n", line);
    return print_text(text, error);
}
