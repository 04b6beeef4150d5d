/* Which of our hosts is meant: the main one, a resource's own (design.md 3), or none of them. */
#ifndef ATELIER_GATEWAY_HOST_H
#define ATELIER_GATEWAY_HOST_H

#include <stdbool.h>

#include "base/text.h"

/* HOST_GRPC: speaks gRPC over HTTP/2 and nothing else (grpc.h). */
enum host_kind { HOST_INVALID, HOST_FOREIGN, HOST_MAIN, HOST_RESOURCE, HOST_GRPC };
struct host {
    enum host_kind kind;
    char text[264]; /* lower-case, with port as received */
    size_t name_length;
    char label[64]; /* HOST_RESOURCE: "notebook-nb1--alice"; HOST_GRPC: "rayclient-rc1--alice"; else "" */
};
/* INVALID: no host could look like this (400). FOREIGN: well-formed, and not ours (421). <base_domain> is lower-case.
 */
void host_parse(struct slice value, const char *base_domain, struct host *ret);

#endif
