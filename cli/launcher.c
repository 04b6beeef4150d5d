/* How does a file of Ray's cluster launcher become a RayCluster? The keys, the head and the worker groups. */
#include "cli/launcher.h"

#include <ctype.h>

#include "cli/launcher_docker.h"
#include "cli/launcher_node.h"
#include "cli/launcher_start.h"

#define WORKERS_DEFAULT 2      /* the launcher's max_workers */
#define IDLE_MINUTES_DEFAULT 5 /* the launcher's, not KubeRay's one minute */
#define IDLE_MINUTES_MAX (60.0 * 24 * 365)
#define GROUP_NAME_MAX 40

int launcher_refuse(struct launcher *launcher, const char *field, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(launcher->error, ERROR_INVALID, field, "%s: %s", field, text);
}

void launcher_note(struct launcher *launcher, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_add_format(launcher->notes, "%s\n", text);
}

void launcher_path(char ret[LAUNCHER_PATH_MAX], const char *base, const char *key)
{
    char clean[64];
    text_printable(slice_of(key), clean, sizeof(clean));
    (void)snprintf(ret, LAUNCHER_PATH_MAX, "%s%s%s", base, base[0] ? "." : "", clean);
}

void launcher_path_at(char ret[LAUNCHER_PATH_MAX], const char *base, const char *key, int index)
{
    char list[LAUNCHER_PATH_MAX];
    launcher_path(list, base, key);
    (void)snprintf(ret, LAUNCHER_PATH_MAX, "%.180s[%d]", list, index);
}

int launcher_number(struct launcher *launcher, const cJSON *object, const char *path, const char *key, int64_t least,
                    int64_t most, int64_t fallback, int64_t *ret)
{
    const cJSON *value = json_member(object, key);
    char field[LAUNCHER_PATH_MAX];
    *ret = fallback;
    if (!value || cJSON_IsNull(value))
        return 0;
    launcher_path(field, path, key);
    if (!json_i64(value, ret) || *ret < least || *ret > most)
        return launcher_refuse(launcher, field, "expected a whole number from %lld to %lld", (long long)least,
                               (long long)most);
    return 0;
}

bool launcher_slug(const char *text, char *ret, size_t size)
{
    size_t n = 0;
    for (; *text; text++) {
        char c = (char)tolower((unsigned char)*text);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (!n || ret[n - 1] == '-'))
            continue;
        if (n + 1 >= size)
            return false;
        ret[n++] = plain ? c : '-';
    }
    while (n && ret[n - 1] == '-')
        n--;
    ret[n] = '\0';
    return n > 0;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

enum key_fate {
    KEY_MAPPED,
    KEY_NOTED, /* it means something on virtual machines only: said, and left out */
    KEY_EMPTY, /* refused unless there is nothing in it */
};
struct key {
    const char *name;
    enum key_fate fate;
    const char *why;
};

