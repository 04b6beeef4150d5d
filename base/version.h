/* Which release this is; the one place that says so. */
#ifndef ATELIER_BASE_VERSION_H
#define ATELIER_BASE_VERSION_H

#define ATELIER_VERSION "0.1.0"

#endif
