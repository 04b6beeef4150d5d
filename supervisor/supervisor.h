/*
 * What `atelier local up|status|down` does: keeps PostgreSQL, atelier-sandboxd and atelierd running on this machine.
 *
 * The supervisor speaks no protocol and opens no sockets: it starts three processes, watches them through pidfds,
 * starts them again when they end, and relays their log. Each data directory has its own run directory, /run/atelier-<8
 * hex digits of the SHA-256 of the data directory's canonical path>, so several can live on one machine.
 *
 * Threads: none; call from one thread of a process that runs nothing else.
 */
#ifndef ATELIER_SUPERVISOR_SUPERVISOR_H
#define ATELIER_SUPERVISOR_SUPERVISOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

/* Where one installation lives. Everything below <run> is at most 107 bytes long, as socket paths must be. */
struct layout {
    char data[PATH_MAX];     /* canonical: no links, no dots */
    char run[64];            /* /run/atelier-1f2e3d4c */
    char images[PATH_MAX];   /* canonical; ATELIER_IMAGES or <data>/images */
    char programs[PATH_MAX]; /* the directory of the running `atelier`, where the daemons are too */
    char admin_socket[108];
    char sandboxd_socket[108];
};
/* <data> and <images> may be NULL: ATELIER_DATA, ATELIER_IMAGES, then the defaults. Neither needs to exist. */
int layout_find(const char *data, const char *images, struct layout *ret, struct error *error);
/* "<run>/<name>"; malloc'ed. */
char *layout_run_path(const struct layout *layout, const char *name);
char *layout_data_path(const struct layout *layout, const char *name);

/* Runs in the foreground until SIGINT, SIGTERM or SIGHUP, then stops the three (pods go on) and returns 0. */
int supervisor_up(const struct layout *layout, struct error *error);
/* Stops everything of this data directory, pods included, and removes the run directory. Nothing there is fine. */
int supervisor_down(const struct layout *layout, struct error *error);

enum supervisor_process {
    SUPERVISOR_SELF,
    SUPERVISOR_POSTGRES,
    SUPERVISOR_SANDBOXD,
    SUPERVISOR_ATELIERD,
    SUPERVISOR_PROCESS_COUNT
};
struct supervisor_status {
    const char *name; /* "postgres" */
    pid_t pid;        /* 0: not running */
    int64_t uptime_s;
    int64_t memory_bytes; /* proportional share (PSS) of it and, for PostgreSQL, of its children; -1 if unknown */
    const char *state;    /* "running", "starting", "stopped" */
};
void supervisor_status(const struct layout *layout, struct supervisor_status ret[SUPERVISOR_PROCESS_COUNT]);

#endif
