/* Can this workload, or the cluster's API, be reached? */
#include "gateway/dial.h"

#include <fcntl.h>

#include "gateway/internal.h"
#include "gateway/pod_request.h"

struct dial {
    struct crew_job job;
    struct message message;
    struct loop *loop;
    struct connection *connection; /* NULL once abandoned; the loop's */
    dial_done done;
    char namespace[64], service[64], port[64];
    char resumed[64];         /* a cluster; of one that starts it; else "" */
    bool has_resumed;         /* it was this one that did */
    bool within;              /* by engine_dial_within */
    char owned[254];          /* a pod; of one that asks whose it is; else "" */
    struct target owner;      /* what it learnt; no kind: nobody's */
    struct target *explained; /* of one that learns how far this has come; else NULL. Owned */
    struct progress progress;
    bool progress_known;
    char said[256];             /* that goes with it */
    char role[16], person[255]; /* of one to the cluster's API; else "" */
    struct pod_request *pod;    /* of one into a pod; else NULL */
    char *headers;              /* and what goes with the request there */
    int fd;
    struct error error;
};

static struct metric failures = METRIC_COUNTER("atelier_gateway_dial_failures_total", "Workloads not reached.");

/* The headers are credentials. */
static void release(struct dial *dial)
{
    if (dial->headers)
        memory_wipe(dial->headers, strlen(dial->headers));
    free(dial->headers);
    pod_request_free(dial->pod);
    free(dial->explained);
    free(dial);
}

static void on_result(struct loop *loop, struct message *message)
{
    (void)loop;
    struct dial *dial = OWNER_OF(message, struct dial, message);
    if (dial->connection)
        dial->done(dial->connection, dial->fd, &dial->error);
    else if (dial->fd >= 0)
        close(dial->fd);
    release(dial);
}

static int reach(struct dial *dial)
{
    struct engine *engine = dial->loop->gateway->options.engine;
    if (dial->pod && dial->pod->forward)
        return port_forward_open(dial->loop->gateway->port_forwards, dial->namespace, dial->pod->pod, &dial->pod->ports,
                                 &dial->fd, &dial->error);
    if (dial->pod)
        return engine_exec(engine, dial->namespace, dial->pod->pod, &dial->pod->exec, &dial->fd, &dial->error);
    if (dial->within)
        return engine_dial_within(engine, dial->namespace, dial->service, dial->port, &dial->fd, &dial->error);
    if (!*dial->role)
        return engine_dial(engine, dial->namespace, dial->service, dial->port, &dial->fd, &dial->error);
    const struct engine_request as = {.namespace = dial->namespace, .role = dial->role, .person = dial->person};
    return engine_dial_api(engine, &as, &dial->fd, &dial->headers, &dial->error);
}

static void find_owner(struct dial *dial)
{
    const struct gateway_options *options = &dial->loop->gateway->options;
    if (!options->pod_owner || !options->pod_owner(options->context, dial->namespace, dial->owned, &dial->owner))
        dial->owner = (struct target){0};
}

static void start_cluster(struct dial *dial)
{
    const struct gateway_options *options = &dial->loop->gateway->options;
    if (options->resume(options->context, dial->namespace, dial->resumed, dial->person, &dial->has_resumed,
                        &dial->error) == 0)
        dial->error = (struct error){0};
}

static void run(struct crew_job *job)
{
    struct dial *dial = OWNER_OF(job, struct dial, job);
    dial->fd = -1;
    if (dial->explained) {
        const struct gateway_options *options = &dial->loop->gateway->options;
        dial->progress_known = options->explain(options->context, dial->namespace, dial->explained, &dial->progress);
    } else if (*dial->owned) {
        find_owner(dial);
    } else if (*dial->resumed) {
        start_cluster(dial);
    } else if (reach(dial) < 0) {
        dial->fd = -1;
        metric_add(&failures, 1);
    } else {
        /* The loop would hang on a blocking socket, whatever the engine promises. */
        fcntl(dial->fd, F_SETFL, fcntl(dial->fd, F_GETFL) | O_NONBLOCK);
    }
    loop_post(dial->loop, &dial->message);
}

