/* What does a node type of a launcher file ask a machine for, and how does a pod ask for it? */
#include "cli/launcher_node.h"

#include <ctype.h>

#define GIB ((int64_t)1 << 30)
#define MIB ((int64_t)1 << 20)
#define CPUS_DEFAULT 2 /* the launcher's own default machines, n1-standard-2 and Standard_D2s_v3, have that many */
#define RESOURCE_MAX ((int64_t)1 << 50)

/* --- machines ----------------------------------------------------------------------------------------------------- */

/* MiB of memory for each virtual CPU, by the clouds' own lists of machine types; the first prefix that fits counts. */
static const struct family {
    const char *prefix;
    int64_t mib_per_cpu;
} gcp_families[] = {{"n1-standard-", 3840}, {"n1-highmem-", 6656}, {"n1-highcpu-", 922},  {"a2-highgpu-", 7253},
                    {"g2-standard-", 4096}, {"m1-", 24576},        {"c2-standard-", 4096}},
  azure_families[] = {{"D", 4096},  {"E", 8192},  {"F", 2048}, {"B", 4096}, {"NC", 9216},
                      {"ND", 9216}, {"NV", 9216}, {"L", 8192}, {"M", 28672}};

/* "...-standard-8": the last part; families with a kind of their own name that says how much memory goes with it. */
static bool gcp_machine(const char *name, struct launcher_machine *ret)
{
    static const struct family kinds[] = {{"-standard-", 4096}, {"-highmem-", 8192}, {"-highcpu-", 1024}};
    const char *slash = strrchr(name, '/'), *custom;
    long long first, second;
    int used = 0;
    if (slash)
        name = slash + 1;
    custom = strstr(name, "custom-");
    if (custom && sscanf(custom, "custom-%4lld-%9lld", &first, &second) == 2 && first > 0 && second > 0) {
        *ret = (struct launcher_machine){.cpus = first, .memory_mib = second};
        return true;
    }
    if (sscanf(name, "a2-highgpu-%2lldg%n", &first, &used) == 1 && used && !name[used] && first > 0) {
        *ret = (struct launcher_machine){.cpus = 12 * first, .memory_mib = 87040 * first, .gpus = first};
        return true;
    }
    const char *last = strrchr(name, '-');
    int64_t cpus;
    if (!last || !text_parse_i64(slice_of(last + 1), 1, 1000, &cpus))
        return false;
    int64_t each = 0;
    for (size_t i = 0; !each && i < COUNT_OF(gcp_families); i++)
        if (strncmp(name, gcp_families[i].prefix, strlen(gcp_families[i].prefix)) == 0)
            each = gcp_families[i].mib_per_cpu;
    for (size_t i = 0; !each && i < COUNT_OF(kinds); i++)
        if (strstr(name, kinds[i].prefix))
            each = kinds[i].mib_per_cpu;
    *ret = (struct launcher_machine){.cpus = cpus, .memory_mib = cpus * each};
    if (strncmp(name, "g2-", 3) == 0)
        ret->gpus = cpus >= 96 ? 8 : cpus >= 48 ? 4 : cpus == 24 ? 2 : 1;
    return each > 0;
}

/* "Standard_D4s_v3": the letters are the family, the digits after them the virtual CPUs. */
static bool azure_machine(const char *name, struct launcher_machine *ret)
{
    const char *p = strncmp(name, "Standard_", 9) == 0 ? name + 9 : name;
    char letters[8] = "";
    size_t count = 0;
    while (isupper((unsigned char)*p) && count + 1 < sizeof(letters))
        letters[count++] = *p++;
    size_t digits = strspn(p, "0123456789");
    int64_t cpus;
    if (!count || !text_parse_i64((struct slice){p, digits}, 1, 1000, &cpus))
        return false;
    int64_t each = 0;
    for (size_t i = COUNT_OF(azure_families); !each && i-- > 0;)
        if (strncmp(letters, azure_families[i].prefix, strlen(azure_families[i].prefix)) == 0)
            each = azure_families[i].mib_per_cpu;
    *ret = (struct launcher_machine){.cpus = cpus, .memory_mib = cpus * each};
    if (letters[0] == 'N')
        ret->gpus = cpus >= 6 ? cpus / 6 : 1;
    return each > 0;
}

bool launcher_machine(enum launcher_cloud cloud, const char *name, struct launcher_machine *ret)
{
    return cloud == LAUNCHER_GCP ? gcp_machine(name, ret) : azure_machine(name, ret);
}

/* --- node_config -------------------------------------------------------------------------------------------------- */

static bool says_spot(const cJSON *scheduling)
{
    return json_true(scheduling, "preemptible", NULL) ||
           strcmp(json_text_or("", scheduling, "provisioningModel", NULL), "SPOT") == 0;
}

