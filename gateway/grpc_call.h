/* A gRPC call between its client's connection and its workload's; for the files of grpc.h. */
#ifndef ATELIER_GATEWAY_GRPC_CALL_H
#define ATELIER_GATEWAY_GRPC_CALL_H

#include "gateway/exchange.h"
#include "gateway/grpc_status.h"
#include "gateway/h2.h"

struct grpc {
    struct connection *connection;
    struct h2_wire client;
    struct link calls, workloads;
    size_t call_count;
    size_t held, moved;             /* bytes in queues now, and that have left them so far */
    struct grpc_workload *dialling; /* one at a time */
    struct grpc_call *resuming;     /* it has its cluster started; one at a time */
    size_t waiting_count;           /* calls that wait for their cluster */
    size_t asking_count;            /* calls of Check whose message is not whole yet */
    int64_t ask_look_ms;            /* when to look for those that take too long */
    int64_t look_at_ms, resume_until_ms;
    int64_t dial_until_ms, idle_until_ms, write_until_ms, stall_until_ms; /* 0: not waited for */
    int64_t write_mark;
    size_t stall_mark;
    int64_t noted_credential, noted_user; /* whose calls the audit log knows of */
    bool going;                           /* GOAWAY is said */
};

/* An HTTP/2 connection to one port of a workload (grpc_workload.c). */
struct grpc_workload {
    struct link link;
    struct grpc *grpc;
    char namespace[64];
    struct target target;
    struct dial *dial;
    struct upstream *upstream; /* NULL while dialled */
    struct h2_wire wire;
    size_t call_count;
    bool retired; /* takes no more calls; closed after the last */
};

struct grpc_call {
    struct link link;
    struct grpc *grpc;
    struct exchange *exchange;   /* NULL once nothing passes any more: it was refused, failed or revoked */
    struct h2_heading *request;  /* until it has been sent on */
    struct h2_heading *trailers; /* of the answer, until they follow its data */
    struct grpc_workload *workload;
    int32_t id, workload_id; /* stream numbers; workload_id 0: not sent on yet */
    struct h2_queue up, down;
    bool asking; /* check_calls.c: its message is not whole yet */
    int64_t ask_until_ms;
    struct connection *asked; /* and then: what decides */
    bool waiting;             /* for its cluster to start: it has a permit, and no workload */
    bool up_ended;            /* the client has said all */
    bool workload_open;       /* the stream there is not closed */
    bool answered;            /* the answer's head is on its way */
    bool down_ended;          /* the workload has said all */
};

/* A request's head has come; takes <heading> over. */
void grpc_call_open(struct grpc *grpc, int32_t id, struct h2_heading *heading, bool ended);
void grpc_call_close(struct grpc_call *call);     /* the client's stream is closed */
void grpc_call_send_on(struct grpc_call *call);   /* its workload is connected */
void grpc_call_resume_up(struct grpc_call *call); /* more of its request has come, or the end */
/* The workload's head, or trailers; takes <heading> over. */
void grpc_call_answer(struct grpc_call *call, struct h2_heading *heading, bool ended);
void grpc_call_answer_data(struct grpc_call *call, const uint8_t *bytes, size_t count);
void grpc_call_answer_ended(struct grpc_call *call);
/* Nothing more comes from the workload, and its answer is not whole. */
void grpc_call_fail(struct grpc_call *call, enum grpc_status status, const char *why);
/* It is allowed and counted: on to its workload. */
void grpc_call_go(struct grpc_call *call);
/* Says UNAVAILABLE, PERMISSION_DENIED and so on for what dispatch_call said. */
void grpc_call_refuse(struct grpc_call *call, int status, const char *why);
/* It ends with this, at whatever point it is. */
void grpc_call_say(struct grpc_call *call, enum grpc_status status, const char *why);
/* OK with a whole answer of ours, one message. */
void grpc_call_reply(struct grpc_call *call, struct slice message);
/* Lets go of everything on the workload's side, and of the permit. */
void grpc_call_detach(struct grpc_call *call);

/* --- grpc_wait.c: calls whose cluster starts, as hold.h has it for other requests ----------------------------------
 */
/* It has become one of those that wait; <resume>: its cluster is started first. */
void grpc_call_wait(struct grpc_call *call, bool resume);
void grpc_call_wait_end(struct grpc_call *call); /* fine if it does not wait */
/* Its workload, which it has just let go of, could not be reached: true if it waits (again). */
bool grpc_call_wait_on(struct grpc_call *call);
void grpc_calls_look(struct grpc *grpc); /* look_at_ms has come: which may go on? */

/* --- grpc_workload.c ---------------------------------------------------------------------------------------------- */
/* The one for this target, dialled if need be. NULL: not now. */
struct grpc_workload *grpc_workload_find(struct grpc *grpc, const char *namespace, const struct target *target);
enum h2_flow grpc_workloads_step(struct grpc *grpc);                         /* never OVER */
void grpc_workloads_end(struct grpc *grpc);                                  /* no calls are left */
void grpc_workload_give_up(struct grpc_workload *workload, const char *why); /* a dial took too long */

#endif
