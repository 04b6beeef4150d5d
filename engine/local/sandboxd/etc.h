/* A pod's /etc: a directory of our own making, bound read-only; nothing of the host's but what every program needs. */
#ifndef ATELIER_SANDBOXD_ETC_H
#define ATELIER_SANDBOXD_ETC_H

#include "base/json.h"

/* The text of /etc/hosts: localhost, the pod's own line, then the sandbox's entries. Pure. */
void box_hosts_render(const char *address, const char *hostname, const char *pod, const cJSON *entries,
                      struct buffer *ret);
void box_passwd_render(uint32_t uid, struct buffer *passwd, struct buffer *group); /* pure */

/* Fills <directory> (made if absent). Mount points for paths below /etc that the pod mounts are made by the caller. */
int box_etc_make(const char *directory, const char *hostname, uint32_t uid, struct error *error);
/* Replaces /etc/hosts at once: containers look the name up in the same directory, so they see the new file. */
int box_etc_set_hosts(const char *directory, struct slice text, struct error *error);
/* Whom names are asked of that the hosts file does not know: an address, or NULL for nobody. */
int box_etc_set_resolver(const char *directory, const char *resolver, struct error *error);
/* Host directories mounted read-only over their empty namesakes in the pod's /etc; NULL-ended. */
extern const char *const box_etc_directories[];

/* Writes a file of the run directory: atomic against readers, not against power loss (a reboot empties it anyway). */
int box_write_file(const char *path, struct slice content, mode_t mode, struct error *error);

#endif
