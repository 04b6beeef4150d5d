/* Where does each file, mount and cgroup of this installation lie? */
#include "engine/local/sandboxd/paths.h"

#include <errno.h>
#include <limits.h>

#include "base/file.h"
#include "base/random.h"

static int canonical(const char *path, mode_t mode, char **ret, struct error *error)
{
    int failed = file_make_directories(path, mode, error);
    if (failed)
        return failed;
    char *real = realpath(path, NULL);
    if (!real)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    *ret = real;
    return 0;
}

void box_tag_derive(const char *canonical_data, char ret[BOX_TAG_SIZE])
{
    char hex[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(canonical_data), hex);
    snprintf(ret, BOX_TAG_SIZE, "%.8s", hex);
}

int box_paths_open(struct box_paths *paths, const struct box_places *places, struct error *error)
{
    const char *tag = places->tag;
    int failed = canonical(places->run, 0755, &paths->run, error);
    if (!failed)
        failed = canonical(places->data, 0755, &paths->data, error);
    if (failed)
        return failed;
    /* Images are built by others and may come later: only the path is fixed here. */
    paths->images = places->images ? memory_text(places->images) : memory_format("%s/images", paths->data);
    paths->gpu_devices = memory_text(places->gpu_devices ? places->gpu_devices : "/dev");
    paths->gpu_driver = places->gpu_driver ? memory_text(places->gpu_driver) : NULL;
    paths->state = memory_format("%s/state", paths->run);
    box_tag_derive(paths->data, paths->tag);
    if (tag && (!name_is_label(slice_of(tag)) || strlen(tag) >= BOX_TAG_SIZE))
        return error_set(error, ERROR_INVALID, "name", "%s: expected at most %d of a-z, 0-9 and '-'", tag,
                         BOX_TAG_SIZE - 1);
    if (tag)
        snprintf(paths->tag, sizeof(paths->tag), "%s", tag);
    paths->cgroup = memory_format("%s/atelier-%s", places->cgroup_parent ? places->cgroup_parent : "", paths->tag);
    return 0;
}

void box_paths_close(struct box_paths *paths)
{
    free(paths->run);
    free(paths->state);
    free(paths->data);
    free(paths->images);
    free(paths->gpu_devices);
    free(paths->gpu_driver);
    free(paths->cgroup);
}

/* '+' cannot begin a pod's name. */
char *box_path_netns(const struct box_paths *paths, const char *sandbox, const char *pod_or_null)
{
    return memory_format("%s/netns/%s/%s", paths->state, sandbox, pod_or_null ? pod_or_null : "+bridge");
}

char *box_path_sandbox_run(const struct box_paths *paths, const char *sandbox)
{
    return memory_format("%s/sandboxes/%s", paths->state, sandbox);
}

char *box_path_sandbox_data(const struct box_paths *paths, const char *sandbox)
{
    return memory_format("%s/sandboxes/%s", paths->data, sandbox);
}

char *box_path_pod(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    return memory_format("%s/pods/%s/%s", paths->state, sandbox, pod);
}

char *box_path_container(const struct box_paths *paths, const char *sandbox, const char *pod, const char *container)
{
    return memory_format("%s/pods/%s/%s/c/%s", paths->state, sandbox, pod, container);
}

char *box_path_scratch(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    return memory_format("%s/scratch/%s/%s", paths->data, sandbox, pod);
}

char *box_path_logs(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    return memory_format("%s/logs/%s/%s", paths->data, sandbox, pod);
}

char *box_path_cgroup(const struct box_paths *paths, const char *sandbox, const char *pod, const char *container)
{
    return memory_format("%s%s%s%s%s%s%s", paths->cgroup, sandbox ? "/" : "", sandbox ? sandbox : "", pod ? "/" : "",
                         pod ? pod : "", container ? "/" : "", container ? container : "");
}
