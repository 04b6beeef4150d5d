/* Whether a request is sent again, and when: the one decision table of this room's client. Pure; any thread. */
#ifndef ATELIER_ENGINE_KUBERNETES_RETRY_H
#define ATELIER_ENGINE_KUBERNETES_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum retry_transport {
    RETRY_ANSWERED, /* a whole header came: <status> counts */
    RETRY_NOT_SENT, /* no connection: the API server has not seen it */
    RETRY_BROKEN,   /* the connection ended before an answer began: it may have been carried out */
    RETRY_HOPELESS  /* the certificate is wrong, a deadline is over: the same would come again */
};
struct retry_facts {
    enum retry_transport transport;
    int status;              /* RETRY_ANSWERED only */
    int64_t retry_after_ms;  /* what the answer says; -1: nothing */
    bool repeatable;         /* twice is as good as once: GET, PUT, DELETE, server-side apply */
    bool once;               /* the caller forbids it; but for a 401, after which nothing has been done */
    bool renewable, renewed; /* credentials: can be, and were already for this request */
    unsigned attempts;       /* made so far, this one included: >= 1 */
    int64_t left_ms;         /* until the deadline */
    uint32_t dice;           /* random: who was refused together does not come back together */
};
enum retry_verdict { RETRY_DELIVER, RETRY_AFTER, RETRY_RENEW };
/* What is delivered is the answer, or the failure. *ret_wait_ms only for RETRY_AFTER. */
enum retry_verdict retry_decide(const struct retry_facts *facts, int64_t *ret_wait_ms);

/* "Retry-After: 3" in milliseconds; -1 if it is not a count of seconds (RFC 9110 allows a date; the API server never
 * sends one). At most an hour. */
int64_t retry_after_parse(const char *value, uint64_t length);

#define RETRY_CONNECT_ATTEMPTS_MAX 5 /* about 1.5 s in all: longer absences are for callers to live with */
#define RETRY_ANSWERED_ATTEMPTS_MAX                                                                                    \
    12 /* the deadline usually comes first: priority and fairness says 1 s each time                                   \
        */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 5000

#endif
