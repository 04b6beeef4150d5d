/* Do pods get addresses that are free, within the network, and not reused at once? */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/local/sandboxd/address.h"

static void only_canonical_pod_addresses_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t address; /* 0: refused */
    } table[] = {
        {"10.64.0.2", 0x0A400002},
        {"10.64.255.254", 0x0A40FFFE},
        {"10.64.1.0", 0x0A400100},
        {"10.64.0.0", 0},
        {"10.64.0.1", 0},
        {"10.64.255.255", 0},
        {"10.65.0.2", 0},
        {"10.63.255.254", 0},
        {"127.0.0.1", 0},
        {"", 0},
        {"10.64.0", 0},
        {"10.64.0.2.", 0},
        {"10.64.0.2.3", 0},
        {".10.64.0.2", 0},
        {"10.64.0.02", 0},
        {"10.64.0.256", 0},
        {"10.64.0.-2", 0},
        {" 10.64.0.2", 0},
        {"10.64.0.2 ", 0},
        {"10.64..2", 0},
        {"0x0a.64.0.2", 0},
        {"10.64.0.2\n", 0},
        {"10.64.0.0002", 0},
        {"171966466", 0},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        uint32_t address = 7;
        assert_int_equal(box_address_parse(slice_of(table[i].text), &address), table[i].address != 0);
        assert_int_equal(address, table[i].address ? table[i].address : 7);
        if (table[i].address) {
            char text[BOX_ADDRESS_TEXT_SIZE];
            box_address_format(address, text);
            assert_string_equal(text, table[i].text);
        }
    }
}

static bool low_half_taken(void *context, uint32_t address)
{
    (*(int *)context)++;
    return address < 0x0A408000;
}

static bool all_taken(void *context, uint32_t address)
{
    (void)context;
    (void)address;
    return true;
}

static bool none_taken(void *context, uint32_t address)
{
    (void)context;
    (void)address;
    return false;
}

static void the_next_free_address_follows_the_last(void **state)
{
    (void)state;
    int asked = 0;
    assert_int_equal(box_address_next(0, none_taken, NULL), 0x0A400002);
    assert_int_equal(box_address_next(0x0A400002, none_taken, NULL), 0x0A400003);
    assert_int_equal(box_address_next(0x0A40FFFE, none_taken, NULL), 0x0A400002); /* wraps past broadcast and bridge */
    assert_int_equal(box_address_next(0xC0A80001, none_taken, NULL), 0x0A400002);
    assert_int_equal(box_address_next(0, low_half_taken, &asked), 0x0A408000);
    assert_int_equal(box_address_next(0, all_taken, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_canonical_pod_addresses_parse),
        cmocka_unit_test(the_next_free_address_follows_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
