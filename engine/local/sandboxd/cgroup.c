/* What do the processes of a pod use, and how are all of them ended? (cgroups(7)) */
#include "engine/local/sandboxd/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"

struct hierarchy {
    char *mount;
    bool unified;
    bool cpuacct, memory;
};

static struct {
    struct hierarchy list[BOX_CGROUP_HIERARCHIES_MAX];
    size_t count;
    enum box_cgroup_kind kind;
    bool limits;
} groups;

static bool has_option(struct slice options, const char *wanted)
{
    while (options.n)
        if (slice_is(slice_split(options, ',', &options), wanted))
            return true;
    return false;
}

static void add_hierarchy(struct slice line)
{
    /* /proc/self/mounts: source target type options */
    struct slice rest = line;
    slice_split(rest, ' ', &rest);
    struct slice target = slice_split(rest, ' ', &rest);
    struct slice type = slice_split(rest, ' ', &rest);
    struct slice options = slice_split(rest, ' ', &rest);
    if (groups.count == BOX_CGROUP_HIERARCHIES_MAX || !(slice_is(type, "cgroup") || slice_is(type, "cgroup2")))
        return;
    struct hierarchy *added = &groups.list[groups.count++];
    added->mount = memory_text_n(target.p, target.n);
    added->unified = slice_is(type, "cgroup2");
    added->cpuacct = has_option(options, "cpuacct");
    added->memory = has_option(options, "memory");
}

/* In one hierarchy of another user's is none of ours: the runtime wants all or none. */
static bool can_make(const char *path)
{
    for (size_t i = 0; i < groups.count; i++) {
        AUTO_FREE char *directory = memory_format("%s%s", groups.list[i].mount, path);
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
            return false;
    }
    return groups.count > 0;
}

