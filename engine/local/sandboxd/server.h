/* The socket: who may connect, a thread a connection, events to those who subscribed, an orderly end. */
#ifndef ATELIER_SANDBOXD_SERVER_H
#define ATELIER_SANDBOXD_SERVER_H

#include "engine/local/sandboxd/daemon.h"

struct box_server;
/* Listens on <path> (mode 0600, owned by uid:gid); a stale socket file is replaced. */
int box_server_new(struct box_daemon *daemon, const char *path, uid_t uid, gid_t gid, struct box_server **ret,
                   struct error *error);
/* Serves until <stop_fd> is readable or a client sent shutdown_all. */
void box_server_run(struct box_server *server, int stop_fd);
void box_server_close(struct box_server *server); /* waits for requests in flight, then ends every connection */
void box_server_free(struct box_server *server);  /* after box_daemon_close: pods may still report changes before */

#endif
