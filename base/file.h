/* Files and child processes, in whole steps that either happen or do not. All paths are ours, never a client's. */
#ifndef ATELIER_BASE_FILE_H
#define ATELIER_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

int file_read(const char *path, size_t max, struct buffer *ret, struct error *error);
int file_write(const char *path, struct slice content, mode_t mode, struct error *error); /* temp file, fsync, rename */
int file_make_directories(const char *path, mode_t mode, struct error *error);            /* like mkdir -p */
int file_remove_tree(const char *path,
                     struct error *error); /* never follows a link, never crosses a mount; absent is ok */
bool file_exists(const char *path);

/* Runs argv[0] (looked up in PATH) without a shell, waits at most timeout_ms, collects at most 64 KiB of its stdout and
 * stderr into <output> (may be NULL). 0 if it exited 0; otherwise an error with its last line of output. */
int process_run(const char *const *argv, int64_t timeout_ms, struct buffer *output, struct error *error);
/* The same, with further variables in its environment ("NAME=value", NULL-ended, or NULL), for a program that answers
 * on stdout: *ret gets that alone, and more than <max> bytes of it are TOO_LARGE; errors show the last line of stderr.
 */
int process_answer(const char *const *argv, const char *const *environment, int64_t timeout_ms, size_t max,
                   struct buffer *ret, struct error *error);
/* Start time of a process in clock ticks since boot (/proc/PID/stat field 22): with the pid it names one process ever.
 */
bool process_start_time(pid_t pid, uint64_t *ret);
/* Sends a signal to exactly that process (pidfd; start time checked). False if it is gone. */
bool process_signal(pid_t pid, uint64_t start_time, int signal);

/* True in a user namespace (user_namespaces(7)): uid 0 is not the machine's. */
bool process_is_in_user_namespace(void);

#endif