static bool is_spot(const cJSON *config)
{
    const cJSON *scheduling = json_member(config, "scheduling"), *item;
    bool spot = says_spot(scheduling) ||
                strcmp(json_text_or("", config, "azure_arm_parameters", "priority", NULL), "Spot") == 0;
    cJSON_ArrayForEach(item, scheduling) /* a list, as the launcher's own examples write it */
        spot = spot || says_spot(item);
    return spot;
}

static void add_spot(struct launcher *launcher, cJSON *pod)
{
    const char *key =
        launcher->cloud == LAUNCHER_GCP ? "cloud.google.com/gke-spot" : "kubernetes.azure.com/scalesetpriority";
    const char *value = launcher->cloud == LAUNCHER_GCP ? "true" : "spot";
    json_set_text(json_object_in(pod, "nodeSelector"), key, value);
    cJSON *toleration = json_push(json_set(pod, "tolerations", json_array()), json_object());
    json_set_text(toleration, "key", key);
    json_set_text(toleration, "operator", "Equal");
    json_set_text(toleration, "value", value);
    json_set_text(toleration, "effect", "NoSchedule");
}

/* guestAccelerators: [{acceleratorType: ".../nvidia-tesla-t4", acceleratorCount: 1}] */
static int add_accelerator(struct launcher *launcher, const cJSON *config, const char *path, cJSON *pod,
                           int64_t *ret_gpus)
{
    const cJSON *list = json_member(config, "guestAccelerators"), *first = cJSON_IsArray(list) ? list->child : NULL;
    char field[LAUNCHER_PATH_MAX];
    if (!first)
        return 0;
    launcher_path(field, path, "guestAccelerators");
    const char *type = json_text(first, "acceleratorType", NULL);
    int64_t count;
    if (first->next || !type || !json_i64(json_member(first, "acceleratorCount"), &count) || count < 1 || count > 16)
        return launcher_refuse(launcher, field,
                               "expected one entry with acceleratorType and an acceleratorCount from 1 to 16");
    const char *slash = strrchr(type, '/');
    json_set_text(json_object_in(pod, "nodeSelector"), "cloud.google.com/gke-accelerator", slash ? slash + 1 : type);
    *ret_gpus = count;
    return 0;
}

/* A node_config is a request to a cloud; of it, what a pod can ask for is taken over. */
static int add_config(struct launcher *launcher, const cJSON *config, const char *path, cJSON *pod,
                      struct launcher_machine *ret)
{
    static const char *const taken[] = {"machineType", "scheduling", "guestAccelerators", "azure_arm_parameters", NULL};
    char field[LAUNCHER_PATH_MAX];
    AUTO_BUFFER struct buffer left = {0};
    const cJSON *member;
    if (json_member(config, "acceleratorType") || json_member(config, "acceleratorConfig")) {
        launcher_path(field, path, json_member(config, "acceleratorType") ? "acceleratorType" : "acceleratorConfig");
        return launcher_refuse(launcher, field,
                               "a TPU slice needs numOfHosts and google.com/tpu of a worker group: write it as a "
                               "RayCluster and use `atelier apply -f`");
    }
    cJSON_ArrayForEach(member, config)
    {
        bool is_taken = false;
        for (const char *const *key = taken; *key; key++)
            is_taken = is_taken || strcmp(*key, member->string) == 0;
        if (!is_taken)
            buffer_add_format(&left, "%s%.40s", left.n ? ", " : "", member->string);
    }
    if (left.n)
        launcher_note(launcher, "%s: %s: not taken over: pods get disks, addresses and accounts from the platform",
                      path, left.p);
    const char *key = launcher->cloud == LAUNCHER_GCP ? "machineType" : "azure_arm_parameters.vmSize";
    const char *name = launcher->cloud == LAUNCHER_GCP ? json_text(config, "machineType", NULL)
                                                       : json_text(config, "azure_arm_parameters", "vmSize", NULL);
    *ret = (struct launcher_machine){0};
    if (name && !launcher_machine(launcher->cloud, name, ret)) {
        *ret = (struct launcher_machine){0};
        launcher_note(launcher, "%s.%s: \"%.60s\" is not known: say CPU and memory in resources", path, key, name);
    }
    if (is_spot(config))
        add_spot(launcher, pod);
    return add_accelerator(launcher, config, path, pod, &ret->gpus);
}

/* --- resources ---------------------------------------------------------------------------------------------------- */

struct wanted {
    bool has_cpus;
    int64_t cpus, gpus, memory, object_store;
    cJSON *custom; /* borrowed: of the caller's */
};

