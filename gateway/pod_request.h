/*
 * What a WebSocket into a pod asks for, where the engine itself runs the pod.
 *
 * exec: a command, in the words of Kubernetes' PodExecOptions
 * (?command=…&command=…&container=…&stdin=&stdout=&stderr=&tty=), over v5.channel.k8s.io or v4.channel.k8s.io (which
 * knows no end of stdin). What is said on the channels is the engine's (engine_exec).
 *
 * attach: what a container's own program writes from now on, in the same words without a command, over the same.
 *
 * portforward: its ports, over SPDY/3.1+portforward.k8s.io, or over v4.channel.k8s.io, which has them named beforehand
 * (?ports=8888,8889&ports=8890; port_forward.h).
 */
#ifndef ATELIER_GATEWAY_POD_REQUEST_H
#define ATELIER_GATEWAY_POD_REQUEST_H

#include "engine/engine.h"
#include "gateway/http1.h"
#include "gateway/port_forward.h"

#define POD_COMMAND_MAX 512 /* texts of one command; the request's target bounds their size */

struct pod_request {
    bool forward; /* it is its ports that are asked for; else a command, or its output */
    char pod[254], container[64];
    struct port_list ports;  /* of v4.channel.k8s.io; none: SPDY */
    struct engine_exec exec; /* its container is <container>, its command ours (NULL: attach) */
};
/* <part>: the path's last segment, "exec", "attach" or "portforward". *ret_subprotocol is static. False with <fault>:
 * what is wrong with it. */
bool pod_request_parse(const struct http_request *request, struct slice part, struct pod_request **ret,
                       const char **ret_subprotocol, struct http_fault *fault);
/* True if what is said is whole messages, each beginning with a channel's number; else it is a stream of bytes. */
bool pod_request_has_channels(const struct pod_request *request);
void pod_request_free(struct pod_request *request); /* NULL is fine */

#endif
