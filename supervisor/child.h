/*
 * One process that the supervisor starts, records, recognises again and stops.
 *
 * A record (<run>/<name>.pid: pid, start time, fingerprint) names one process ever, so neither a reused pid nor a
 * supervisor that was killed leads to the wrong process. Children are no one's to reap after that; pidfds see them end.
 */
#ifndef ATELIER_SUPERVISOR_CHILD_H
#define ATELIER_SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/random.h"

/* How to start it. All descriptors are borrowed; -1 is /dev/null. */
struct program {
    const char *directory, *file; /* reached by an open descriptor: the path may be closed to the user it runs as */
    const char *const *arguments; /* argv, ended by NULL */
    const char *const *environment;
    const char *user; /* for messages */
    uid_t uid;
    gid_t gid;
    bool drop_privileges;      /* become uid:gid, never to gain any again (PR_SET_NO_NEW_PRIVS) */
    int input, output, errors; /* its 0, 1, 2 */
    bool notifies;             /* writes "ready\n" to fd ATELIER_NOTIFY_FD (always CHILD_NOTIFY_FD) */
    const char *record;        /* path of its record, or NULL */
    bool ignores_usr1;         /* SIGUSR1 does it no harm before it listens for it */
    bool many_files;           /* soft RLIMIT_NOFILE up to the hard one */
};
#define CHILD_NOTIFY_FD 3

struct child {
    pid_t pid; /* 0: not running */
    uint64_t start_time;
    int pidfd;  /* readable once it has ended; -1 when not running */
    int notify; /* reading end, -1 when none */
};
#define CHILD_NONE ((struct child){.pidfd = -1, .notify = -1})

#define CHILD_FINGERPRINT_SIZE (2 * DIGEST_SIZE + 1)
/* What was started: the program file's identity, its arguments and settings. Another one means: replace, do not adopt.
 */
void child_fingerprint(const struct program *program, char ret[CHILD_FINGERPRINT_SIZE]);

/* Starts it. On failure the message says which step and, where the cause is a closed path, how to open it. */
int child_start(const struct program *program, struct child *ret, struct error *error);
/* Starts it and waits for exit status 0. */
int child_run(const struct program *program, int64_t timeout_ms, struct error *error);
/* Takes hold of a running process; false if it has ended or is another one. */
bool child_hold(pid_t pid, uint64_t start_time, struct child *ret);
bool child_signal(const struct child *child, int signal);
/* True once ended; *ret_status is a wait(2)-like exit code (128 + signal), or -1 when it was not ours to reap. */
bool child_ended(const struct child *child, int *ret_status);
void child_release(struct child *child); /* closes descriptors, becomes CHILD_NONE */

/* Reads a record. False if there is no readable record. */
bool child_recall(const char *path, pid_t *ret_pid, uint64_t *ret_start_time, char ret[CHILD_FINGERPRINT_SIZE]);

#endif
