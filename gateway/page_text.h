/*
 * What the gateway's own pages say, in the languages that the console speaks. What an engine says of a workload comes
 * in English from wherever it comes and is shown as it is.
 *
 * All texts are static HTML without a variable part. Threads: any.
 */
#ifndef ATELIER_GATEWAY_PAGE_TEXT_H
#define ATELIER_GATEWAY_PAGE_TEXT_H

#include "gateway/gateway.h"
#include "gateway/http1.h"

struct page_text {
    const char *language; /* BCP 47, of the page */
    const char *notebook, *cluster, *service;
    /* "<before><notebook> <name><is_…>" */
    const char *before, *is_starting, *is_suspended, *is_silent;
    const char *starting, *suspended, *not_running; /* of the window's title */
    const char *steps[PROGRESS_STAGES];
    const char *ray_answers; /* steps[PROGRESS_ANSWER] of a cluster */
    const char *done, *waited_for;
    const char *begun, *seconds_ago, *minutes_ago; /* "<begun>N<seconds_ago>" */
    const char *start;
    const char *console;
    /* Around the link to the console. */
    const char *more[2], *see[2], *silent[2];
};

/*
 * In the language that comes first among those known in Accept-Language (RFC 9110, 12.5.4); English otherwise. Browsers
 * list languages in the order of preference, as navigator.languages does, which the console follows; weights are not
 * compared, but what has none (q=0) is not spoken.
 */
const struct page_text *page_text_for(const struct http_fields *fields);

#endif
