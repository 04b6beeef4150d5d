/* How long certificates of ours live, and when they are replaced. */
#ifndef ATELIER_GATEWAY_TLS_LIFETIMES_H
#define ATELIER_GATEWAY_TLS_LIFETIMES_H

#define DAY_S 86400LL
/* People install it by hand: once is enough. */
#define AUTHORITY_LIFETIME_S (3650 * DAY_S)
#define AUTHORITY_RENEW_S (30 * DAY_S)
/* Minted at will, so short; but a machine may sleep for a fortnight and wake up with its browser open. */
#define LEAF_LIFETIME_S (30 * DAY_S)
#define LEAF_RENEW_S (20 * DAY_S)

#endif
