/*
 * A command in a pod, as `kubectl exec` runs it: Kubernetes' remote command protocol v5.channel.k8s.io over a WebSocket
 * (k8s.io/apimachinery pkg/util/remotecommand, KEP-4006). Each message begins with the number of its channel.
 */
#ifndef ATELIER_CLI_EXEC_H
#define ATELIER_CLI_EXEC_H

#include "cli/command.h"

struct exec {
    const char *pod, *container;  /* container NULL: its only or first one */
    const char *const *arguments; /* of the command, its name first */
    unsigned argument_count;
    bool interactive;  /* fd_in is carried */
    bool terminal;     /* a terminal there; its size follows the one here */
    int fd_in, fd_out; /* fd_out -1: stdout, of which a terminal gets no more than it should (terminal.h) */
    void (*moved)(void *context, int64_t bytes); /* called with the bytes carried so far, or NULL */
    void *context;
};
/* Until the command has ended; its exit code is in *ret_code. A command that could not be run is an error. */
int exec_run(struct call *call, const struct exec *exec, int *ret_code, struct error *error);

/* What the last message says: {"status":"Success"}, or a failure whose cause is an exit code, or whose message is why.
 */
int exec_outcome(struct slice status, int *ret_code, struct error *error);

/* "POD", "pod/POD", "notebook/NAME" (its one pod), "raycluster/NAME" (its head) in <namespace>. */
#define POD_NAME_SIZE 254
int pod_find(struct call *call, const char *namespace, const char *word, char ret[POD_NAME_SIZE], struct error *error);

#endif
