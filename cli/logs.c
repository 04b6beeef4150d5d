/* What has a container written, and what is it writing? */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static bool take_part(void *context, struct slice part)
{
    return terminal_write(context, part);
}

/* --- which pod ---------------------------------------------------------------------------------------------------- */

static int first_pod(struct call *call, const char *namespace, const char *selector, char *ret, size_t size,
                     struct error *error)
{
    AUTO_FREE char *base = resource_path(resource_by_word("pods"), namespace, NULL);
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *list = NULL;
    buffer_add_format(&path, "%s?labelSelector=", base);
    text_percent(slice_of(selector), &path);
    int failed = client_json(call, "GET", path.p, NULL, &list, error);
    if (failed)
        return failed;
    const char *name = json_text(cJSON_GetArrayItem(json_member(list, "items"), 0), "metadata", "name", NULL);
    if (!name)
        return error_set(error, ERROR_NOT_FOUND, NULL, "there is no pod of %s now", selector);
    snprintf(ret, size, "%s", name);
    return 0;
}

/* "POD", "pod/POD", "notebook/NAME" (its one pod), "raycluster/NAME" (its head). */
static int find_pod(struct call *call, const char *namespace, char *ret, size_t size, struct error *error)
{
    const char *word = call->arguments[0], *name;
    const struct resource *resource;
    if (!strchr(word, '/')) {
        snprintf(ret, size, "%s", word);
        return 0;
    }
    int failed = object_kind(word, &resource, &name, error);
    if (failed)
        return failed;
    if (!name_is_subdomain(slice_of(name)))
        return call_usage(error, "\"%.60s\" cannot be a name", name);
    if (strcmp(resource->kind, "Pod") == 0) {
        snprintf(ret, size, "%s", name);
        return 0;
    }
    if (strcmp(resource->kind, "Notebook") == 0) {
        snprintf(ret, size, "%s-0", name); /* a StatefulSet of one */
        return 0;
    }
    if (strcmp(resource->kind, "RayCluster") != 0)
        return call_usage(error, "logs takes POD, notebook/NAME or raycluster/NAME");
    AUTO_FREE char *selector = memory_format("ray.io/cluster=%s,ray.io/node-type=head", name);
    return first_pod(call, namespace, selector, ret, size, error);
}

int verb_logs(struct call *call, struct error *error)
{
    const char *namespace = NULL, *container = call_option(call, "container");
    char pod[254];
    int64_t tail = -1;
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = call_number(call, "tail", 0, 1000000, -1, &tail, error);
    if (!failed)
        failed = find_pod(call, namespace, pod, sizeof(pod), error);
    if (failed)
        return failed;
    AUTO_FREE char *base = resource_path(resource_by_word("pods"), namespace, pod);
    AUTO_BUFFER struct buffer path = {0};
    buffer_add_format(&path, "%s/log?follow=%s", base, call_flag(call, "follow") ? "true" : "false");
    if (tail >= 0)
        buffer_add_format(&path, "&tailLines=%lld", (long long)tail);
    if (call_flag(call, "timestamps"))
        buffer_add_text(&path, "&timestamps=true");
    if (container) {
        buffer_add_text(&path, "&container=");
        text_percent(slice_of(container), &path);
    }
    struct terminal terminal;
    terminal_start(&terminal);
    failed = client_stream(call, path.p, take_part, &terminal, error);
    if (terminal.failed)
        return error_set(error, ERROR_INTERNAL, NULL, "stdout: %s", strerrordesc_np(terminal.failed));
    return failed;
}
