/*
 * Prefixes of paths, taken by whole segments: "/mnist" is /mnist and all below it, not /mnistx; "/" is everything.
 * Functions are pure: any thread.
 */
#ifndef ATELIER_BASE_PREFIX_H
#define ATELIER_BASE_PREFIX_H

#include "base/text.h"

enum { PREFIX_MAX = 128 }; /* bytes of one */
/* Of a path, that much tells whether a prefix covers it: the longest one and the '/' after it, and a NUL. */
enum { PREFIX_PATH_SIZE = PREFIX_MAX + 2 };

/* "/", or segments of letters, digits and "-._~", none empty, "." or "..": what every reader of paths reads alike. */
bool prefix_is_good(struct slice prefix);
/* Does <path>, as it stands, lie in <prefix>? It begins with '/', or is empty, which only "/" covers. */
bool prefix_covers(struct slice prefix, struct slice path);

#endif
