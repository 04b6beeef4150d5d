/* What may a pod template be here, which images are there, what is used, and what has a container written? */
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/paths.h"

/* --- templates ---------------------------------------------------------------------------------------------------- */

/* The API server knows all that a pod may be, Pod Security judges it; asking both before there is a pod means a dry run
 * in a namespace, which the workload's own admission does not have. What neither will say until the pod is made is said
 * here. */
int pods_check(struct engine *engine, const cJSON *template, const char *path, struct error *error)
{
    const cJSON *containers = json_at(template, "spec", "containers", NULL), *container;
    (void)engine;
    char field[128];
    int index = 0;
    snprintf(field, sizeof(field), "%s.spec.containers", path);
    if (!cJSON_IsArray(containers) || !containers->child)
        return error_set(error, ERROR_INVALID, field, "%s must have at least one container", field);
    cJSON_ArrayForEach(container, containers)
    {
        snprintf(field, sizeof(field), "%.80s.spec.containers[%d].image", path, index++);
        const char *image = json_text_or("", container, "image", NULL);
        if (!*image)
            return error_set(error, ERROR_INVALID, field, "%s is missing", field);
    }
    return 0;
}

/* --- images ------------------------------------------------------------------------------------------------------- */

/* What runs without a list of one's own: Ray's images as they are published, and a notebook of the same Ray. */
static const char built_in[] =
    "[{\"name\":\"ray-2.60\",\"reference\":\"rayproject/ray:2.60.0\",\"aliases\":[\"rayproject/ray:2.60.0\"],"
    "\"rayVersion\":\"2.60.0\",\"ready\":true}]";

int pods_images(struct engine *engine, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    const char *text = kubernetes->images[0] ? kubernetes->images : built_in;
    int r = json_parse(slice_of(text), &json_limits_default, ret, error);
    if (r < 0)
        return error_wrap(error, "the list of images (ATELIER_KUBE_IMAGES)");
    const cJSON *item;
    cJSON_ArrayForEach(item, *ret)
    {
        if (!json_text(item, "name", NULL)) {
            cJSON_Delete(*ret);
            *ret = NULL;
            return error_set(error, ERROR_INVALID, "kube_images", "each image of the list needs a name");
        }
    }
    return 0;
}

/* --- usage -------------------------------------------------------------------------------------------------------- */

struct sum {
    int64_t cpu_milli, memory_bytes;
};

static void add_quantity(struct sum *sum, const cJSON *resources)
{
    int64_t cpu = 0, memory = 0;
    (void)quantity_parse_milli(slice_of(json_text_or("0", resources, "cpu", NULL)), &cpu);
    (void)quantity_parse_bytes(slice_of(json_text_or("0", resources, "memory", NULL)), &memory);
    sum->cpu_milli += cpu;
    sum->memory_bytes += memory;
}

static void put_sum(cJSON *object, const struct sum *sum)
{
    char cpu[32], memory[32];
    quantity_format_cpu(sum->cpu_milli, cpu, sizeof(cpu));
    quantity_format_bytes(sum->memory_bytes, memory, sizeof(memory));
    json_set_text(object, "cpu", cpu);
    json_set_text(object, "memory", memory);
}

static int add_nodes(struct kubernetes *kubernetes, struct sum *ret, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    const cJSON *node;
    int r =
        kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = "/api/v1/nodes"}, &list, error);
    cJSON_ArrayForEach(node, json_member(list, "items"))
    {
        if (!json_true(node, "spec", "unschedulable", NULL))
            add_quantity(ret, json_at(node, "status", "allocatable", NULL));
    }
    return r;
}

static struct sum requests_of(const cJSON *pod)
{
    struct sum sum = {0};
    const cJSON *container;
    const char *phase = json_text_or("", pod, "status", "phase", NULL);
    if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
        return sum;
    cJSON_ArrayForEach(container, json_at(pod, "spec", "containers", NULL))
    {
        add_quantity(&sum, json_at(container, "resources", "requests", NULL));
    }
    return sum;
}

static void put_profile(cJSON *profiles, const char *namespace, const struct sum *sum)
{
    cJSON *profile = json_push(profiles, json_object());
    json_set_text(profile, "name", namespace);
    put_sum(profile, sum);
}

