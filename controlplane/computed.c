/* What do the machine and its pods use, to clients that know nodes and metrics.k8s.io? */
#include "controlplane/computed.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "controlplane/objects.h"
#include "controlplane/sampler.h"
#include "controlplane/visible.h"
#include "controlplane/wire.h"
#include "engine/selector.h"

#define METRICS "metrics.k8s.io"

enum { NODES, NODE_METRICS, POD_METRICS, COMPUTED_COUNT };

/* --- what they consist of ----------------------------------------------------------------------------------------- */
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, SCHEMA_TEXT, NULL, NULL                                                                                  \
    }
static const struct schema_field node_info[] = {{"kubeletVersion", SCHEMA_TEXT, "Whose conventions it follows.", NULL},
                                                {"operatingSystem", SCHEMA_TEXT, "linux.", NULL},
                                                END};
static const struct schema_field node_conditions[] = {
    {"type", SCHEMA_TEXT, "What it is about: Ready, DiskPressure.", NULL},
    {"status", SCHEMA_TEXT, "True or False.", NULL},
    {"reason", SCHEMA_TEXT, "Why, in a word.", NULL},
    {"message", SCHEMA_TEXT, "Why, in a sentence.", NULL},
    END};
static const struct schema_field node_status[] = {{"capacity", SCHEMA_AMOUNTS, "What the machine has.", NULL},
                                                  {"allocatable", SCHEMA_AMOUNTS, "What pods may use of it.", NULL},
                                                  {"conditions", SCHEMA_LIST, "What is told of it.", node_conditions},
                                                  {"nodeInfo", SCHEMA_OPEN, "What it is.", node_info},
                                                  END};
static const struct schema_field of_node[] = {
    {"spec", SCHEMA_OPEN, "Empty here.", NULL}, {"status", SCHEMA_OPEN, "What is.", node_status}, END};
static const struct schema_field of_node_metrics[] = {
    {"timestamp", SCHEMA_TIME, "When it was measured.", NULL},
    {"window", SCHEMA_TEXT, "Over which time before that usage.cpu is the mean.", NULL},
    {"usage", SCHEMA_AMOUNTS, "cpu and memory.", NULL},
    END};
static const struct schema_field container_metrics[] = {
    {"name", SCHEMA_TEXT, "Which one.", NULL}, {"usage", SCHEMA_AMOUNTS, "cpu and memory.", NULL}, END};
static const struct schema_field of_pod_metrics[] = {
    {"timestamp", SCHEMA_TIME, "When it was measured.", NULL},
    {"window", SCHEMA_TEXT, "Over which time before that usage.cpu is the mean.", NULL},
    {"containers", SCHEMA_LIST, "What each container uses.", container_metrics},
    END};

/* --- their columns ------------------------------------------------------------------------------------------------ */
#define NAME                                                                                                           \
    {                                                                                                                  \
        "Name", "string", "name", 0, "metadata.name", cell_at, "Unique within a namespace."                            \
    }
#define LAST                                                                                                           \
    {                                                                                                                  \
        NULL, NULL, NULL, 0, NULL, NULL, NULL                                                                          \
    }

static cJSON *cell_node_status(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)path, (void)now_ms;
    return cJSON_CreateString(json_condition_true(object, "Ready") ? "Ready" : "NotReady");
}

static const struct column node_columns[] = {
    NAME,
    {"Status", "string", "", 0, NULL, cell_node_status, "Ready or not."},
    {"Roles", "string", "", 0, "metadata.annotations.none", cell_text, "None here."},
    {"Age", "string", "", 0, "metadata.creationTimestamp", cell_age, "Since when it runs."},
    {"Version", "string", "", 0, "status.nodeInfo.kubeletVersion", cell_at, "Whose conventions it follows."},
    LAST};
static const struct column node_metrics_columns[] = {NAME,
                                                     {"cpu", "string", "", 0, "usage.cpu", cell_at, "CPUs in use."},
                                                     {"memory", "string", "", 0, "usage.memory", cell_at, "In use."},
                                                     {"window", "string", "", 0, "window", cell_at, "Measured over."},
                                                     LAST};

/* The sum over the containers, as metrics-server shows it. */
static cJSON *cell_sum(const cJSON *object, const char *path, int64_t now_ms)
{
    (void)now_ms;
    int64_t sum = 0;
    char text[32];
    bool cpu = strcmp(path, "cpu") == 0;
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(object, "containers"))
    {
        int64_t value = 0;
        (void)json_quantity(json_at(container, "usage", path, NULL), cpu ? quantity_parse_milli : quantity_parse_bytes,
                            &value);
        sum += value;
    }
    if (cpu)
        quantity_format_cpu(sum, text, sizeof(text));
    else
        (void)snprintf(text, sizeof(text), "%" PRId64 "Ki", sum / 1024);
    return cJSON_CreateString(text);
}

