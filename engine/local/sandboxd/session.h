/*
 * One command in a container and whoever asked for it, in a process of its own that the daemon starts (exec.h): the
 * OCI runtime enters the container with a terminal or with pipes, and what they carry travels on descriptor 3.
 *
 * That descriptor is a SOCK_SEQPACKET socket. Each packet is one message of Kubernetes' remote-command channels
 * (v5.channel.k8s.io, k8s.io/apimachinery/pkg/util/remotecommand): a byte that names the channel, then data. To the
 * command: 0 stdin, 4 {"Width":…,"Height":…} of the terminal, 255 and a channel that is thereby closed. From it: 1
 * stdout (everything, with a terminal), 2 stderr, and last of all 3: a `Status` object that tells how it ended.
 *
 * Once the other end of the descriptor is closed, everything in the command's session is ended: SIGHUP, then SIGKILL.
 */
#ifndef ATELIER_SANDBOXD_SESSION_H
#define ATELIER_SANDBOXD_SESSION_H

/* --exec RUNTIME ROOT DIRECTORY ID MODE: the OCI runtime and its state directory; a directory of this session's own,
 * which holds process.json and is removed at the end; the container's id; of the letters i, o, e, t those that are
 * wanted: stdin, stdout, stderr, a terminal. */
#define SESSION_ARGUMENTS 6
int box_session_run(char *const argv[SESSION_ARGUMENTS]); /* the process's exit code */

/* On descriptor 3, for sessions of any kind (attach.h): the last message, and then waiting until it was read. */
void box_session_tell_exit(int code);
int box_session_tell_failure(const char *message); /* 1 */
void box_session_linger(void);

#endif
