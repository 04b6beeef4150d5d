/* What has a container written, and what is it writing? */
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/exec.h"
#include "cli/object.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static bool take_part(void *context, struct slice part)
{
    return terminal_write(context, part);
}

int verb_logs(struct call *call, struct error *error)
{
    const char *namespace = NULL, *container = call_option(call, "container");
    char pod[POD_NAME_SIZE];
    const char *since = call_option(call, "since");
    int64_t tail = -1, since_s = 0;
    int failed = call_number(call, "tail", 0, 1000000, -1, &tail, error);
    if (!failed && since && (!duration_parse(slice_of(since), &since_s) || since_s < 1))
        failed = call_usage(error, "--since: expected a duration such as 10m or 2h");
    if (!failed)
        failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = pod_find(call, namespace, call->arguments[0], pod, error);
    if (failed)
        return failed;
    AUTO_FREE char *base = resource_path(resource_by_word("pods"), namespace, pod);
    AUTO_BUFFER struct buffer path = {0};
    buffer_add_format(&path, "%s/log?follow=%s", base, call_flag(call, "follow") ? "true" : "false");
    if (tail >= 0)
        buffer_add_format(&path, "&tailLines=%lld", (long long)tail);
    if (since)
        buffer_add_format(&path, "&sinceSeconds=%lld", (long long)since_s);
    if (call_flag(call, "previous"))
        buffer_add_text(&path, "&previous=true");
    if (call_flag(call, "timestamps"))
        buffer_add_text(&path, "&timestamps=true");
    if (container) {
        buffer_add_text(&path, "&container=");
        text_percent(slice_of(container), &path);
    }
    struct terminal terminal;
    terminal_start(&terminal, stdout);
    failed = client_stream(call, path.p, take_part, &terminal, error);
    if (terminal.failed)
        return error_set(error, ERROR_INTERNAL, NULL, "stdout: %s", strerrordesc_np(terminal.failed));
    return failed;
}