static bool write_group(const struct hierarchy *hierarchy, const char *path, const char *file, const char *text)
{
    AUTO_FREE char *name = memory_format("%s%s/%s", hierarchy->mount, path, file);
    AUTO_CLOSE int fd = open(name, O_WRONLY | O_CLOEXEC); /* one that is not there is another hierarchy's */
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* cpu.shares up to 2^18, cpu.weight up to 10,000; a group of defaults has 1024, or 100. */
static void weigh(const char *path, long cores)
{
    char shares[32], weight[32];
    snprintf(shares, sizeof(shares), "%ld", cores < 256 ? 1024 * cores : 1024 * 256);
    snprintf(weight, sizeof(weight), "%ld", cores < 100 ? 100 * cores : 10000);
    for (size_t i = 0; i < groups.count; i++)
        (void)(write_group(&groups.list[i], path, "cpu.shares", shares) ||
               write_group(&groups.list[i], path, "cpu.weight", weight));
}

bool box_cgroup_limits(void)
{
    return groups.limits;
}

void box_cgroup_start(const char *path)
{
    AUTO_BUFFER struct buffer text = {0};
    if (groups.count || file_read("/proc/self/mounts", (size_t)16 << 20, &text, NULL))
        return;
    struct slice rest = buffer_slice(&text);
    while (rest.n)
        add_hierarchy(slice_split(rest, '\n', &rest));
    bool v1 = false, v2 = false;
    for (size_t i = 0; i < groups.count; i++) {
        v1 = v1 || groups.list[i].memory;
        v2 = v2 || groups.list[i].unified;
    }
    groups.limits = can_make(path);
    if (groups.limits)
        weigh(path, sysconf(_SC_NPROCESSORS_ONLN));
    groups.kind = v1 && v2 ? BOX_CGROUP_HYBRID : v1 ? BOX_CGROUP_V1 : BOX_CGROUP_V2;
}

enum box_cgroup_kind box_cgroup_kind(void)
{
    return groups.kind;
}

const char *box_cgroup_kind_name(void)
{
    static const char *const names[] = {"v1", "v2", "hybrid"};
    return names[groups.kind];
}

bool box_cgroup_stat(struct slice text, const char *key, int64_t *ret)
{
    while (text.n) {
        struct slice line = slice_split(text, '\n', &text), value = {0};
        struct slice name = slice_split(line, ' ', &value);
        if (slice_is(name, key))
            return text_parse_i64(value, 0, INT64_MAX, ret);
    }
    return false;
}

static bool read_file(const struct hierarchy *hierarchy, const char *path, const char *file, struct buffer *ret)
{
    AUTO_FREE char *name = memory_format("%s%s/%s", hierarchy->mount, path, file);
    buffer_clear(ret);
    return file_read(name, 65536, ret, NULL) == 0;
}

static bool read_number(const struct hierarchy *hierarchy, const char *path, const char *file, int64_t *ret)
{
    AUTO_BUFFER struct buffer text = {0};
    if (!read_file(hierarchy, path, file, &text))
        return false;
    struct slice rest = {0};
    return text_parse_i64(slice_split(buffer_slice(&text), '\n', &rest), 0, INT64_MAX, ret);
}

static bool read_stat(const struct hierarchy *hierarchy, const char *path, const char *file, const char *key,
                      int64_t *ret)
{
    AUTO_BUFFER struct buffer text = {0};
    return read_file(hierarchy, path, file, &text) && box_cgroup_stat(buffer_slice(&text), key, ret);
}

static void read_memory(const struct hierarchy *hierarchy, const char *path, struct box_usage *ret)
{
    int64_t used = 0, inactive = 0;
    if (!read_number(hierarchy, path, hierarchy->unified ? "memory.current" : "memory.usage_in_bytes", &used))
        return;
    if (!read_stat(hierarchy, path, "memory.stat", hierarchy->unified ? "inactive_file" : "total_inactive_file",
                   &inactive))
        inactive = 0;
    ret->memory_bytes = used > inactive ? used - inactive : 0;
}

bool box_cgroup_usage(const char *path, struct box_usage *ret)
{
    struct box_usage usage = {0};
    bool found = false;
    for (size_t i = 0; i < groups.count; i++) {
        const struct hierarchy *at = &groups.list[i];
        int64_t value;
        if (at->cpuacct && read_number(at, path, "cpuacct.usage", &value)) {
            usage.cpu_ms = value / 1000000;
            found = true;
        } else if (at->unified && groups.kind == BOX_CGROUP_V2 &&
                   read_stat(at, path, "cpu.stat", "usage_usec", &value)) {
            usage.cpu_ms = value / 1000;
            found = true;
        }
        if (at->memory || (at->unified && groups.kind == BOX_CGROUP_V2))
            read_memory(at, path, &usage);
    }
    if (found)
        *ret = usage;
    return found;
}

int64_t box_cgroup_quota_us(int64_t milli)
{
    int64_t quota = milli * (BOX_CGROUP_PERIOD_US / 1000);
    return quota < 1000 ? 1000 : quota; /* the kernel's least is 1 ms */
}

bool box_cgroup_set_cpu(const char *path, int64_t milli)
{
    char quota[32], maximum[64];
    bool done = false;
    snprintf(quota, sizeof(quota), "%lld", (long long)box_cgroup_quota_us(milli));
    snprintf(maximum, sizeof(maximum), "%s %d", quota, BOX_CGROUP_PERIOD_US);
    for (size_t i = 0; i < groups.count && !done; i++)
        done = write_group(&groups.list[i], path, "cpu.cfs_quota_us", quota) ||
               write_group(&groups.list[i], path, "cpu.max", maximum);
    return done;
}

int64_t box_cgroup_oom_kills(const char *path)
{
    int64_t kills = 0, value;
    for (size_t i = 0; i < groups.count; i++) {
        const struct hierarchy *at = &groups.list[i];
        if ((at->memory && read_stat(at, path, "memory.oom_control", "oom_kill", &value)) ||
            (at->unified && read_stat(at, path, "memory.events", "oom_kill", &value)))
            kills = value > kills ? value : kills;
    }
    return kills;
}

/* Every process of exactly that group. */
static void kill_group(const char *directory)
{
    AUTO_FREE char *name = memory_format("%s/cgroup.procs", directory);
    AUTO_BUFFER struct buffer text = {0};
    if (file_read(name, (size_t)1 << 20, &text, NULL))
        return;
    struct slice rest = buffer_slice(&text);
    while (rest.n) {
        int64_t pid;
        if (text_parse_i64(slice_split(rest, '\n', &rest), 2, INT32_MAX, &pid))
            kill((pid_t)pid, SIGKILL);
    }
}

/* True when the directory is gone. Groups nest four deep (and as deep as a tenant's own make them: none may). */
static bool remove_group(const char *directory, int depth)
{
    DIR *listing = opendir(directory);
    if (!listing)
        return errno == ENOENT;
    const struct dirent *entry;
    while (depth < 16 && (entry = readdir(listing))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        AUTO_FREE char *child = memory_format("%s/%s", directory, entry->d_name);
        remove_group(child, depth + 1);
    }
    closedir(listing);
    if (rmdir(directory) == 0 || errno == ENOENT)
        return true;
    kill_group(directory);
    return false;
}

bool box_cgroup_remove(const char *path, int64_t timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        bool gone = true;
        for (size_t i = 0; i < groups.count; i++) {
            AUTO_FREE char *directory = memory_format("%s%s", groups.list[i].mount, path);
            gone = remove_group(directory, 0) && gone;
        }
        if (gone || clock_monotonic_ms() >= end)
            return gone;
        clock_sleep_ms(5);
    }
}

/* Only where service managers look: the unified tree and systemd's named one. */
size_t box_cgroup_open_monitors(const char *path, int fds[BOX_CGROUP_HIERARCHIES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < groups.count; i++) {
        const struct hierarchy *at = &groups.list[i];
        size_t length = strlen(at->mount);
        bool named = length >= 8 && !strcmp(at->mount + length - 8, "/systemd");
        if (!at->unified && !named)
            continue;
        AUTO_FREE char *directory = memory_format("%s%s/monitors", at->mount, path);
        AUTO_FREE char *procs = memory_format("%s/cgroup.procs", directory);
        if (file_make_directories(directory, 0755, NULL))
            continue;
        int fd = open(procs, O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            fds[count++] = fd;
    }
    return count;
}
