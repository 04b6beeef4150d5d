/* Is what a remote command's last message says told as it was meant? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/exec.h"

static void outcomes(void **state)
{
    static const struct {
        const char *status;
        int code;            /* -1: an error */
        const char *message; /* a part of it */
    } cases[] = {
        {"{\"metadata\":{},\"status\":\"Success\"}", 0, ""},
        {"{\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code\",\"reason\":"
         "\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}",
         3, ""},
        {"{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"256\"}]}}", -1,
         "failed"},
        {"{\"status\":\"Failure\",\"message\":\"container nobody is not in the pod\"}", -1, "nobody"},
        {"{\"status\":\"Failure\"}", -1, "failed"},
        {"[]", -1, "did not say how"},
        {"", -1, "did not say how"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        int code = -1;
        int failed = exec_outcome(slice_of(cases[i].status), &code, &error);
        if ((failed ? -1 : code) != cases[i].code || !strstr(error.message, cases[i].message))
            fail_msg("case %zu: %d, %d, \"%s\"", i, failed, code, error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(outcomes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