static const struct key top_keys[] = {
    {"cluster_name", KEY_MAPPED, NULL},
    {"max_workers", KEY_MAPPED, NULL},
    {"min_workers", KEY_MAPPED, NULL},
    {"upscaling_speed", KEY_MAPPED, NULL},
    {"idle_timeout_minutes", KEY_MAPPED, NULL},
    {"provider", KEY_MAPPED, NULL},
    {"docker", KEY_MAPPED, NULL},
    {"head_node_type", KEY_MAPPED, NULL},
    {"available_node_types", KEY_MAPPED, NULL},
    {"head_node", KEY_MAPPED, NULL},
    {"worker_nodes", KEY_MAPPED, NULL},
    {"setup_commands", KEY_MAPPED, NULL},
    {"head_setup_commands", KEY_MAPPED, NULL},
    {"worker_setup_commands", KEY_MAPPED, NULL},
    {"auth", KEY_NOTED, "not used: no node is reached by ssh; `atelier ray exec` runs a command on the cluster"},
    {"initialization_commands", KEY_NOTED, "not run: they prepare a virtual machine's host, and a pod has none"},
    {"head_start_ray_commands", KEY_NOTED, "not run: the platform starts Ray itself"},
    {"worker_start_ray_commands", KEY_NOTED, "not run: the platform starts Ray itself"},
    {"rsync_exclude", KEY_NOTED, "not used: nothing is synchronised"},
    {"rsync_filter", KEY_NOTED, "not used: nothing is synchronised"},
    {"metadata", KEY_NOTED, "not used"},
    {"no_restart", KEY_NOTED, "not used: `ray up` on a running cluster changes what differs"},
    {"autoscaling_mode", KEY_NOTED, "no longer read by Ray: upscaling_speed took its place"},
    {"target_utilization_fraction", KEY_NOTED, "no longer read by Ray: upscaling_speed took its place"},
    {"initial_workers", KEY_NOTED, "no longer read by Ray: min_workers took its place"},
    {"file_mounts", KEY_EMPTY,
     "files reach a cluster with a job (`atelier ray submit --working-dir DIR`), on a volume of the profile, or its "
     "head by "
     "`atelier ray cp`"},
    {"cluster_synced_files", KEY_EMPTY,
     "files reach a cluster with a job (`atelier ray submit --working-dir DIR`), on a volume of the profile, or its "
     "head by "
     "`atelier ray cp`"},
    {"file_mounts_sync_continuously", KEY_EMPTY, "use a volume of the profile that head and workers mount"},
};

static const struct key type_keys[] = {
    {"resources", KEY_MAPPED, NULL},
    {"node_config", KEY_MAPPED, NULL},
    {"min_workers", KEY_MAPPED, NULL},
    {"max_workers", KEY_MAPPED, NULL},
    {"idle_timeout_s", KEY_MAPPED, NULL},
    {"priority", KEY_MAPPED, NULL},
    {"labels", KEY_MAPPED, NULL},
    {"worker_setup_commands", KEY_MAPPED, NULL},
    {"docker", KEY_MAPPED, NULL},
    {"initialization_commands", KEY_NOTED, "not run: they prepare a virtual machine's host, and a pod has none"},
};

static bool is_empty(const cJSON *value)
{
    return !value || cJSON_IsNull(value) || cJSON_IsFalse(value) ||
           ((cJSON_IsArray(value) || cJSON_IsObject(value)) && !value->child) ||
           (cJSON_IsString(value) && !value->valuestring[0]);
}

/* The key pair of the launcher's own ssh, which its Azure example copies to the nodes, is of no use here. */
static bool is_only_ssh_keys(const cJSON *mounts)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, mounts)
    {
        if (strncmp(member->string, "~/.ssh/", 7) != 0)
            return false;
    }
    return cJSON_IsObject(mounts);
}

static int check_keys(struct launcher *launcher, const cJSON *object, const char *path, const struct key *keys,
                      size_t count)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        char field[LAUNCHER_PATH_MAX];
        const struct key *key = NULL;
        launcher_path(field, path, member->string);
        for (size_t i = 0; !key && i < count; i++)
            if (strcmp(keys[i].name, member->string) == 0)
                key = &keys[i];
        if (!key)
            return launcher_refuse(launcher, field, "is not a key of Ray's cluster launcher");
        if (key->fate == KEY_MAPPED || is_empty(member))
            continue;
        if (key->fate == KEY_EMPTY && !is_only_ssh_keys(member))
            return launcher_refuse(launcher, field, "is not taken over: %s", key->why);
        launcher_note(launcher, "%s: %s", field,
                      key->fate == KEY_NOTED ? key->why : "not copied: no node is reached by ssh");
    }
    return 0;
}

/* --- the cluster -------------------------------------------------------------------------------------------------- */

int launcher_name(const cJSON *file, char ret[LAUNCHER_NAME_MAX + 1], struct error *error)
{
    const char *name = json_text(file, "cluster_name", NULL);
    if (!name || !launcher_slug(name, ret, LAUNCHER_NAME_MAX + 1) || !isalpha((unsigned char)ret[0]))
        return error_set(
            error, ERROR_INVALID, "cluster_name",
            "cluster_name: expected a name that begins with a letter and has at most %d letters and digits",
            LAUNCHER_NAME_MAX);
    return 0;
}

