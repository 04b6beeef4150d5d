/*
 * A container's log in Kubernetes' CRI format ("2026-11-23T03:00:00.1Z stdout F text") to what people read. A 'P' line
 * is a piece of a longer one. Malformed lines are passed on as they are: a log must show whatever is there.
 */
#ifndef ATELIER_CONTROLPLANE_LOG_TEXT_H
#define ATELIER_CONTROLPLANE_LOG_TEXT_H

#include "base/text.h"

struct log_text {
    bool timestamps;     /* put each line's time before it */
    int64_t since_ms;    /* lines before this are left out; 0: none */
    int64_t until_ms;    /* lines from this on are left out; 0: none */
    int64_t limit_bytes; /* how much may still come out; negative: no limit */
    bool inside;         /* the last piece was partial: the next one continues its line */
    bool skipping;       /* and that line is left out */
    struct buffer carry; /* an incomplete line at the end of what was fed */
};
/* Appends what <raw> adds to <ret>. False once limit_bytes is used up. */
bool log_text_feed(struct log_text *text, struct slice raw, struct buffer *ret);
void log_text_free(struct log_text *text);
/* Where the last <lines> whole lines of <raw> begin (0 if it has fewer). <raw> begins at a line's start. */
size_t log_text_tail(struct slice raw, int64_t lines);

#endif
