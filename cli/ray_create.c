/* Which RayCluster do the options of `ray create` and `job create` describe? */
#include "base/file.h"
#include "cli/client.h"
#include "cli/container.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define IDLE_SECONDS_MAX 864000 /* ten days */
#define WORKERS_MAX 100000      /* of all groups together; the service has its own limits */
#define RUNTIME_MAX (64 * 1024)

/* --- the cluster -------------------------------------------------------------------------------------------------- */

static int add_head(const struct call *call, cJSON *spec, const char *image, bool schedules, struct error *error)
{
    static const struct {
        const char *name;
        int number;
    } ports[] = {{"gcs-server", 6379}, {"dashboard", 8265}, {"client", 10001}, {"serve", 8000}, {"serve-grpc", 9000}};
    cJSON *head = json_object_in(spec, "headGroupSpec");
    cJSON *params = json_object_in(head, "rayStartParams");
    if (!schedules)
        json_set_text(params, "num-cpus", "0"); /* tasks belong on workers, not beside GCS */
    cJSON *container = NULL;
    const struct ray_size size = {.cpu = call_option_or(call, "head-cpu", "2"),
                                  .memory = call_option_or(call, "head-memory", "4Gi")};
    int failed = ray_add_container(call, head, "ray-head", image, &size, &container, error);
    if (failed)
        return failed;
    cJSON *list = json_set(container, "ports", json_array());
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cJSON *port = json_push(list, json_object());
        json_set_text(port, "name", ports[i].name);
        json_set_i64(port, "containerPort", ports[i].number);
    }
    return 0;
}

static int add_autoscaling(const struct call *call, cJSON *spec, struct error *error)
{
    int64_t idle_s;
    int failed = call_number(call, "idle-timeout", 1, IDLE_SECONDS_MAX, 0, &idle_s, error);
    if (failed || (!call_flag(call, "autoscale") && !idle_s))
        return failed;
    json_set_bool(spec, "enableInTreeAutoscaling", true);
    if (idle_s)
        json_set_i64(json_object_in(spec, "autoscalerOptions"), "idleTimeoutSeconds", idle_s);
    return 0;
}

int ray_choose_image(struct call *call, char ret_image[RAY_IMAGE_SIZE], char ret_version[RAY_VERSION_SIZE],
                     struct error *error)
{
    const char *image = call_option(call, "image"), *version = call_option(call, "ray-version");
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    snprintf(ret_image, RAY_IMAGE_SIZE, "%s", image ? image : "");
    snprintf(ret_version, RAY_VERSION_SIZE, "%s", version ? version : "");
    if (image)
        return 0;
    int failed = client_json(call, "GET", "/api/atelier/v1/images", NULL, &list, error);
    if (failed)
        return failed;
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        const char *has = json_text(item, "rayVersion", NULL);
        if (!has || (version && strcmp(has, version) != 0))
            continue;
        snprintf(ret_image, RAY_IMAGE_SIZE, "%s", json_text_or("", item, "name", NULL));
        snprintf(ret_version, RAY_VERSION_SIZE, "%s", has);
        return 0;
    }
    return error_set(error, ERROR_INVALID, "--ray-version",
                     "no installed image has Ray%s%s: `atelier images` lists them", version ? " " : "",
                     version ? version : "");
}

/* What the options alone say. */
static int add_nodes(const struct call *call, int64_t usual_workers, const char *image, cJSON *spec,
                     struct error *error)
{
    int failed = add_head(call, spec, image, call_flag(call, "schedule-on-head") || !usual_workers, error);
    if (!failed)
        failed = ray_add_workers(call, spec, image, usual_workers, error);
    return failed ? failed : add_autoscaling(call, spec, error);
}

