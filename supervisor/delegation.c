/* Which control group was this user given, and may pods be limited in it? */
#include "supervisor/delegation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define LIST_BYTES_MAX ((size_t)1 << 20)

char *delegation_path(struct slice text)
{
    AUTO_FREE char *found = NULL;
    while (text.n) { /* number:controllers:path; the unified hierarchy is 0:: */
        struct slice rest = slice_split(text, '\n', &text);
        slice_split(rest, ':', &rest);
        slice_split(rest, ':', &rest);
        if (!rest.n || slice_is(rest, "/") || (found && !slice_is(rest, found)))
            return NULL;
        if (!found)
            found = memory_text_n(rest.p, rest.n);
    }
    return TAKE_POINTER(found);
}

static bool is_unified(void)
{
    return file_exists(CGROUP_ROOT "/cgroup.controllers");
}

/* With v1 there is a directory a hierarchy. One that is closed to the user closes them all: the runtime wants every
 * one. */
static bool may_write(const char *path)
{
    if (is_unified()) {
        AUTO_FREE char *group = memory_format(CGROUP_ROOT "%s", path);
        AUTO_FREE char *processes = memory_format("%s/cgroup.procs", group);
        return access(group, W_OK) == 0 && access(processes, W_OK) == 0;
    }
    DIR *hierarchies = opendir(CGROUP_ROOT);
    bool all = hierarchies != NULL;
    for (const struct dirent *entry; all && (entry = readdir(hierarchies));) {
        AUTO_FREE char *group = memory_format(CGROUP_ROOT "/%s%s", entry->d_name, path);
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            all = access(group, W_OK) == 0;
    }
    if (hierarchies)
        closedir(hierarchies);
    return all;
}

static bool move_processes(const char *from, const char *to)
{
    AUTO_BUFFER struct buffer list = {0};
    AUTO_CLOSE int target = open(to, O_WRONLY | O_CLOEXEC);
    if (target < 0 || file_read(from, LIST_BYTES_MAX, &list, NULL))
        return false;
    for (struct slice rest = buffer_slice(&list); rest.n;) {
        struct slice pid = slice_split(rest, '\n', &rest);
        if (pid.n && write(target, pid.p, pid.n) < 0 && errno != ESRCH)
            return false;
    }
    return true;
}

char *delegation_take(void)
{
    AUTO_BUFFER struct buffer text = {0};
    AUTO_FREE char *path =
        file_read("/proc/self/cgroup", LIST_BYTES_MAX, &text, NULL) == 0 ? delegation_path(buffer_slice(&text)) : NULL;
    if (!path || !may_write(path))
        return NULL;
    if (!is_unified())
        return TAKE_POINTER(path);
    AUTO_FREE char *own = memory_format(CGROUP_ROOT "%s/cgroup.procs", path);
    AUTO_FREE char *below = memory_format(CGROUP_ROOT "%s/atelier-main", path);
    AUTO_FREE char *processes = memory_format("%s/cgroup.procs", below);
    if (file_make_directories(below, 0755, NULL) || !move_processes(own, processes))
        return NULL;
    return TAKE_POINTER(path);
}
