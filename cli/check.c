/* Are the values right of the options that many commands take? Asked before anything is done, or anybody asked. */
#include "cli/duration.h"
#include "cli/object.h"

static int check_duration(const struct call *call, const char *option, int64_t least_s, const char *examples,
                          struct error *error)
{
    const char *text = call_option(call, option);
    int64_t seconds;
    if (!text || (duration_parse(slice_of(text), &seconds) && seconds >= least_s))
        return 0;
    return call_usage(error, "--%s: expected a duration such as %s", option, examples);
}

int call_check(const struct call *call, struct error *error)
{
    const char *namespace = call_option(call, "namespace");
    enum output output;
    enum dry_run dry_run;
    if (namespace && !name_is_label(slice_of(namespace)))
        return call_usage(error, "--namespace: expected a DNS label such as \"alice\"");
    int failed = output_of(call, &output, error);
    if (!failed)
        failed = object_dry_run(call, &dry_run, error);
    if (!failed)
        failed = check_duration(call, "timeout", 0, "90s or 5m", error);
    return failed ? failed : check_duration(call, "ttl", 1, "90d or 12h", error);
}
