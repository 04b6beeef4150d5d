/* What does a cluster's complaint about a pod mean to the person whose pod it is? */
#include "tenancy/complaint.h"

#include <stdarg.h>

__attribute__((format(printf, 3, 4))) static void complain(struct complaint *ret, const char *reason,
                                                           const char *format, ...)
{
    snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
    va_list args;
    va_start(args, format);
    vsnprintf(ret->message, sizeof(ret->message), format, args);
    va_end(args);
}

/* What follows <mark> in <text>, or NULL. */
static const char *after(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);
    return at ? at + strlen(mark) : NULL;
}

/* "%.*s" of what stands from <at> up to <end> (or the rest). */
static int length_to(const char *at, const char *end)
{
    const char *stop = strstr(at, end);
    size_t length = stop ? (size_t)(stop - at) : strlen(at);
    return length < 200 ? (int)length : 200;
}

/* --- it could not be made ----------------------------------------------------------------------------------------- */

/* The value of <key> in "cpu=1,memory=2Gi, used: ...": the list ends at ", " or at the end. */
static struct slice amount_in(const char *list, struct slice key)
{
    struct slice rest = {list, list ? strlen(list) : 0};
    while (rest.n && !slice_starts(rest, " ")) {
        struct slice value;
        struct slice item = slice_split(rest, ',', &rest);
        if (slice_equal(slice_split(item, '=', &value), key))
            return value;
    }
    return SLICE("?");
}

/* "requested: requests.cpu=4, used: requests.cpu=31, limited: requests.cpu=32" as "requests.cpu: 4 asked for, 31 of 32
 * in use". */
static void say_amounts(const char *text, struct buffer *ret)
{
    const char *requested = after(text, "requested: ");
    const char *used = after(text, "used: ");
    const char *limited = after(text, "limited: ");
    struct slice rest = slice_of(requested && used && limited ? requested : "");
    while (rest.n && !slice_starts(rest, " ")) {
        struct slice asked;
        struct slice key = slice_split(slice_split(rest, ',', &rest), '=', &asked);
        struct slice has = amount_in(used, key);
        struct slice limit = amount_in(limited, key);
        buffer_add_format(ret, "%s%.*s: %.*s asked for, %.*s of %.*s in use", ret->n ? "; " : "", (int)key.n, key.p,
                          (int)asked.n, asked.p, (int)has.n, has.p, (int)limit.n, limit.p);
    }
}

static void create_quota(const char *text, struct complaint *ret)
{
    AUTO_BUFFER struct buffer amounts = {.max = 300};
    say_amounts(text, &amounts);
    complain(ret, "QuotaExceeded",
             "the profile's quota is used up: %.320s; stop something, ask for less, or have the quota raised",
             amounts.n && !amounts.failed ? amounts.p : text);
}

void complaint_create(const char *text, struct complaint *ret)
{
    const char *at;
    if (strstr(text, "exceeded quota")) {
        create_quota(text, ret);
    } else if (strstr(text, "failed quota") && (at = after(text, "must specify "))) {
        complain(ret, "QuotaNeedsResources",
                 "the profile has a quota, so each container must say how much it needs; missing: %.300s", at);
    } else if ((at = after(text, "violates PodSecurity "))) {
        complain(ret, "PodSecurity", "its pod asks for more rights than the profile's Pod Security allows: %.380s", at);
    } else if ((at = after(text, "failed calling webhook "))) {
        complain(ret, "AdmissionUnavailable",
                 "the cluster asks an admission webhook before it makes a pod, and that does not answer: %.330s", at);
    } else if ((at = after(text, "admission webhook ")) && strstr(at, "denied the request")) {
        complain(ret, "AdmissionDenied", "a rule of the cluster refuses its pod: %.400s", at);
    } else if ((at = after(text, "ValidatingAdmissionPolicy "))) {
        complain(ret, "AdmissionDenied", "a rule of the cluster refuses its pod: %.400s", at);
    } else if ((at = after(text, "error looking up service account "))) {
        complain(ret, "ServiceAccountMissing", "the service account it is to run as does not exist: %.350s", at);
    } else if (strstr(text, "usage per Container is") || strstr(text, "usage per Pod is")) {
        at = after(text, "is forbidden: ");
        complain(ret, "LimitRange", "the profile's limits of a single pod refuse it: %.380s", at ? at : text);
    } else if (strstr(text, "because it is being terminated")) {
        complain(ret, "ProfileTerminating", "the profile is being deleted: nothing new can be made in it");
    } else {
        at = after(text, "error: ");
        complain(ret, "FailedCreate", "its pod cannot be made: %.450s", at ? at : text);
    }
}

/* --- it has no place ---------------------------------------------------------------------------------------------- */

/* "cpu, memory" of "2 Insufficient cpu, 1 Insufficient memory." */
static void lacking(const char *text, struct buffer *ret)
{
    const char *at = text;
    while ((at = after(at, "Insufficient "))) {
        size_t length = strcspn(at, ",. ");
        buffer_add_text(ret, ret->n ? " and " : "");
        buffer_add(ret, at, length);
    }
}

