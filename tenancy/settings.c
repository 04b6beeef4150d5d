/* What did the installation decide about every profile, and can it be put into effect? */
#include "tenancy/settings.h"

#include <arpa/inet.h>

/* What is not the internet: private, shared, link-local (the metadata servers of clouds), loopback, benchmarking,
 * reserved (some clusters' pods), translated and mapped ranges; RFC 6890 and its updates. */
#define SETTINGS_PRIVATE                                                                                               \
    "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,192.168.0.0/16,198.18.0.0/15,"     \
    "240.0.0.0/4,fc00::/7,fe80::/10,fec0::/10"
#define SETTINGS_LIST_MAX 64 /* items of one list: a policy carries them all, in every profile */

typedef bool (*item_check)(struct slice item);

static bool is_namespace(struct slice item)
{
    return name_is_label(item);
}

static bool is_principal(struct slice item)
{
    for (size_t i = 0; i < item.n; i++) {
        if (item.p[i] <= ' ' || item.p[i] >= 0x7f)
            return false;
    }
    return item.n <= 253;
}

static bool is_range(struct slice item)
{
    char address[INET6_ADDRSTRLEN];
    struct slice length;
    struct slice host = slice_split(item, '/', &length);
    uint8_t bytes[16];
    int64_t bits = 0;
    if (host.n == 0 || host.n >= sizeof(address))
        return false;
    memcpy(address, host.p, host.n);
    address[host.n] = '\0';
    bool v6 = memchr(host.p, ':', host.n) != NULL;
    return inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) == 1 && text_parse_i64(length, 0, v6 ? 128 : 32, &bits);
}

static int list_read(const char *text, const char *option, const char *expected, item_check check, cJSON **ret,
                     struct error *error)
{
    AUTO_JSON cJSON *list = json_array();
    struct slice rest = slice_of(text);
    while (rest.n > 0) {
        struct slice item = slice_trim(slice_split(rest, ',', &rest));
        if (item.n == 0)
            continue;
        if (!check(item) || cJSON_GetArraySize(list) >= SETTINGS_LIST_MAX)
            return error_set(error, ERROR_INVALID, option, "%s must be a list of at most %d %s, separated by commas",
                             option, SETTINGS_LIST_MAX, expected);
        AUTO_FREE char *one = memory_format("%.*s", (int)item.n, item.p);
        json_push_text(list, one);
    }
    *ret = TAKE_POINTER(list);
    return 0;
}

/* Kubernetes decides what a valid label is; here only what would be mistaken for ours is refused. */
static int labels_read(const char *text, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *labels = json_object();
    struct slice rest = slice_of(text);
    while (rest.n > 0) {
        struct slice value;
        struct slice key = slice_split(slice_trim(slice_split(rest, ',', &rest)), '=', &value);
        if (key.n == 0 && value.n == 0)
            continue;
        AUTO_FREE char *name = memory_format("%.*s", (int)key.n, key.p);
        AUTO_FREE char *says = memory_format("%.*s", (int)value.n, value.p);
        if (key.n == 0 || strncmp(name, "atelier.dev/", 12) == 0 || strcmp(name, "app.kubernetes.io/managed-by") == 0 ||
            cJSON_GetArraySize(labels) >= SETTINGS_LIST_MAX)
            return error_set(
                error, ERROR_INVALID, "namespace_labels",
                "namespace_labels must be key=value pairs separated by commas, none of them Atelier's own");
        json_set_text(labels, name, says);
    }
    *ret = TAKE_POINTER(labels);
    return 0;
}

static int private_read(const char *text, struct settings *settings, struct error *error)
{
    AUTO_JSON cJSON *all = NULL;
    int r = list_read(text, "egress_except", "address ranges such as 10.0.0.0/8", is_range, &all, error);
    if (r < 0)
        return r;
    settings->private_v4 = json_array();
    settings->private_v6 = json_array();
    for (const cJSON *item = all->child; item; item = item->next)
        json_push_text(strchr(item->valuestring, ':') ? settings->private_v6 : settings->private_v4, item->valuestring);
    return 0;
}

static void list_add_once(cJSON *list, const char *text)
{
    for (const cJSON *item = list->child; item; item = item->next) {
        if (strcmp(item->valuestring, text) == 0)
            return;
    }
    json_push_text(list, text);
}

static const char *or_default(const char *text, const char *fallback)
{
    return text ? text : fallback;
}

static int settings_lists(const struct tenancy_options *options, struct settings *settings, struct error *error)
{
    int r = list_read(or_default(options->gateway_namespaces, "istio-system"), "gateway_namespaces", "namespaces",
                      is_namespace, &settings->gateway_namespaces, error);
    if (r == 0)
        r = list_read(or_default(options->gateway_principals, ""), "gateway_principals", "Istio principals",
                      is_principal, &settings->gateway_principals, error);
    if (r == 0)
        r = list_read(or_default(options->ray_operator_namespaces, "kuberay-system"), "ray_operator_namespaces",
                      "namespaces", is_namespace, &settings->operator_namespaces, error);
    if (r == 0)
        r = labels_read(or_default(options->namespace_labels, ""), &settings->labels, error);
    if (r == 0)
        r = private_read(or_default(options->egress_except, SETTINGS_PRIVATE), settings, error);
    if (r == 0)
        r = list_read(or_default(options->egress_allow, ""), "egress_allow", "address ranges such as 10.0.0.1/32",
                      is_range, &settings->allowed, error);
    return r;
}

int settings_read(const struct tenancy_options *options, struct settings *ret, struct error *error)
{
    static const char *const levels[] = {"privileged", "baseline", "restricted"};
    struct settings settings = {.namespace = memory_text(or_default(options->namespace, "atelier-system")),
                                .pod_security = memory_text(or_default(options->pod_security, "baseline")),
                                .home_class = memory_text(or_default(options->home_class, ""))};
    bool level = false;
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        level = level || strcmp(settings.pod_security, levels[i]) == 0;
    int r = 0;
    if (!level)
        r = error_set(error, ERROR_INVALID, "pod_security", "pod_security must be privileged, baseline or restricted");
    if (r == 0 && !is_namespace(slice_of(settings.namespace)))
        r = error_set(error, ERROR_INVALID, "namespace", "namespace must be the namespace that Atelier runs in");
    if (r == 0)
        r = settings_lists(options, &settings, error);
    if (r < 0) {
        settings_free(&settings);
        return r;
    }
    list_add_once(settings.gateway_namespaces, settings.namespace);
    *ret = settings;
    return 0;
}

void settings_free(struct settings *settings)
{
    free(settings->namespace);
    free(settings->pod_security);
    free(settings->home_class);
    cJSON_Delete(settings->gateway_namespaces);
    cJSON_Delete(settings->gateway_principals);
    cJSON_Delete(settings->operator_namespaces);
    cJSON_Delete(settings->labels);
    cJSON_Delete(settings->private_v4);
    cJSON_Delete(settings->private_v6);
    cJSON_Delete(settings->allowed);
    *settings = (struct settings){0};
}
