/* What is asked of a pod, and in which of the protocols that both sides speak? */
#include "gateway/pod_request.h"

static bool refuse(struct http_fault *fault, const char *what)
{
    *fault = (struct http_fault){400, what};
    return false;
}

/* --- the protocol ------------------------------------------------------------------------------------------------- */

static bool offers(const struct http_fields *fields, const char *protocol)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (!slice_is_nocase(fields->at[i].name, "Sec-WebSocket-Protocol"))
            continue;
        for (struct slice rest = fields->at[i].value; rest.n > 0;)
            if (slice_is(slice_trim(slice_split(rest, ',', &rest)), protocol))
                return true;
    }
    return false;
}

static const char *choose_protocol(const struct http_fields *fields, bool ports)
{
    static const char *const channels[] = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
    static const char spdy[] = "SPDY/3.1+portforward.k8s.io";
    if (ports)
        return offers(fields, spdy) ? spdy : NULL;
    for (size_t i = 0; i < COUNT_OF(channels); i++)
        if (offers(fields, channels[i]))
            return channels[i];
    return NULL;
}

/* --- the options -------------------------------------------------------------------------------------------------- */

static bool take_option(struct pod_request *request, struct slice key, const char *value)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"stdin", &request->exec.in},
                 {"stdout", &request->exec.out},
                 {"stderr", &request->exec.err},
                 {"tty", &request->exec.terminal}};
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (slice_is(key, flags[i].name))
            *flags[i].flag = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (slice_is(key, "command")) {
        cJSON *command = (cJSON *)(uintptr_t)request->exec.command;
        json_push_text(command, value);
        return cJSON_GetArraySize(command) <= POD_COMMAND_MAX;
    }
    if (!slice_is(key, "container") || !*value)
        return true;
    snprintf(request->container, sizeof(request->container), "%s", value);
    return name_is_label(slice_of(value));
}

static bool take_options(struct pod_request *request, struct slice query)
{
    while (query.n > 0) {
        struct slice value, key = slice_split(slice_split(query, '&', &query), '=', &value);
        AUTO_BUFFER struct buffer text = {0};
        if (!text_unform(value, &text) || !text_is_utf8(buffer_slice(&text)) ||
            !take_option(request, key, text.p ? text.p : ""))
            return false;
    }
    return true;
}

/* /api/v1/namespaces/{ns}/pods/{pod}/{part}, which route_parse_pod has found to be well-formed. */
static void take_name(struct pod_request *request, struct slice path)
{
    struct slice name = {0};
    for (int i = 0; i < 7; i++)
        name = slice_split(path, '/', &path);
    snprintf(request->pod, sizeof(request->pod), "%.*s", (int)name.n, name.p);
}

bool pod_request_parse(const struct http_request *request, struct slice part, struct pod_request **ret,
                       const char **ret_subprotocol, struct http_fault *fault)
{
    bool ports = slice_is(part, "portforward");
    const char *protocol = choose_protocol(&request->fields, ports);
    if (!ports && !slice_is(part, "exec"))
        return refuse(fault, "attach is not served here: exec starts a program of your own, log shows the container's");
    if (!protocol)
        return refuse(fault, ports ? "the WebSocket's subprotocol must be SPDY/3.1+portforward.k8s.io"
                                   : "the WebSocket's subprotocol must be v5.channel.k8s.io or v4.channel.k8s.io");
    struct pod_request *wanted = memory_get(sizeof(*wanted));
    wanted->ports = ports;
    wanted->exec.command = json_array();
    wanted->exec.container = wanted->container;
    take_name(wanted, request->path);
    bool good = take_options(wanted, request->query);
    if (!good || (!ports && !wanted->exec.command->child)) {
        pod_request_free(wanted);
        return refuse(fault, good ? "command: expected a program to run"
                                  : "the query is malformed: expected command, container, stdin, stdout, stderr, tty");
    }
    *ret = wanted;
    *ret_subprotocol = protocol;
    return true;
}

void pod_request_free(struct pod_request *request)
{
    if (!request)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)request->exec.command);
    free(request);
}
