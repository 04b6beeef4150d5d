/*
 * What workloads may reach outside of their sandbox, as people write it: "on", "off", or a list such as
 * "203.0.113.0/24:443,198.51.100.7/32:80". Whatever a policy says, private, link-local, loopback, multicast and
 * reserved ranges are not the outside. Pure; thread-safe.
 */
#ifndef ATELIER_BASE_OUTBOUND_H
#define ATELIER_BASE_OUTBOUND_H

#include "base/error.h"
#include "base/text.h"

#define OUTBOUND_ENTRIES_MAX 64 /* of one list: more than anybody writes by hand */
#define OUTBOUND_RULES_MAX                                                                                             \
    (2 * OUTBOUND_ENTRIES_MAX)                      /* two lists have no more pairs of which one lies in the other     \
                                                     */
#define OUTBOUND_TEXT_MAX (OUTBOUND_RULES_MAX * 25) /* "255.255.255.255/32:65535," */
#define OUTBOUND_EXPECTED "on, off, or address ranges with a port such as 203.0.113.0/24:443,198.51.100.7/32:80"

struct outbound_range {
    uint32_t network; /* host byte order */
    unsigned prefix;
};
struct outbound_rule {
    struct outbound_range range;
    uint16_t port; /* TCP and UDP; 0: every protocol and port, which only "on" says */
};
struct outbound_policy {
    size_t count; /* 0: off */
    struct outbound_rule rules[OUTBOUND_RULES_MAX];
};

/* Ranges of IPv4 that are never the outside (RFC 6890 and 5771). */
extern const struct outbound_range outbound_never[];
extern const size_t outbound_never_count;

/* INVALID names <field> and the entry: no such form, bits beyond the prefix, or a range that is never the outside. */
int outbound_parse(struct slice text, const char *field, struct outbound_policy *ret, struct error *error);
/* What both allow. */
void outbound_meet(const struct outbound_policy *a, const struct outbound_policy *b, struct outbound_policy *ret);
/* The form that outbound_parse reads. */
void outbound_print(const struct outbound_policy *policy, struct buffer *ret);

#endif
