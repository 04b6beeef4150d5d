/* How far something long is: one line on a terminal, rewritten in place; nothing into a file, and nothing with --quiet.
 */
#ifndef ATELIER_CLI_PROGRESS_H
#define ATELIER_CLI_PROGRESS_H

#include "base/text.h"

struct progress {
    const char *what; /* "uploading ./data"; borrowed */
    int64_t total;    /* bytes; 0: not known */
    int64_t begun_ms, shown_ms;
    bool live;
};
void progress_begin(struct progress *progress, const char *what, int64_t total);
void progress_bytes(struct progress *progress, int64_t done);
/* A wait of which is known how long it usually takes (0: not known); <state> is what it waits in. */
void progress_wait(struct progress *progress, const char *state, int64_t usual_ms);
void progress_end(struct progress *progress); /* takes the line away */

/* The lines; pure. "uploading x: 12Mi of 40Mi, 3.1Mi/s, 9s left", "notebook/nb1 Pending (4s, about 6s left)". */
void progress_bytes_line(const char *what, int64_t done, int64_t total, int64_t elapsed_ms, struct buffer *ret);
void progress_wait_line(const char *what, const char *state, int64_t elapsed_ms, int64_t usual_ms, struct buffer *ret);

/* How long waits for this kind have usually taken here, kept in ${XDG_CACHE_HOME:-~/.cache}/atelier/waits.json: 0 if
 * not known. Losing it costs nothing, so that its errors are nobody's. */
int64_t progress_usual_ms(const char *kind);
void progress_learn(const char *kind, int64_t took_ms);

#endif