/* Pods come sorted by namespace; those of namespaces that are no profile's count for the whole only. */
static int add_pods(struct kubernetes *kubernetes, struct sum *ret, cJSON *profiles, struct error *error)
{
    struct cache *pods = NULL, *owners = kubernetes->caches[KIND_PROFILE];
    struct sum here = {0};
    char namespace[64] = "";
    uint64_t version;
    size_t count;
    int r = cache_of(kubernetes, KIND_POD, &pods, error);
    if (r < 0 || !pods)
        return r;
    struct record **records = cache_select(pods, NULL, &count, &version);
    for (size_t i = 0; i <= count; i++) {
        const char *now = i < count ? names_text(kubernetes->names, records[i]->namespace) : "";
        if (strcmp(now, namespace) != 0) {
            struct record *owner = namespace[0] ? cache_find(owners, "", namespace) : NULL;
            if (owner)
                put_profile(profiles, namespace, &here);
            record_unref(owner);
            here = (struct sum){0};
            snprintf(namespace, sizeof(namespace), "%s", now);
        }
        if (i == count)
            break;
        AUTO_JSON cJSON *pod = cache_object(pods, records[i]);
        struct sum one = requests_of(pod);
        here.cpu_milli += one.cpu_milli;
        here.memory_bytes += one.memory_bytes;
        ret->cpu_milli += one.cpu_milli;
        ret->memory_bytes += one.memory_bytes;
        record_unref(records[i]);
    }
    free(records);
    return 0;
}

int pods_usage(struct engine *engine, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    struct sum allocatable = {0}, requested = {0};
    AUTO_JSON cJSON *usage = json_object();
    cJSON *profiles = json_array();
    int r = add_nodes(kubernetes, &allocatable, error);
    if (r == 0)
        r = add_pods(kubernetes, &requested, profiles, error);
    put_sum(json_object_in(usage, "allocatable"), &allocatable);
    put_sum(json_object_in(usage, "requested"), &requested);
    json_set(usage, "profiles", profiles);
    if (r < 0)
        return r;
    *ret = TAKE_POINTER(usage);
    return 0;
}

/* --- logs --------------------------------------------------------------------------------------------------------- */

/* "TIME text" as the API server gives it becomes "TIME stdout F text". */
static void to_cri(struct slice text, struct buffer *ret)
{
    while (text.n) {
        struct slice line = slice_split(text, '\n', &text), rest;
        struct slice time = slice_split(line, ' ', &rest);
        if (!time.n)
            continue;
        buffer_add_slice(ret, time);
        buffer_add_text(ret, " stdout F ");
        buffer_add_slice(ret, rest);
        buffer_add_text(ret, "\n");
    }
}

int pods_log(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
             bool *ret_live, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_BUFFER struct buffer target = {0};
    AUTO_BUFFER struct buffer text = {0};
    AUTO_BUFFER struct buffer cri = {0};
    AUTO_FREE char *role = role_header(kubernetes, namespace, "viewer"); /* atelierd itself may read none */
    char lines[16];
    int r = path_check_name(KIND_POD, namespace, pod, error);
    if (r < 0)
        return r;
    path_add(&target, KIND_POD, namespace, pod, "log");
    path_query(&target, "timestamps", "true");
    snprintf(lines, sizeof(lines), "%d", ENGINE_LOG_LINES);
    path_query(&target, "tailLines", lines);
    path_query(&target, "limitBytes", "1048576");
    path_query(&target, "container", container);
    r = kube_call_text(
        kubernetes->client,
        &(struct kube_request){
            .method = "GET", .target = target.p, .accept = "*/*", .headers = (const char *const[]){role, NULL}},
        &text, error);
    if (r < 0)
        return r;
    to_cri(buffer_slice(&text), &cri);
    AUTO_CLOSE int fd = memfd_create("log", MFD_CLOEXEC);
    if (fd < 0 || (cri.n && write(fd, cri.p, cri.n) != (ssize_t)cri.n) || lseek(fd, 0, SEEK_SET) != 0)
        return error_set(error, ERROR_INTERNAL, NULL, "the log cannot be held");
    *ret_fd = TAKE_FD(fd);
    *ret_live = false;
    return 0;
}
