/*
 * What is done by hand with a container that is there already: commands in it (`kubectl exec`, `cp`), and looking on
 * at what its own program writes (`kubectl attach`).
 *
 * Each is a session process of its own (session.h), which outlives neither its caller's end of the descriptor nor the
 * container. Counted here, so that nobody fills the machine with them.
 */
#ifndef ATELIER_SANDBOXD_EXEC_H
#define ATELIER_SANDBOXD_EXEC_H

#include "engine/local/sandboxd/daemon.h"

struct box_execs;
struct box_execs *box_execs_new(void);
void box_execs_free(struct box_execs *execs); /* sessions go on until their callers end them; NULL is fine */

typedef int box_entry(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request,
                      int *ret_fd, struct error *error);
/* <request>: {"command":[…],"stdin":bool,"stdout":bool,"stderr":bool,"tty":bool}. *ret_fd is the caller's end of a
 * SOCK_SEQPACKET pair that speaks as session.h says. CONFLICT while the container does not run; LIMITED beyond the
 * bounds of limits.h. What goes wrong later is told on the descriptor. */
int box_exec(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request, int *ret_fd,
             struct error *error);
/* The same for its own output (attach.h), from about now on: {"stdout":bool,"stderr":bool}. Counted among commands. */
int box_attach(struct box_daemon *daemon, struct box_pod *pod, const char *container, const cJSON *request, int *ret_fd,
               struct error *error);

#endif
