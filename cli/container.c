/* What has the one container of a notebook or of a Ray node: its environment, its volumes? */
#include "cli/container.h"

/* The index-th "LEFT<separator>RIGHT" of a repeated option. <ret_left> is malloc'ed; false: there is none more. */
static bool option_pair(const struct call *call, const char *option, unsigned index, char separator, char **ret_left,
                        const char **ret_right)
{
    const char *text = call_option_at(call, option, index);
    const char *at = text ? strchr(text, separator) : NULL;
    *ret_left = at && at > text ? memory_text_n(text, (size_t)(at - text)) : NULL;
    *ret_right = at ? at + 1 : "";
    return text != NULL;
}

int option_add_map(const struct call *call, const char *option, cJSON *object, const char *key, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    for (unsigned i = 0; option_pair(call, option, i, '=', &left, &right); i++) {
        AUTO_FREE char *name = left;
        if (!name)
            return call_usage(error, "--%s: expected NAME=VALUE", option);
        json_set_text(json_object_in(object, key), name, right);
    }
    return 0;
}

int container_add_environment(const struct call *call, cJSON *container, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    cJSON *list = NULL;
    for (unsigned i = 0; option_pair(call, "env", i, '=', &left, &right); i++) {
        AUTO_FREE char *name = left;
        if (!name)
            return call_usage(error, "--env: expected NAME=VALUE");
        list = list ? list : json_set(container, "env", json_array());
        cJSON *variable = json_push(list, json_object());
        json_set_text(variable, "name", name);
        json_set_text(variable, "value", right);
    }
    return 0;
}

int container_add_volumes(const struct call *call, cJSON *pod, cJSON *container, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    cJSON *volumes = NULL;
    cJSON *mounts = NULL;
    for (unsigned i = 0; option_pair(call, "volume", i, ':', &left, &right); i++) {
        AUTO_FREE char *claim = left;
        if (!claim || right[0] != '/')
            return call_usage(error, "--volume: expected VOLUME:/PATH, such as data:/data");
        volumes = volumes ? volumes : json_set(pod, "volumes", json_array());
        mounts = mounts ? mounts : json_set(container, "volumeMounts", json_array());
        if (!json_named(volumes, claim)) { /* one volume may be mounted in several places */
            cJSON *volume = json_push(volumes, json_object());
            json_set_text(volume, "name", claim);
            json_set_text(json_object_in(volume, "persistentVolumeClaim"), "claimName", claim);
        }
        cJSON *mount = json_push(mounts, json_object());
        json_set_text(mount, "name", claim);
        json_set_text(mount, "mountPath", right);
    }
    return 0;
}

/* An extended resource as Kubernetes names them: a vendor's domain and what it is. */
static bool is_device(const char *key)
{
    struct slice name, domain = slice_split(slice_of(key), '/', &name);
    return name.n && name.n <= 63 && !memchr(name.p, '/', name.n) && memchr(domain.p, '.', domain.n) &&
           name_is_subdomain(domain);
}

int container_check_gpu_key(const char *key, struct error *error)
{
    if (is_device(key))
        return 0;
    return call_usage(
        error, "\"%.80s\" is no GPU of a vendor: expected such as nvidia.com/gpu, amd.com/gpu or google.com/tpu", key);
}