void complaint_place(const char *reason, const char *text, struct complaint *ret)
{
    AUTO_BUFFER struct buffer lacks = {.max = 120};
    const char *word = reason && *reason ? reason : "Unschedulable";
    const char *claim = after(text, "persistentvolumeclaim \"");
    /* What could be evicted for it is the administrators' business. */
    const char *detail = text;
    int length = length_to(text, " preemption:");
    lacking(text, &lacks);
    if (claim && strstr(claim, "not found"))
        complain(ret, "VolumeMissing", "the volume \"%.*s\" that it mounts does not exist: make it, or take it out",
                 length_to(claim, "\""), claim);
    else if (claim && strstr(claim, "is being deleted"))
        complain(ret, "VolumeDeleting", "the volume \"%.*s\" that it mounts is being deleted", length_to(claim, "\""),
                 claim);
    else if (strstr(text, "unbound immediate PersistentVolumeClaims"))
        complain(ret, "VolumePending", "a volume that it mounts has not been provided yet (%.*s)", length, detail);
    else if (strstr(text, "volume node affinity conflict"))
        complain(ret, word, "no node where its volume can be has room for it (%.*s)", length, detail);
    else if (lacks.n && !lacks.failed)
        complain(ret, word, "there is no room for it now: no node has enough %s free (%.*s)", lacks.p, length, detail);
    else if (strstr(text, "didn't match pod affinity rules"))
        complain(ret, word,
                 "it shares a volume with what runs on another node, and that node has no room for it (%.*s)", length,
                 detail);
    else if (strstr(text, "node affinity/selector") || strstr(text, "untolerated taint"))
        complain(ret, word, "no node that it may use has room for it (%.*s)", length, detail);
    else if (strstr(text, "no nodes available"))
        complain(ret, word, "the cluster has no node for pods now");
    else
        complain(ret, word, "%.450s", *text ? text : "there is no room for it now");
}

/* --- its image ---------------------------------------------------------------------------------------------------- */

bool complaint_is_image(const char *reason)
{
    return strstr(reason, "Image") || strcmp(reason, "RegistryUnavailable") == 0;
}

void complaint_image(const char *reason, const char *text, const char *image, struct complaint *ret)
{
    static const struct {
        const char *mark, *words;
    } causes[] = {
        {"toomanyrequests", "the registry gives no more for now (its rate limit)"},
        {"unauthorized", "the registry does not give it without credentials, or there is no such image"},
        {"authorization failed", "the registry does not give it without credentials, or there is no such image"},
        {"403 Forbidden", "the registry refuses to give it"},
        {"access denied", "the registry refuses to give it, or there is no such image"},
        {"no match for platform", "it is not made for this kind of processor"},
        {"manifest unknown", "there is no such image in its registry"},
        {"not found", "there is no such image in its registry"},
        {"no such host", "its registry cannot be found"},
        {"i/o timeout", "its registry does not answer"},
        {"connection refused", "its registry does not answer"},
        {"not in the list", "it is not one of this platform"},
    };
    bool trying = strcmp(reason, "ErrImagePull") == 0 || strcmp(reason, "ImagePullBackOff") == 0;
    const char *word = trying ? "ImagePullBackOff" : reason;
    char named[220] = "its image";
    if (*image)
        snprintf(named, sizeof(named), "its image %.200s", image);
    if (strcmp(reason, "InvalidImageName") == 0) {
        complain(ret, word, "%s cannot be used: that is not a name of an image; choose another image", named);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        if (strstr(text, causes[i].mark)) {
            complain(ret, word, "%s cannot be used: %s; choose another image", named, causes[i].words);
            return;
        }
    }
    /* The bare "Back-off pulling" says nothing that the reason does not. */
    bool bare = !*text || (trying && strstr(text, "Back-off pulling") && !strstr(text, "ErrImagePull"));
    complain(ret, word, "%s cannot be used%s%.200s; choose another image", named, bare ? "" : ": ", bare ? "" : text);
}

/* --- on its node -------------------------------------------------------------------------------------------------- */

void complaint_pod(const char *reason, const char *text, struct complaint *ret)
{
    const char *at;
    if (strstr(text, "Multi-Attach error"))
        complain(ret, "VolumeInUse",
                 "a volume that it mounts is still in use on another node; it starts once it is free there (%.300s)",
                 text);
    else if ((at = after(text, "MountVolume.SetUp failed for volume ")))
        complain(ret, reason, "something that it mounts is not there: %.420s", at);
    else if (strcmp(reason, "FailedAttachVolume") == 0 || strcmp(reason, "FailedMount") == 0)
        complain(ret, reason, "a volume that it mounts cannot be used now: %.420s", text);
    else if (strcmp(reason, "FailedCreatePodSandBox") == 0)
        complain(ret, reason, "its node cannot start it now: %.430s", text);
    else
        complain(ret, reason, "%.480s", text);
}