static int read_provider(struct launcher *launcher)
{
    const cJSON *provider = json_member(launcher->file, "provider"), *member;
    const char *type = json_text(provider, "type", NULL);
    AUTO_BUFFER struct buffer unused = {0};
    if (!type)
        return launcher_refuse(launcher, "provider.type", "expected gcp or azure");
    if (strcmp(type, "gcp") == 0)
        launcher->cloud = LAUNCHER_GCP;
    else if (strcmp(type, "azure") == 0)
        launcher->cloud = LAUNCHER_AZURE;
    else
        return launcher_refuse(launcher, "provider.type",
                               "\"%.40s\" files are not read, those of gcp and azure are: write a RayCluster and use "
                               "`atelier apply -f`",
                               type);
    cJSON_ArrayForEach(member, provider)
    {
        if (strcmp(member->string, "type") != 0 && strcmp(member->string, "namespace") != 0 && !is_empty(member))
            buffer_add_format(&unused, "%s%.40s", unused.n ? ", " : "", member->string);
    }
    if (unused.n)
        launcher_note(launcher, "provider: %s: not used: the platform's machines are where they are", unused.p);
    return 0;
}

static int add_autoscaling(struct launcher *launcher, cJSON *spec)
{
    const cJSON *minutes = json_member(launcher->file, "idle_timeout_minutes");
    const cJSON *speed = json_member(launcher->file, "upscaling_speed");
    double idle = IDLE_MINUTES_DEFAULT;
    if (!is_empty(minutes)) {
        if (!cJSON_IsNumber(minutes) || !(minutes->valuedouble >= 0) || minutes->valuedouble > IDLE_MINUTES_MAX)
            return launcher_refuse(launcher, "idle_timeout_minutes", "expected a number of minutes, 0 or more");
        idle = minutes->valuedouble;
    }
    if (!is_empty(speed) && (!cJSON_IsNumber(speed) || !(speed->valuedouble >= 0)))
        return launcher_refuse(launcher, "upscaling_speed", "expected a number, 0 or more");
    if (!launcher->options->autoscaling)
        return 0;
    json_set_bool(spec, "enableInTreeAutoscaling", true);
    cJSON *options = json_object_in(spec, "autoscalerOptions");
    json_set_text(options, "version", "v2");
    json_set_i64(options, "idleTimeoutSeconds", (int64_t)(idle * 60 + 0.5));
    if (!is_empty(speed))
        json_set_text(options, "upscalingMode", speed->valuedouble > 1 ? "Default" : "Conservative");
    return 0;
}

static cJSON *add_template(struct launcher *launcher, cJSON *group, bool head)
{
    cJSON *pod = json_object_in(json_object_in(group, "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", head ? "ray-head" : "ray-worker");
    json_object_in(group, "rayStartParams");
    if (launcher->options->autoscaling)
        json_set_text(pod, "restartPolicy", "Never"); /* the autoscaler's second version wants it */
    return container;
}

static void add_ports(cJSON *container)
{
    static const struct {
        const char *name;
        int number;
    } ports[] = {{"gcs-server", 6379}, {"dashboard", 8265}, {"client", 10001}, {"serve", 8000}, {"serve-grpc", 9000}};
    cJSON *list = json_set(container, "ports", json_array());
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cJSON *port = json_push(list, json_object());
        json_set_text(port, "name", ports[i].name);
        json_set_i64(port, "containerPort", ports[i].number);
    }
}

