/* What is asked of a pod, and in which of the protocols that both sides speak? */
#include "gateway/pod_request.h"

#define POD_SPDY "SPDY/3.1+portforward.k8s.io"

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

static const char *choose_protocol(const struct http_fields *fields, bool forward)
{
    static const char *const commands[] = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
    static const char *const ports[] = {POD_SPDY, "v4.channel.k8s.io"};
    const char *const *known = forward ? ports : commands;
    for (size_t i = 0; i < 2; i++)
        if (offers(fields, known[i]))
            return known[i];
    return NULL;
}

/* --- the options -------------------------------------------------------------------------------------------------- */

/* "8888" or "8888,8889". */
static bool take_ports(struct port_list *ports, const char *value)
{
    struct slice rest = slice_of(value);
    do {
        int64_t port;
        if (ports->count == LIMIT_FORWARD_PORTS || !text_parse_i64(slice_split(rest, ',', &rest), 1, UINT16_MAX, &port))
            return false;
        ports->at[ports->count++] = (uint16_t)port;
    } while (rest.n > 0);
    return true;
}

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
    if (slice_is(key, "ports") && request->forward)
        return take_ports(&request->ports, value);
    if (slice_is(key, "command") && request->exec.command) {
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

/* What is wrong with options that could be read; NULL: nothing. */
static const char *find_fault(struct pod_request *request, const char *protocol)
{
    const cJSON *command = request->exec.command;
    if (!request->forward && !command)
        return request->exec.out || request->exec.err ? NULL : "expected stdout=true or stderr=true";
    if (!request->forward)
        return command->child ? NULL : "command: expected a program to run";
    if (strcmp(protocol, POD_SPDY) == 0)
        request->ports.count = 0; /* it names them as it goes */
    else if (request->ports.count == 0)
        return "ports: expected the ports to reach";
    return NULL;
}

bool pod_request_parse(const struct http_request *request, struct slice part, struct pod_request **ret,
                       const char **ret_subprotocol, struct http_fault *fault)
{
    bool forward = slice_is(part, "portforward");
    const char *protocol = choose_protocol(&request->fields, forward);
    if (!protocol)
        return refuse(fault, forward ? "the WebSocket's subprotocol must be " POD_SPDY " or v4.channel.k8s.io"
                                     : "the WebSocket's subprotocol must be v5.channel.k8s.io or v4.channel.k8s.io");
    struct pod_request *wanted = memory_get(sizeof(*wanted));
    wanted->forward = forward;
    wanted->exec.command = slice_is(part, "attach") ? NULL : json_array();
    wanted->exec.container = wanted->container;
    take_name(wanted, request->path);
    const char *wrong = !take_options(wanted, request->query)
                            ? "the query is malformed: expected command, container, stdin, stdout, stderr, tty; or "
                              "ports, 32 at most"
                            : find_fault(wanted, protocol);
    if (wrong) {
        pod_request_free(wanted);
        return refuse(fault, wrong);
    }
    *ret = wanted;
    *ret_subprotocol = protocol;
    return true;
}

bool pod_request_has_channels(const struct pod_request *request)
{
    return !request->forward || request->ports.count > 0;
}

void pod_request_free(struct pod_request *request)
{
    if (!request)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)request->exec.command);
    free(request);
}
