/*
 * One HTTP GET over a socket that is connected already: what a workload says of itself, believed no further than its
 * limits. No proxy, no redirect, no other host; blocks at most <timeout_ms>. libcurl does not serve here: it calls
 * connect(2) on a socket that it is given, which fails on the Unix ones through which a cluster's API server is passed.
 */
#ifndef ATELIER_BASE_FETCH_H
#define ATELIER_BASE_FETCH_H

#include "base/json.h"

struct fetch {
    int fd;             /* stays the caller's, and is of no further use */
    const char *path;   /* "/api/kernels?x=1": clean, as it goes on the wire */
    const char *header; /* one whole line, "Authorization: token …", or NULL; never in an error */
    int64_t timeout_ms; /* for the whole answer */
    size_t bytes_max;   /* of its body */
};
/* *ret is the JSON of a 200. UPSTREAM: another status (in *ret_status, 0 if none came), too long, or no JSON; TIMEOUT.
 */
int fetch_json(const struct fetch *fetch, int *ret_status, cJSON **ret, struct error *error);

#endif
