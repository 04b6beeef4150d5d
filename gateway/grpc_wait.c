/* Which calls wait for their cluster to start, and which of them may go on? */
#include "gateway/dial.h"
#include "gateway/grpc_call.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/resume.h"

static void set_waiting(struct grpc_call *call)
{
    if (call->waiting)
        return;
    call->waiting = true;
    call->grpc->waiting_count++;
}

void grpc_call_wait_end(struct grpc_call *call)
{
    if (call->grpc->resuming == call)
        call->grpc->resuming = NULL; /* what it has asked for goes with its exchange */
    if (!call->waiting)
        return;
    call->waiting = false;
    call->grpc->waiting_count--;
}

/* --- starting a cluster ------------------------------------------------------------------------------------------- */

static void on_resumed(struct connection *connection, int fd, const struct error *error)
{
    struct grpc *grpc = connection->grpc;
    struct grpc_call *call = grpc->resuming;
    struct exchange *exchange = call->exchange;
    (void)fd;
    if (dial_has_resumed(exchange->dial))
        resume_note(exchange);
    exchange->dial = NULL; /* it is released after this */
    grpc->resuming = NULL;
    exchange->target.state = error->code ? TARGET_AS_IT_IS : TARGET_STARTING;
    if (error->code)
        grpc_call_fail(call, GRPC_UNAVAILABLE, error->message);
    else if (!hold_enter(exchange))
        grpc_call_fail(call, GRPC_UNAVAILABLE, HOLD_STARTING);
    connection_run(connection);
}

/* Calls that come while one has the cluster started wait like those that come after, and look again. */
static void start_cluster(struct grpc_call *call)
{
    struct grpc *grpc = call->grpc;
    struct exchange *exchange = call->exchange;
    if (grpc->resuming) {
        exchange->target.state = TARGET_STARTING;
        if (hold_enter(exchange))
            set_waiting(call);
        else
            grpc_call_fail(call, GRPC_UNAVAILABLE, HOLD_STARTING);
        return;
    }
    exchange->dial = dial_resume_start(grpc->connection, exchange->route.namespace, exchange->target.owner_name,
                                       exchange->permit.identity.email, on_resumed);
    if (!exchange->dial) {
        grpc_call_fail(call, GRPC_UNAVAILABLE, "too many connections are being made: call again");
        return;
    }
    grpc->resuming = call;
    grpc->resume_until_ms = grpc->connection->io.loop->now_ms + gateway_limits.dial_ms;
    set_waiting(call);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

void grpc_call_wait(struct grpc_call *call, bool resume)
{
    if (resume)
        start_cluster(call);
    else
        set_waiting(call);
}

/* A head whose dashboard answers may not have opened this port yet: who has waited waits on for that. */
bool grpc_call_wait_on(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    if (!exchange || call->workload_id || (exchange->target.state != TARGET_STARTING && !exchange->wait_until_ms))
        return false;
    enum target_state found = exchange->target.state;
    exchange->target.state = TARGET_STARTING;
    if (hold_enter(exchange))
        set_waiting(call);
    else
        exchange->target.state = found;
    return call->waiting;
}

static void look(struct grpc_call *call)
{
    struct connection *connection = call->grpc->connection;
    struct exchange *exchange = call->exchange;
    char why[DISPATCH_WHY_SIZE] = "";
    permit_close(&exchange->permit);
    connection->exchange = exchange;
    int status = dispatch_call_again(connection, why);
    connection->exchange = NULL;
    if (status > CALL_RESUMES) {
        grpc_call_refuse(call, status, why);
        return;
    }
    permit_open(connection->io.loop, &exchange->permit);
    if (status == CALL_WAITS)
        return;
    grpc_call_wait_end(call);
    if (status == CALL_GOES)
        grpc_call_go(call);
    else
        start_cluster(call);
}

static bool is_over(const struct grpc_call *call)
{
    const struct loop *loop = call->grpc->connection->io.loop;
    int64_t until_ms = call->grpc->resuming == call ? call->grpc->resume_until_ms : call->exchange->wait_until_ms;
    return loop->draining || loop->now_ms >= until_ms;
}

void grpc_calls_look(struct grpc *grpc)
{
    grpc->look_at_ms = 0;
    for (struct link *link = grpc->calls.next, *next; link != &grpc->calls; link = next) {
        struct grpc_call *call = OWNER_OF(link, struct grpc_call, link);
        next = link->next; /* what is done here frees no call: that is the client's stream's end to do */
        if (!call->waiting)
            continue;
        if (is_over(call))
            grpc_call_fail(call, GRPC_UNAVAILABLE, HOLD_STARTING);
        else if (grpc->resuming != call)
            look(call);
    }
}