/* FNV-1a: which tenant's share of the threads this takes. A collision only makes two tenants share. */
static uint64_t tenant_of(const char *namespace)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *p = namespace; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return hash | 1;
}

static struct dial *prepare(struct connection *connection, const char *namespace, dial_done done)
{
    struct dial *dial = memory_get(sizeof(*dial));
    dial->loop = connection->io.loop;
    dial->connection = connection;
    dial->done = done;
    dial->fd = -1;
    dial->message.run = on_result;
    dial->job.run = run;
    dial->job.tenant = tenant_of(namespace);
    snprintf(dial->namespace, sizeof(dial->namespace), "%s", namespace);
    return dial;
}

static struct dial *start(struct dial *dial)
{
    if (crew_add(dial->loop->gateway->dialers, &dial->job))
        return dial;
    release(dial);
    return NULL;
}

static struct dial *prepare_service(struct connection *connection, const char *namespace, const struct target *target,
                                    dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    snprintf(dial->service, sizeof(dial->service), "%s", target->service);
    snprintf(dial->port, sizeof(dial->port), "%s", target->port);
    return dial;
}

struct dial *dial_start(struct connection *connection, const char *namespace, const struct target *target,
                        dial_done done)
{
    return start(prepare_service(connection, namespace, target, done));
}

struct dial *dial_within_start(struct connection *connection, const char *namespace, const struct target *target,
                               dial_done done)
{
    struct dial *dial = prepare_service(connection, namespace, target, done);
    dial->within = true;
    return start(dial);
}

struct dial *dial_pod_start(struct connection *connection, const char *namespace, struct pod_request *request,
                            dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    dial->pod = request;
    return start(dial);
}

struct dial *dial_api_start(struct connection *connection, const char *namespace, const char *role, const char *person,
                            dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    snprintf(dial->role, sizeof(dial->role), "%s", role);
    snprintf(dial->person, sizeof(dial->person), "%s", person);
    return start(dial);
}

struct dial *dial_owner_start(struct connection *connection, const char *namespace, const char *pod, dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    snprintf(dial->owned, sizeof(dial->owned), "%s", pod);
    return start(dial);
}

struct dial *dial_resume_start(struct connection *connection, const char *namespace, const char *cluster,
                               const char *person, dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    snprintf(dial->resumed, sizeof(dial->resumed), "%s", cluster);
    snprintf(dial->person, sizeof(dial->person), "%s", person);
    return start(dial);
}

struct dial *dial_explain_start(struct connection *connection, const char *namespace, const struct target *target,
                                const char *message, dial_done done)
{
    struct dial *dial = prepare(connection, namespace, done);
    dial->explained = memory_get(sizeof(*dial->explained));
    *dial->explained = *target;
    memory_wipe(dial->explained->header_value, sizeof(dial->explained->header_value)); /* it needs no credential */
    snprintf(dial->said, sizeof(dial->said), "%s", message);
    return start(dial);
}

const struct progress *dial_progress(const struct dial *dial)
{
    return dial->progress_known ? &dial->progress : NULL;
}

const char *dial_message(const struct dial *dial)
{
    return dial->said;
}

bool dial_has_resumed(const struct dial *dial)
{
    return dial->has_resumed;
}

const struct target *dial_owner(const struct dial *dial)
{
    return *dial->owner.owner_kind ? &dial->owner : NULL;
}

const char *dial_headers(const struct dial *dial)
{
    return dial->headers ? dial->headers : "";
}

void dial_abandon(struct dial *dial)
{
    dial->connection = NULL;
    if (crew_cancel(dial->loop->gateway->dialers, &dial->job))
        release(dial);
}