static int read_resources(struct launcher *launcher, const cJSON *resources, const char *path, struct wanted *ret)
{
    const cJSON *member;
    char base[LAUNCHER_PATH_MAX], field[LAUNCHER_PATH_MAX];
    launcher_path(base, path, "resources");
    cJSON_ArrayForEach(member, resources)
    {
        int64_t value;
        launcher_path(field, base, member->string);
        if (!json_i64(member, &value) || value < 0 || value > RESOURCE_MAX)
            return launcher_refuse(launcher, field, "expected a whole number, 0 or more");
        if (strcmp(member->string, "CPU") == 0) {
            ret->has_cpus = true;
            ret->cpus = value;
        } else if (strcmp(member->string, "GPU") == 0) {
            ret->gpus = value;
        } else if (strcmp(member->string, "memory") == 0) {
            ret->memory = value;
        } else if (strcmp(member->string, "object_store_memory") == 0) {
            ret->object_store = value;
        } else if (strcmp(member->string, "TPU") == 0) {
            return launcher_refuse(launcher, field,
                                   "a TPU slice needs numOfHosts and google.com/tpu of a worker group: write it as a "
                                   "RayCluster and use `atelier apply -f`");
        } else {
            json_set_i64(ret->custom, member->string, value);
        }
    }
    return 0;
}

static void set_number(cJSON *object, const char *key, int64_t value)
{
    AUTO_FREE char *text = memory_format("%lld", (long long)value);
    json_set_text(object, key, text);
}

void launcher_set_resources(cJSON *params, const cJSON *amounts)
{
    AUTO_FREE char *json = json_print(amounts);
    AUTO_BUFFER struct buffer quoted = {0};
    buffer_add_text(&quoted, "\"");
    for (const char *p = json; *p; p++)
        buffer_add_format(&quoted, *p == '"' ? "\\%c" : "%c", *p);
    buffer_add_text(&quoted, "\"");
    json_set_text(params, "resources", quoted.p);
}

static void add_params(const struct wanted *wanted, cJSON *group)
{
    cJSON *params = json_object_in(group, "rayStartParams");
    if (wanted->has_cpus)
        set_number(params, "num-cpus", wanted->cpus);
    if (wanted->memory)
        set_number(params, "memory", wanted->memory);
    if (wanted->object_store)
        set_number(params, "object-store-memory", wanted->object_store);
    if (wanted->custom->child)
        launcher_set_resources(params, wanted->custom);
}

static void add_requests(cJSON *container, int64_t cpu_milli, int64_t memory, int64_t gpus)
{
    static const char *const parts[] = {"requests", "limits"};
    char cpu_text[32], memory_text[32];
    quantity_format_cpu(cpu_milli, cpu_text, sizeof(cpu_text));
    quantity_format_bytes(memory, memory_text, sizeof(memory_text));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", cpu_text);
        json_set_text(part, "memory", memory_text);
        if (gpus)
            set_number(part, "nvidia.com/gpu", gpus);
    }
}

static void clamp(struct launcher *launcher, const char *path, int64_t *cpu_milli, int64_t *memory)
{
    const struct launcher_options *options = launcher->options;
    bool cut = false;
    if (options->cpu_milli_max && *cpu_milli > options->cpu_milli_max) {
        *cpu_milli = options->cpu_milli_max;
        cut = true;
    }
    if (options->memory_bytes_max && *memory > options->memory_bytes_max) {
        *memory = options->memory_bytes_max;
        cut = true;
    }
    if (cut)
        launcher_note(launcher, "%s: cut to the sizes of --max-cpu and --max-memory", path);
}

int launcher_add_node(struct launcher *launcher, const cJSON *type, const char *path, cJSON *group)
{
    cJSON *pod = json_at(group, "template", "spec", NULL);
    cJSON *container = cJSON_GetArrayItem(json_member(pod, "containers"), 0);
    struct launcher_machine machine;
    char field[LAUNCHER_PATH_MAX];
    AUTO_JSON cJSON *custom = json_object();
    struct wanted wanted = {.custom = custom};
    if (launcher->legacy)
        snprintf(field, sizeof(field), "%s", path);
    else
        launcher_path(field, path, "node_config");
    int failed = add_config(launcher, json_member(type, "node_config"), field, pod, &machine);
    if (!failed)
        failed = read_resources(launcher, json_member(type, "resources"), path, &wanted);
    if (failed)
        return failed;
    if (!wanted.gpus)
        wanted.gpus = machine.gpus;
    int64_t cpus = wanted.cpus ? wanted.cpus : machine.cpus ? machine.cpus : CPUS_DEFAULT;
    int64_t cpu_milli = cpus * 1000;
    int64_t memory = wanted.memory ? wanted.memory : machine.memory_mib ? machine.memory_mib * MIB : cpus * 4 * GIB;
    if (cpus > 1000)
        return launcher_refuse(launcher, path, "asks for %lld CPUs: at most 1000", (long long)cpus);
    clamp(launcher, path, &cpu_milli, &memory);
    if (wanted.memory > memory)
        wanted.memory = 0; /* Ray would promise more than the pod has */
    add_requests(container, cpu_milli, memory, wanted.gpus);
    add_params(&wanted, group);
    return 0;
}