static const struct column pod_metrics_columns[] = {NAME,
                                                    {"cpu", "string", "", 0, "cpu", cell_sum, "CPUs in use."},
                                                    {"memory", "string", "", 0, "memory", cell_sum, "In use."},
                                                    {"window", "string", "", 0, "window", cell_at, "Measured over."},
                                                    LAST};

/* --- which there are ---------------------------------------------------------------------------------------------- */
const struct computed_kind computed_kinds[] = {
    [NODES] = {{"", "v1", "Node", "nodes", "node", "no", false},
               {"The machine on which pods run.", of_node},
               node_columns,
               "NodeList"},
    [NODE_METRICS] = {{METRICS, "v1beta1", "NodeMetrics", "nodes", "", "", false},
                      {"What the machine uses.", of_node_metrics},
                      node_metrics_columns,
                      "NodeMetricsList"},
    [POD_METRICS] = {{METRICS, "v1beta1", "PodMetrics", "pods", "", "", true},
                     {"What a pod uses.", of_pod_metrics},
                     pod_metrics_columns,
                     "PodMetricsList"},
};
const size_t computed_kind_count = COMPUTED_COUNT;

const struct computed_kind *computed_find(struct engine *engine, const char *group, const char *plural)
{
    for (size_t i = 0; i < COMPUTED_COUNT && !engine_forwards(engine); i++)
        if (strcmp(computed_kinds[i].info.group, group) == 0 && strcmp(computed_kinds[i].info.plural, plural) == 0)
            return &computed_kinds[i];
    return NULL;
}

struct decision computed_decide(const struct call *call, const struct computed_kind *kind, const char *namespace,
                                const char *name, enum verb verb)
{
    if (kind == &computed_kinds[POD_METRICS])
        return call_decide(call, namespace, "Pod", name, verb);
    bool allowed = call->request->identity->platform_admin;
    return (struct decision){
        .allowed = allowed, .visible = true, .reason = allowed ? "platform admin" : "nodes are for platform admins"};
}

/* --- their figures ------------------------------------------------------------------------------------------------ */
static cJSON *usage_of(const cJSON *reading)
{
    char text[32];
    int64_t memory_bytes = 0;
    cJSON *usage = json_object();
    (void)json_i64(json_member(reading, "memory"), &memory_bytes);
    double cores = cJSON_GetNumberValue(json_member(reading, "cpu"));
    (void)snprintf(text, sizeof(text), "%" PRId64 "n", (int64_t)(cores * 1e9 + 0.5));
    json_set_text(usage, "cpu", cores > 0 ? text : "0");
    (void)snprintf(text, sizeof(text), "%" PRId64 "Ki", memory_bytes / 1024);
    json_set_text(usage, "memory", text);
    return usage;
}

static cJSON *new_object(const struct computed_kind *kind, const char *name)
{
    AUTO_FREE char *version =
        memory_format("%s%s%s", kind->info.group, *kind->info.group ? "/" : "", kind->info.version);
    cJSON *object = json_object();
    json_set_text(object, "kind", kind->info.kind);
    json_set_text(object, "apiVersion", version);
    json_set_text(json_object_in(object, "metadata"), "name", name);
    return object;
}

static void add_time(cJSON *metrics, const cJSON *reading, int64_t at_ms)
{
    char at[CLOCK_TEXT_SIZE], window[32];
    int64_t window_ms = 0;
    clock_format(at_ms, at);
    (void)json_i64(json_member(reading, "window_ms"), &window_ms);
    (void)snprintf(window, sizeof(window), "%" PRId64 ".%03" PRId64 "s", window_ms / 1000, window_ms % 1000);
    json_set_text(json_member(metrics, "metadata"), "creationTimestamp", at);
    json_set_text(metrics, "timestamp", at);
    json_set_text(metrics, "window", window);
}

static cJSON *metrics_of_pod(const cJSON *pod, const cJSON *reading, int64_t at_ms)
{
    cJSON *metrics = new_object(&computed_kinds[POD_METRICS], json_text(pod, "metadata", "name", NULL));
    cJSON *metadata = json_member(metrics, "metadata");
    const cJSON *labels = json_at(pod, "metadata", "labels", NULL), *container;
    json_set_text(metadata, "namespace", json_text(pod, "metadata", "namespace", NULL));
    if (labels)
        json_set(metadata, "labels", json_copy(labels));
    add_time(metrics, reading, at_ms);
    cJSON *containers = json_set(metrics, "containers", json_array());
    cJSON_ArrayForEach(container, json_member(reading, "containers"))
    {
        cJSON *part = json_push(containers, json_object());
        json_set_text(part, "name", json_text(container, "name", NULL));
        json_set(part, "usage", usage_of(container));
    }
    return metrics;
}

