/* Which address does a pod get? */
#include "engine/local/sandboxd/address.h"

#define FIRST (BOX_BRIDGE_ADDRESS + 1)
#define LAST (BOX_NETWORK + 0xFFFEu) /* 10.64.255.255 is the broadcast address */

bool box_address_parse(struct slice text, uint32_t *ret)
{
    uint32_t address = 0;
    for (int part = 0; part < 4; part++) {
        struct slice rest = {0}, digits = slice_split(text, '.', &rest);
        int64_t value;
        if (!digits.n || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') ||
            !text_parse_i64(digits, 0, 255, &value))
            return false;
        if ((part < 3) == (digits.n == text.n)) /* a dot after each but the last */
            return false;
        address = address << 8 | (uint32_t)value;
        text = rest;
    }
    if (address < FIRST || address > LAST)
        return false;
    *ret = address;
    return true;
}

void box_address_format(uint32_t address, char ret[BOX_ADDRESS_TEXT_SIZE])
{
    snprintf(ret, BOX_ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
             address & 255);
}

uint32_t box_address_next(uint32_t last, bool (*taken)(void *context, uint32_t address), void *context)
{
    uint32_t address = last < FIRST || last > LAST ? LAST : last;
    for (uint32_t tried = 0; tried <= LAST - FIRST; tried++) {
        address = address == LAST ? FIRST : address + 1;
        if (!taken(context, address))
            return address;
    }
    return 0;
}
