/* IPv4 addresses inside a sandbox: 10.64.0.0/16, the same in every sandbox; .0.1 is the bridge. Pure. */
#ifndef ATELIER_SANDBOXD_ADDRESS_H
#define ATELIER_SANDBOXD_ADDRESS_H

#include "base/text.h"

#define BOX_LOOPBACK_ADDRESS 0x7F000001u /* 127.0.0.1 */
#define BOX_BRIDGE_ADDRESS 0x0A400001u   /* 10.64.0.1, host byte order */
#define BOX_NETWORK 0x0A400000u
#define BOX_NETWORK_PREFIX 16
#define BOX_ADDRESS_TEXT_SIZE 16

/* A pod's address: canonical dotted quad within the network, neither its ends nor the bridge. */
bool box_address_parse(struct slice text, uint32_t *ret);
void box_address_format(uint32_t address, char ret[BOX_ADDRESS_TEXT_SIZE]);
/* The first free address after <last> (0: from the beginning), wrapping; 0 when none is left. Cycling on keeps a name
 * that still points to a removed pod from reaching its successor. */
uint32_t box_address_next(uint32_t last, bool (*taken)(void *context, uint32_t address), void *context);

#endif