/* <namespace> NULL: the machine's. NULL if it has none yet. */
static const cJSON *find_reading(const cJSON *readings, const char *namespace, const char *name)
{
    const cJSON *reading;
    cJSON_ArrayForEach(reading, readings)
    {
        const char *its = json_text(reading, "namespace", NULL);
        if ((namespace ? its && strcmp(its, namespace) == 0 : !its) &&
            strcmp(json_text_or("", reading, "name", NULL), name) == 0)
            return reading;
    }
    return NULL;
}

/* --- pods --------------------------------------------------------------------------------------------------------- */
static int list_pods(struct call *call, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    struct engine *engine = call->server->engine;
    struct place place = {KIND_POD, &engine_kinds[KIND_POD], namespace, name, ""};
    AUTO_VIEW struct engine_view pod = {0};
    struct engine_list_options options = {.label_selector = request_query(call->request, "labelSelector"),
                                          .field_selector = request_query(call->request, "fieldSelector")};
    if (name) {
        int status = place_read(call, &place, VERB_GET, &pod, error);
        if (status == 0)
            json_push(json_set(*ret = json_object(), "items", json_array()), json_copy(pod.object));
        return status;
    }
    struct decision decision = call_decide(call, namespace, "Pod", NULL, VERB_LIST);
    int status = call_refuse(&decision, error);
    if (status == 0)
        status = engine_list(engine, KIND_POD, namespace, &options, ret, error);
    if (status == 0 && decision.partial)
        visible_filter(call->request->policy, call->request->identity, KIND_POD, json_member(*ret, "items"));
    return status;
}

