/*
 * The one place that turns an error into a response: a Kubernetes `Status` for the workload half, RFC 9457 problem+json
 * for the people half, a sign-in redirect or a small page for a browser's navigation.
 */
#ifndef ATELIER_CONTROLPLANE_REPLY_H
#define ATELIER_CONTROLPLANE_REPLY_H

#include "controlplane/call.h"

/* Answers <error>. What is absent and what is foreign give identical bytes: the text of a 404 comes from the path
 * alone. */
void reply_failure(const struct call *call, const struct error *error);
/* A Status object as the workload half answers it, for watch events too. The caller's. */
cJSON *reply_status(const struct call *call, const struct error *error);
/* A page without scripts for people who followed a link: <title> and one sentence, both plain text. */
void reply_page(const struct call *call, int status, const char *title, const char *sentence);

#endif
