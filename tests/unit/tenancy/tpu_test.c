/* Is whoever asks for a TPU and does not say which warned, and nobody else? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "tenancy/tpu.h"

#define ASKS "containers: [{name: a}, {name: b, resources: {limits: {google.com/tpu: 4}}}]"
#define BOTH "cloud.google.com/gke-tpu-accelerator: tpu-v5e, cloud.google.com/gke-tpu-topology: 2x2"
#define TERM                                                                                                           \
    "{matchExpressions: [{key: cloud.google.com/gke-tpu-accelerator, operator: Exists}, "                              \
    "{key: cloud.google.com/gke-tpu-topology, operator: In, values: [2x2]}]}"
#define AFFINITY(TERMS)                                                                                                \
    "{spec: {" ASKS ", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "                     \
    "{nodeSelectorTerms: [" TERMS "]}}}}}"

static void who_asks_says_which(void **state)
{
    static const struct {
        const char *template;
        bool warned;
    } cases[] = {
        {"{}", false},
        {"{spec: {containers: [{name: a, resources: {limits: {cpu: 1, nvidia.com/gpu: 1}}}]}}", false},
        {"{spec: {containers: [{name: a, resources: {limits: {google.com/tpu: 0}}}]}}", false},
        {"{spec: {containers: [{name: a, resources: {requests: {google.com/tpu: \"4\"}}}]}}", true},
        {"{spec: {" ASKS "}}", true},
        {"{spec: {" ASKS ", nodeSelector: {cloud.google.com/gke-tpu-topology: 2x2}}}", true},
        {"{spec: {" ASKS ", nodeSelector: {" BOTH "}}}", false},
        {"{spec: {" ASKS ", nodeSelector: {cloud.google.com/compute-class: tpus}}}", false},
        {AFFINITY(TERM), false},
        {AFFINITY(TERM ", " TERM), false},
        {AFFINITY(TERM ", {}"), true},
        {AFFINITY(""), true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *template = NULL, *warnings = json_array();
        assert_int_equal(yaml_parse(slice_of(cases[i].template), &json_limits_default, &template, NULL), 0);
        tpu_warn("spec.template", template, warnings);
        if ((cJSON_GetArraySize(warnings) == 1) != cases[i].warned)
            fail_msg("%s: %d warnings", cases[i].template, cJSON_GetArraySize(warnings));
        if (cases[i].warned)
            assert_non_null(strstr(warnings->child->valuestring, "spec.template asks for google.com/tpu"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_asks_says_which)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