static int pod_items(struct call *call, const char *namespace, const char *name, cJSON *items, struct error *error)
{
    AUTO_JSON cJSON *pods = NULL, *readings = NULL;
    int64_t at_ms = 0;
    const cJSON *pod;
    int status = list_pods(call, namespace, name, &pods, error);
    if (status == 0)
        status = sampler_last(call->server->sampler, &readings, &at_ms, error);
    if (status < 0)
        return status;
    cJSON_ArrayForEach(pod, json_member(pods, "items"))
    {
        const cJSON *reading = find_reading(readings, json_text_or("", pod, "metadata", "namespace", NULL),
                                            json_text_or("", pod, "metadata", "name", NULL));
        if (reading && json_member(reading, "containers") && json_member(reading, "containers")->child)
            json_push(items, metrics_of_pod(pod, reading, at_ms));
    }
    return 0;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */
static void add_condition(cJSON *conditions, const char *type, bool is, const char *reason, const char *message)
{
    cJSON *condition = json_push(conditions, json_object());
    json_set_text(condition, "type", type);
    json_set_text(condition, "status", is ? "True" : "False");
    json_set_text(condition, "reason", reason);
    json_set_text(condition, "message", message);
}

/* The machine is as old as its last start. */
static void add_start(cJSON *node)
{
    struct timespec up;
    char at[CLOCK_TEXT_SIZE];
    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_format(clock_wall_ms() - up.tv_sec * 1000 - up.tv_nsec / 1000000, at);
    json_set_text(json_member(node, "metadata"), "creationTimestamp", at);
}

/* Pods may take all of the machine's CPUs, however many are promised; of its memory what is promised. */
static int describe_machine(struct call *call, cJSON *node, struct error *error)
{
    AUTO_JSON cJSON *usage = NULL;
    int status = engine_usage(call->server->engine, &usage, error);
    if (status < 0)
        return status;
    const cJSON *capacity = json_member(usage, "capacity");
    cJSON *is = json_object_in(node, "status"), *conditions = json_array();
    json_set(node, "spec", json_object());
    json_set(is, "capacity", json_copy(capacity));
    cJSON *allocatable = json_set(is, "allocatable", json_copy(capacity));
    json_set_text(allocatable, "memory", json_text(usage, "allocatable", "memory", NULL));
    json_set(is, "conditions", conditions);
    add_condition(conditions, "Ready", true, "Running", "pods are run here");
    bool is_short = json_true(usage, "disk", "short", NULL);
    add_condition(conditions, "DiskPressure", is_short, is_short ? "DiskShort" : "DiskSuffices",
                  json_text_or("", usage, "disk", "message", NULL));
    cJSON *info = json_object_in(is, "nodeInfo");
    json_set_text(info, "kubeletVersion", "v1.34.0+atelier-" ATELIER_VERSION);
    json_set_text(info, "operatingSystem", "linux");
    return 0;
}

static int machine_item(struct call *call, const struct computed_kind *kind, cJSON *items, struct error *error)
{
    AUTO_JSON cJSON *object = new_object(kind, ENGINE_NODE), *readings = NULL;
    int64_t at_ms = 0;
    json_set_text(json_object_in(json_member(object, "metadata"), "labels"), "kubernetes.io/hostname", ENGINE_NODE);
    if (kind == &computed_kinds[NODES])
        add_start(object);
    if (kind == &computed_kinds[NODES]) {
        int status = describe_machine(call, object, error);
        if (status == 0)
            json_push(items, TAKE_POINTER(object));
        return status;
    }
    int status = sampler_last(call->server->sampler, &readings, &at_ms, error);
    const cJSON *reading = status == 0 ? find_reading(readings, NULL, ENGINE_NODE) : NULL;
    if (!reading)
        return status;
    add_time(object, reading, at_ms);
    json_set(object, "usage", usage_of(reading));
    json_push(items, TAKE_POINTER(object));
    return 0;
}

static int machine_items(struct call *call, const struct computed_kind *kind, const char *name, cJSON *items,
                         struct error *error)
{
    struct decision decision = computed_decide(call, kind, NULL, name, name ? VERB_GET : VERB_LIST);
    int status = call_refuse(&decision, error);
    if (status < 0 || (name && strcmp(name, ENGINE_NODE) != 0))
        return status;
    return machine_item(call, kind, items, error);
}

/* Of the machine, which the engine has no selectors for. */
static int keep_selected(const struct call *call, cJSON *items, struct error *error)
{
    const char *labels = request_query(call->request, "labelSelector");
    const char *fields = request_query(call->request, "fieldSelector");
    AUTO_SELECTOR struct selector *selector = NULL;
    int status = selector_new(labels, fields, &selector, error);
    if (status == 0 && items->child && !selector_matches(selector, items->child))
        cJSON_Delete(cJSON_DetachItemFromArray(items, 0));
    return status;
}

/* --- answering ---------------------------------------------------------------------------------------------------- */
static int not_found(struct error *error)
{
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
}

static int collect(struct call *call, const struct computed_kind *kind, const char *namespace, const char *name,
                   cJSON *items, struct error *error)
{
    if (kind == &computed_kinds[POD_METRICS])
        return pod_items(call, namespace, name, items, error);
    int status = machine_items(call, kind, name, items, error);
    return status == 0 && !name ? keep_selected(call, items, error) : status;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

static int check_path(struct call *call, const struct computed_kind *kind, struct error *error)
{
    const char *namespace = call_parameter(call, "ns"), *name = call_parameter(call, "name");
    bool reading = slice_is(call->request->method, "GET") || slice_is(call->request->method, "HEAD");
    const char *version = call_parameter(call, "version");
    bool misplaced = kind->info.namespaced ? !*namespace && *name : *namespace != '\0';
    if ((*version && strcmp(version, kind->info.version) != 0) || *call_parameter(call, "part") || misplaced ||
        (*namespace && !name_is_label(slice_of(namespace))) || (*name && !name_is_subdomain(slice_of(name))))
        return not_found(error);
    if (!reading || call_query_true(call, "watch"))
        return error_set(error, ERROR_METHOD, NULL, "%s of this group are read one at a time or as a list",
                         kind->info.plural);
    call->kind = kind->info.kind;
    return wire_check_accept(call->request, error);
}

int computed_answer(struct call *call, const struct computed_kind *kind, struct error *error)
{
    const char *name = or_null(call_parameter(call, "name"));
    AUTO_JSON cJSON *list = json_object(), *table = NULL;
    enum table_include include;
    bool as_table = false;
    json_set_text(list, "kind", kind->list_kind);
    AUTO_FREE char *version =
        memory_format("%s%s%s", kind->info.group, *kind->info.group ? "/" : "", kind->info.version);
    json_set_text(list, "apiVersion", version);
    json_set(list, "metadata", json_object());
    cJSON *items = json_set(list, "items", json_array());
    int status = check_path(call, kind, error);
    if (status == 0)
        status = wire_table(call->request, &as_table, &include, error);
    if (status == 0)
        status = collect(call, kind, or_null(call_parameter(call, "ns")), name, items, error);
    if (status < 0)
        return status;
    if (name && !items->child)
        return not_found(error);
    if (as_table)
        table = table_with(kind->columns, list, include, clock_wall_ms());
    wire_answer(call, 200, as_table ? table : name ? items->child : list);
    return 0;
}
