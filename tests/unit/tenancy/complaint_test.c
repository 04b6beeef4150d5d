/* A cluster's complaints in words: one row a text as Kubernetes 1.34 writes it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/complaint.h"

#define FAILED "create Pod nb1-0 in StatefulSet nb1 failed error: "

enum about { CREATE, PLACE, IMAGE, POD };

static void says_what_it_means(void **state)
{
    (void)state;
    static const struct {
        enum about about;
        const char *reason, *text, *word, *says;
    } cases[] = {
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: exceeded quota: kf-resource-quota, requested: requests.cpu=4,"
                "requests.memory=8Gi, used: requests.cpu=31,requests.memory=60Gi, limited: requests.cpu=32,"
                "requests.memory=64Gi",
         "QuotaExceeded", "requests.cpu: 4 asked for, 31 of 32 in use; requests.memory: 8Gi asked for, 60Gi of 64Gi"},
        {CREATE, NULL, FAILED "pods \"nb1-0\" is forbidden: exceeded quota: q", "QuotaExceeded", "exceeded quota: q"},
        {CREATE, NULL, FAILED "pods \"nb1-0\" is forbidden: failed quota: q: must specify limits.memory for: sidecar",
         "QuotaNeedsResources", "missing: limits.memory for: sidecar"},
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != "
                "false (container \"nb1\" must set securityContext.allowPrivilegeEscalation=false)",
         "PodSecurity", "\"restricted:latest\": allowPrivilegeEscalation"},
        {CREATE, NULL, FAILED "admission webhook \"images.example.com\" denied the request: only signed images",
         "AdmissionDenied", "\"images.example.com\" denied the request: only signed images"},
        {CREATE, NULL,
         FAILED "Internal error occurred: failed calling webhook \"images.example.com\": failed to call webhook: Post: "
                "dial tcp: connection refused",
         "AdmissionUnavailable", "does not answer: \"images.example.com\""},
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no GPUs",
         "AdmissionDenied", "no GPUs"},
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: error looking up service account alice/gpu: serviceaccount \"gpu\" not "
                "found",
         "ServiceAccountMissing", "alice/gpu"},
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: maximum memory usage per Container is 8Gi, but limit is 16Gi",
         "LimitRange", "8Gi, but limit is 16Gi"},
        {CREATE, NULL,
         FAILED "pods \"nb1-0\" is forbidden: unable to create new content in namespace alice because it is being "
                "terminated",
         "ProfileTerminating", "being deleted"},
        {CREATE, NULL, FAILED "etcdserver: request timed out", "FailedCreate", "made: etcdserver"},

        {PLACE, "Unschedulable",
         "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: }, 2 Insufficient cpu, 2 Insufficient memory. "
         "preemption: 0/3 nodes are available",
         "Unschedulable", "enough cpu and memory free (0/3 nodes"},
        {PLACE, "Unschedulable", "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", "Unschedulable",
         "nvidia.com/gpu"},
        {PLACE, "Unschedulable", "persistentvolumeclaim \"data\" not found", "VolumeMissing", "\"data\""},
        {PLACE, "Unschedulable",
         "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: none", "VolumePending",
         "not been provided"},
        {PLACE, "Unschedulable", "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
         "Unschedulable", "where its volume can be"},
        {PLACE, "Unschedulable", "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.", "Unschedulable",
         "shares a volume"},
        {PLACE, "Unschedulable", "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
         "Unschedulable", "may use"},
        {PLACE, NULL, "no nodes available to schedule pods", "Unschedulable", "no node"},
        {PLACE, NULL, "not enough memory: bob holds 4Gi", "Unschedulable", "bob holds 4Gi"},
        {PLACE, NULL, "", "Unschedulable", "no room"},

        {IMAGE, "ErrImagePull", "failed to resolve reference \"x\": x: not found", "ImagePullBackOff",
         "example/x:1 cannot be used: there is no such image"},
        {IMAGE, "ImagePullBackOff",
         "Back-off pulling image \"x\": ErrImagePull: failed to resolve reference \"x\": x: not found",
         "ImagePullBackOff", "example/x:1 cannot be used: there is no such image"},
        {IMAGE, "ImagePullBackOff", "Back-off pulling image \"x\"", "ImagePullBackOff", "cannot be used; choose"},
        {IMAGE, "ErrImagePull", "429 toomanyrequests: You have reached your pull rate limit", "ImagePullBackOff",
         "rate limit"},
        {IMAGE, "ErrImagePull",
         "pull access denied, repository does not exist or may require authorization: "
         "authorization failed",
         "ImagePullBackOff", "credentials"},
        {IMAGE, "ErrImagePull", "dial tcp: lookup registry.example: no such host", "ImagePullBackOff", "be found"},
        {IMAGE, "InvalidImageName", "couldn't parse image name", "InvalidImageName", "not a name"},
        {IMAGE, "ErrImageNeverPull", "not present with pull policy of Never", "ErrImageNeverPull", "policy of Never"},

        {POD, "FailedAttachVolume", "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) nb2-0",
         "VolumeInUse", "nb2-0"},
        {POD, "FailedMount", "MountVolume.SetUp failed for volume \"c\" : configmap \"c\" not found", "FailedMount",
         "configmap \"c\" not found"},
        {POD, "FailedCreatePodSandBox", "no IP addresses available", "FailedCreatePodSandBox", "no IP"},
        {POD, "Unhealthy", "Readiness probe failed", "Unhealthy", "probe failed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct complaint said = {0};
        if (cases[i].about == CREATE)
            complaint_create(cases[i].text, &said);
        else if (cases[i].about == PLACE)
            complaint_place(cases[i].reason, cases[i].text, &said);
        else if (cases[i].about == IMAGE)
            complaint_image(cases[i].reason, cases[i].text, "example/x:1", &said);
        else
            complaint_pod(cases[i].reason, cases[i].text, &said);
        if (strcmp(said.reason, cases[i].word) != 0 || !strstr(said.message, cases[i].says))
            fail_msg("row %zu: %s: \"%s\", expected %s with \"%s\"", i, said.reason, said.message, cases[i].word,
                     cases[i].says);
        assert_null(strstr(said.message, "preemption"));
    }
}

/* A text of any length is cut, never written past. */
static void is_cut_to_fit(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "exceeded quota: q, requested: ", strlen("exceeded quota: q, requested: "));
    struct complaint said;
    complaint_create(text, &said);
    assert_true(strlen(said.message) < sizeof(said.message));
    assert_non_null(strstr(said.message, "have the quota raised"));
    complaint_place(text, text, &said);
    assert_true(strlen(said.reason) < sizeof(said.reason));
    complaint_image("ErrImagePull", text, text, &said);
    complaint_pod(text, text, &said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_it_means), cmocka_unit_test(is_cut_to_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