static int add_head(struct launcher *launcher, const cJSON *type, const char *path, cJSON *spec)
{
    cJSON *group = json_object_in(spec, "headGroupSpec");
    cJSON *container = add_template(launcher, group, true);
    int64_t workers;
    add_ports(container);
    int failed = launcher_number(launcher, type, path, "max_workers", 0, LAUNCHER_WORKERS_MAX, 0, &workers);
    if (!failed && workers)
        launcher_note(launcher, "%s.max_workers: not used: there is one head, and workers need a type of their own",
                      path);
    if (!failed)
        failed = launcher_add_node(launcher, type, path, group);
    if (!failed)
        failed = launcher_add_start(launcher, true, group);
    return failed ? failed : launcher_add_container(launcher, type, path, true, group);
}

/* --- the worker groups -------------------------------------------------------------------------------------------- */

static int add_labels(struct launcher *launcher, const cJSON *type, const char *path, cJSON *group)
{
    const cJSON *labels = json_member(type, "labels"), *member;
    cJSON_ArrayForEach(member, labels)
    {
        char labels_path[LAUNCHER_PATH_MAX], field[LAUNCHER_PATH_MAX];
        launcher_path(labels_path, path, "labels");
        launcher_path(field, labels_path, member->string);
        if (!cJSON_IsString(member))
            return launcher_refuse(launcher, field, "expected a text");
        json_set_text(json_object_in(group, "labels"), member->string, member->valuestring);
    }
    return 0;
}

/* Ray's max_workers is shared by all groups: the autoscaler is told (add_limit). Groups that stay as they start share
 * it out beforehand: <budget> is what it leaves to this one and those after it, their least workers put aside. */
static int add_counts(struct launcher *launcher, const cJSON *type, const char *path, int64_t least, int64_t *budget,
                      cJSON *group)
{
    int64_t most, idle;
    int failed =
        launcher_number(launcher, type, path, "max_workers", 0, LAUNCHER_WORKERS_MAX, launcher->max_workers, &most);
    if (!failed)
        failed = launcher_number(launcher, type, path, "idle_timeout_s", 0, 365 * 86400, -1, &idle);
    if (failed)
        return failed;
    if (least > most) {
        char field[LAUNCHER_PATH_MAX];
        launcher_path(field, path, "min_workers");
        return launcher_refuse(launcher, field, "%lld is more than its max_workers, %lld", (long long)least,
                               (long long)most);
    }
    bool scales = launcher->options->autoscaling;
    most = most > launcher->max_workers ? launcher->max_workers : most;
    if (!scales && most - least > *budget) {
        most = least + *budget;
        launcher_note(launcher, "%s.max_workers: cut to %lld, so that all groups together keep to max_workers: %lld",
                      path, (long long)most, (long long)launcher->max_workers);
    }
    *budget -= scales ? 0 : most - least;
    json_set_i64(group, "replicas", scales ? least : most);
    json_set_i64(group, "minReplicas", least);
    json_set_i64(group, "maxReplicas", most);
    if (scales && idle >= 0)
        json_set_i64(group, "idleTimeoutSeconds", idle);
    if (scales && json_member(type, "priority"))
        json_set(group, "priority", json_copy(json_member(type, "priority")));
    return 0;
}

static int add_group(struct launcher *launcher, const char *name, const cJSON *type, const char *path, int64_t least,
                     int64_t *budget, cJSON *groups)
{
    char slug[GROUP_NAME_MAX];
    const cJSON *other;
    if (!launcher_slug(name, slug, sizeof(slug)))
        return launcher_refuse(launcher, path, "the name of a node type needs letters or digits, at most %d",
                               GROUP_NAME_MAX - 1);
    cJSON_ArrayForEach(other, groups)
    {
        if (strcmp(json_text_or("", other, "groupName", NULL), slug) == 0)
            return launcher_refuse(launcher, path, "another node type is called %s too, as a worker group", slug);
    }
    cJSON *group = json_push(groups, json_object());
    json_set_text(group, "groupName", slug);
    int failed = add_counts(launcher, type, path, least, budget, group);
    if (failed)
        return failed;
    add_template(launcher, group, false);
    failed = launcher_add_node(launcher, type, path, group);
    if (!failed)
        failed = launcher_add_start(launcher, false, group);
    if (!failed)
        failed = launcher_add_container(launcher, type, path, false, group);
    return failed ? failed : add_labels(launcher, type, path, group);
}