int ray_render_cluster(struct call *call, int64_t usual_workers, cJSON *spec, struct error *error)
{
    char image[RAY_IMAGE_SIZE], version[RAY_VERSION_SIZE];
    AUTO_JSON cJSON *trial = json_object(); /* a wrong option is told before the service is asked for anything */
    int failed = add_nodes(call, usual_workers, "", trial, error);
    if (!failed)
        failed = ray_choose_image(call, image, version, error);
    if (failed)
        return failed;
    json_set_text(spec, "rayVersion", version[0] ? version : NULL);
    failed = ray_add_memory(call, usual_workers > 0, spec, error);
    return failed ? failed : add_nodes(call, usual_workers, image, spec, error);
}

int ray_add_memory(struct call *call, bool usual, cJSON *spec, struct error *error)
{
    const char *said = call_option(call, "fault-tolerance");
    AUTO_JSON cJSON *whoami = NULL;
    if (said && strcmp(said, "off") == 0)
        return 0;
    if (call_flag(call, "fault-tolerance") && said && said[0])
        json_set_text(json_object_in(spec, "gcsFaultToleranceOptions"), "redisAddress", said);
    if ((said && said[0]) || (!said && !usual))
        return 0;
    int failed = client_json(call, "GET", "/api/atelier/v1/whoami", NULL, &whoami, error);
    const cJSON *ray = json_at(whoami, "settings", "ray", NULL),
                *options = json_member(ray, "gcsFaultToleranceOptions");
    if (failed)
        return failed;
    if (options)
        json_set(spec, "gcsFaultToleranceOptions", json_copy(options));
    else if (said) /* asked for: the service says what is missing */
        json_object_in(spec, "gcsFaultToleranceOptions");
    else
        say("note: the head will not come back with what it knew (--fault-tolerance): %s",
            json_text_or("the service does not offer it", ray, "reason", NULL));
    return 0;
}

int ray_read_runtime(const struct call *call, struct buffer *ret, struct error *error)
{
    const char *text = call_option(call, "runtime-env");
    if (!text)
        return 0;
    bool in_place = strchr(text, ':') && (strchr(text, '{') || strchr(text, ' '));
    if (in_place)
        buffer_add_text(ret, text);
    else if (file_read(text, RUNTIME_MAX, ret, error) < 0)
        return error_wrap(error, "--runtime-env (a file, or YAML such as \"{pip: [emoji]}\")");
    return 0;
}

static int add_runtime(const struct call *call, cJSON *metadata, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    int failed = ray_read_runtime(call, &text, error);
    if (!failed && call_option(call, "runtime-env"))
        json_set_text(json_object_in(metadata, "annotations"), "atelier.dev/runtime-env", text.n ? text.p : "");
    return failed;
}

static int add_limit(const struct call *call, cJSON *metadata, struct error *error)
{
    int64_t most;
    char text[24];
    int failed = call_number(call, "max-workers", 0, WORKERS_MAX, 0, &most, error);
    if (failed || !call_option(call, "max-workers"))
        return failed;
    snprintf(text, sizeof(text), "%lld", (long long)most);
    json_set_text(json_object_in(metadata, "annotations"), "atelier.dev/max-workers", text);
    return 0;
}

/* What becomes of it when nobody uses it (docs/idle.md). */
static void add_idle(const struct call *call, cJSON *metadata)
{
    static const char *const options[][2] = {{"idle-after", "atelier.dev/idle-after"},
                                             {"delete-after", "atelier.dev/delete-after"},
                                             {"resume-on-request", "atelier.dev/resume-on-request"}};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (call_option(call, options[i][0]))
            json_set_text(json_object_in(metadata, "annotations"), options[i][1], call_option(call, options[i][0]));
}

int verb_ray_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "apiVersion", "ray.io/v1");
    json_set_text(object, "kind", "RayCluster");
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", call->arguments[0]);
    add_idle(call, metadata);
    int failed = option_add_map(call, "label", metadata, "labels", error);
    if (!failed)
        failed = add_runtime(call, metadata, error);
    if (!failed)
        failed = add_limit(call, metadata, error);
    if (!failed)
        failed = ray_render_cluster(call, 1, json_object_in(object, "spec"), error);
    return failed ? failed : create_object(call, resource_by_word("rayclusters"), object, error);
}
