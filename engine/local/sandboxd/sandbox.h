/* Sandboxes: made, found again after a start, removed resumably. (sandbox.json: {"index","uid","removing"}) */
#ifndef ATELIER_SANDBOXD_SANDBOX_H
#define ATELIER_SANDBOXD_SANDBOX_H

#include "engine/local/sandboxd/daemon.h"

int box_sandbox_ensure(struct box_daemon *daemon, const char *name, cJSON **ret, struct error *error);
/* Kills every pod, unmounts, removes namespaces and cgroups, and with <volumes> everything it ever stored. */
int box_sandbox_remove(struct box_daemon *daemon, const char *name, bool volumes, struct error *error);
/* What box_sandbox_remove does for what runs, without touching what is stored: at shutdown. */
int box_sandbox_stop(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error);
int box_sandbox_save(struct box_daemon *daemon, const struct box_sandbox *sandbox,
                     struct error *error); /* sandbox.json */
/* Makes the namespace if it is not there (after a reboot) and opens it. With sandbox->lock held. */
int box_sandbox_connect(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error);
/* Enters every sandbox the data directory holds; finishes removals that were interrupted. At start, single-threaded. */
void box_sandboxes_load(struct box_daemon *daemon);

int box_sandbox_set_hosts(struct box_daemon *daemon, const char *name, const cJSON *entries, struct error *error);
/* Writes the pod's hosts file from the sandbox's present entries. */
int box_pod_write_hosts(struct box_daemon *daemon, struct box_pod *pod, struct error *error);

#endif