/* --- node types, as the file names them, as old files do, or none at all ------------------------------------------ */

static int check_types(struct launcher *launcher, const cJSON *types, int64_t *ret_least)
{
    const char *head = json_text(launcher->file, "head_node_type", NULL);
    const cJSON *type;
    *ret_least = 0;
    if (!cJSON_IsObject(types) || !types->child || cJSON_GetArraySize(types) > LAUNCHER_TYPES_MAX)
        return launcher_refuse(launcher, "available_node_types", "expected 1 to %d node types", LAUNCHER_TYPES_MAX);
    if (!head || !json_member(types, head))
        return launcher_refuse(launcher, "head_node_type", "expected the name of one of available_node_types");
    cJSON_ArrayForEach(type, types)
    {
        char path[LAUNCHER_PATH_MAX];
        int64_t least;
        launcher_path(path, "available_node_types", type->string);
        if (!cJSON_IsObject(type))
            return launcher_refuse(launcher, path, "expected an object with node_config and resources");
        int failed = check_keys(launcher, type, path, type_keys, COUNT_OF(type_keys));
        if (!failed)
            failed = launcher_number(launcher, type, path, "min_workers", 0, LAUNCHER_WORKERS_MAX, 0, &least);
        if (failed)
            return failed;
        if (strcmp(type->string, head) != 0)
            *ret_least += least;
    }
    return 0;
}

static int add_types(struct launcher *launcher, const cJSON *types, cJSON *spec)
{
    const char *head = json_text(launcher->file, "head_node_type", NULL);
    cJSON *groups = json_set(spec, "workerGroupSpecs", json_array());
    const cJSON *type;
    int64_t least_of_all;
    int failed = check_types(launcher, types, &least_of_all);
    if (!failed && least_of_all > launcher->max_workers)
        failed = launcher_refuse(launcher, "max_workers", "%lld is less than the min_workers of all node types, %lld",
                                 (long long)launcher->max_workers, (long long)least_of_all);
    int64_t budget = launcher->max_workers - (failed ? 0 : least_of_all);
    for (type = types ? types->child : NULL; !failed && type; type = type->next) {
        char path[LAUNCHER_PATH_MAX];
        int64_t least = 0;
        launcher_path(path, "available_node_types", type->string);
        if (strcmp(type->string, head) == 0) {
            failed = add_head(launcher, type, path, spec);
            continue;
        }
        failed = launcher_number(launcher, type, path, "min_workers", 0, LAUNCHER_WORKERS_MAX, 0, &least);
        if (!failed)
            failed = add_group(launcher, type->string, type, path, least, &budget, groups);
    }
    return failed;
}

/* head_node and worker_nodes are node_configs; without them the launcher has default machines of two CPUs. */
static int add_legacy(struct launcher *launcher, cJSON *spec)
{
    AUTO_JSON cJSON *head = json_object();
    AUTO_JSON cJSON *worker = json_object();
    const cJSON *head_config = json_member(launcher->file, "head_node");
    const cJSON *worker_config = json_member(launcher->file, "worker_nodes");
    int64_t least;
    launcher->legacy = true;
    if (head_config)
        json_set(head, "node_config", json_copy(head_config));
    if (worker_config)
        json_set(worker, "node_config", json_copy(worker_config));
    int failed = launcher_number(launcher, launcher->file, "", "min_workers", 0, LAUNCHER_WORKERS_MAX, 0, &least);
    if (!failed && least > launcher->max_workers)
        failed = launcher_refuse(launcher, "min_workers", "%lld is more than max_workers, %lld", (long long)least,
                                 (long long)launcher->max_workers);
    if (!failed)
        failed = add_head(launcher, head, head_config ? "head_node" : "head", spec);
    int64_t budget = launcher->max_workers - least;
    cJSON *groups = json_set(spec, "workerGroupSpecs", json_array());
    return failed ? failed
                  : add_group(launcher, "workers", worker, worker_config ? "worker_nodes" : "worker", least, &budget,
                              groups);
}

