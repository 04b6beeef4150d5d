/* Are the commands to Redis what its protocol wants, and is every answer but success told apart from "not all there"?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/local/raykeys.h"

static void words_are_counted_in_bytes(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer request = {0};
    AUTO_JSON cJSON *uids = json_array();
    json_push_text(uids, "u1");
    json_push_text(uids, "u22");
    ray_keys_request(slice_of("pass\r\n*1"), uids, &request); /* no word ends another */
    static const char start[] = "*2\r\n$4\r\nAUTH\r\n$8\r\npass\r\n*1\r\n*5\r\n$4\r\nEVAL\r\n$";
    static const char end[] = "\r\n$1\r\n0\r\n$6\r\nRAYu1@\r\n$7\r\nRAYu22@\r\n";
    struct slice all = buffer_slice(&request);
    assert_true(slice_starts(all, start) && slice_ends(all, end));
    char *rest;
    size_t script = strtoul(request.p + strlen(start), &rest, 10);
    assert_int_equal(script, all.n - (size_t)(rest - request.p) - strlen("\r\n") - strlen(end));
}

static void answers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        int is;
    } cases[] = {{"", 0},
                 {"+O", 0},
                 {"+OK\r", 0},
                 {"+OK\r\n", 0},
                 {"+OK\r\n:1", 0},
                 {"+OK\r\n:12\r\n", 1},
                 {"-WRONGPASS no\r\n", -ERROR_UPSTREAM},
                 {"+OK\r\n-ERR no script\r\n", -ERROR_UPSTREAM},
                 {"HTTP/1.1 400 Bad Request\r\n", -ERROR_UPSTREAM}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        if (ray_keys_answered(slice_of(cases[i].said), &error) != cases[i].is)
            fail_msg("%s", cases[i].said);
    }
    char endless[2048];
    struct error error = {0};
    memset(endless, '+', sizeof(endless));
    assert_int_equal(ray_keys_answered((struct slice){endless, sizeof(endless)}, &error), -ERROR_UPSTREAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_are_counted_in_bytes),
                                       cmocka_unit_test(answers_are_told_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