static int add_nodes(struct launcher *launcher, cJSON *spec)
{
    const cJSON *types = json_member(launcher->file, "available_node_types");
    /* Examples of the time between the two forms end with both of the old keys, and nothing in them. */
    bool old =
        !is_empty(json_member(launcher->file, "head_node")) || !is_empty(json_member(launcher->file, "worker_nodes"));
    if (types && old)
        return launcher_refuse(launcher, "available_node_types",
                               "head_node and worker_nodes are the old form of it: keep one of both");
    if (types)
        return add_types(launcher, types, spec);
    if (json_member(launcher->file, "head_node_type"))
        return launcher_refuse(launcher, "available_node_types", "is missing: head_node_type names one of them");
    return add_legacy(launcher, spec);
}

/* A limit that says no more than those of the groups is left out. */
static void add_limit(const struct launcher *launcher, cJSON *cluster)
{
    const cJSON *group;
    int64_t sum = 0;
    char text[24];
    cJSON_ArrayForEach(group, json_at(cluster, "spec", "workerGroupSpecs", NULL))
    {
        int64_t most = 0;
        (void)json_i64(json_member(group, "maxReplicas"), &most);
        sum += most;
    }
    if (sum <= launcher->max_workers)
        return;
    snprintf(text, sizeof(text), "%lld", (long long)launcher->max_workers);
    json_set_text(json_object_in(json_member(cluster, "metadata"), "annotations"), "atelier.dev/max-workers", text);
}

/* The file's own image has its own Ray; where its name does not tell which, the platform's is as good a guess as any.
 */
static void add_version(struct launcher *launcher, cJSON *spec)
{
    const struct launcher_options *options = launcher->options;
    const cJSON *containers = json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL);
    const char *image = json_text_or("", containers->child, "image", NULL);
    bool own = !options->image_wins && strcmp(image, options->image ? options->image : "") != 0;
    AUTO_FREE char *tagged = own ? launcher_image_version(image) : NULL;
    json_set_text(spec, "rayVersion", tagged ? tagged : options->ray_version);
    if (own && !tagged && options->ray_version)
        launcher_note(launcher, "docker: %.120s does not tell its Ray: taken for %s (--image names another)", image,
                      options->ray_version);
}

int launcher_convert(const cJSON *file, const struct launcher_options *options, cJSON **ret, struct buffer *notes,
                     struct error *error)
{
    struct launcher launcher = {.file = file, .options = options, .notes = notes, .error = error};
    char name[LAUNCHER_NAME_MAX + 1];
    AUTO_JSON cJSON *cluster = json_object();
    if (!cJSON_IsObject(file))
        return error_set(error, ERROR_INVALID, NULL,
                         "expected the keys of Ray's cluster launcher: cluster_name, provider, ...");
    int failed = check_keys(&launcher, file, "", top_keys, COUNT_OF(top_keys));
    if (!failed)
        failed = launcher_name(file, name, error);
    if (!failed)
        failed = read_provider(&launcher);
    if (!failed)
        failed = launcher_number(&launcher, file, "", "max_workers", 0, LAUNCHER_WORKERS_MAX, WORKERS_DEFAULT,
                                 &launcher.max_workers);
    if (failed)
        return failed;
    json_set_text(cluster, "apiVersion", "ray.io/v1");
    json_set_text(cluster, "kind", "RayCluster");
    json_set_text(json_object_in(cluster, "metadata"), "name", name);
    cJSON *spec = json_object_in(cluster, "spec");
    json_set_text(spec, "rayVersion", options->ray_version);
    failed = add_autoscaling(&launcher, spec);
    if (!failed)
        failed = add_nodes(&launcher, spec);
    if (failed)
        return failed;
    add_version(&launcher, spec);
    add_limit(&launcher, cluster);
    *ret = cluster;
    cluster = NULL;
    return 0;
}
