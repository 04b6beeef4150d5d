/* What exactly does the OCI runtime get told about a container? */
#include "engine/local/sandboxd/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/seccomp.h"
#include "engine/local/sandboxd/spec.h"

/* With a merged /usr these are links, and need no mount. */
static const char *const system_directories[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

static cJSON *texts(const char *const *list)
{
    cJSON *array = json_array();
    for (; *list; list++)
        json_push_text(array, *list);
    return array;
}
#define TEXTS(...) texts((const char *const[]){__VA_ARGS__, NULL})

static void add_mount(cJSON *mounts, const char *destination, const char *type, const char *source, cJSON *options)
{
    cJSON *mount = json_push(mounts, json_object());
    json_set_text(mount, "destination", destination);
    json_set_text(mount, "type", type);
    json_set_text(mount, "source", source);
    json_set(mount, "options", options);
}

static void add_bind(cJSON *mounts, const char *destination, const char *source, bool readonly)
{
    add_mount(mounts, destination, "bind", source,
              TEXTS("bind", "rprivate", "nosuid", "nodev", readonly ? "ro" : "rw"));
}

static bool is_directory(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void add_system(cJSON *mounts, const struct box_bundle *bundle)
{
    add_bind(mounts, "/usr", "/usr", true);
    for (size_t i = 0; i < COUNT_OF(system_directories); i++)
        if (is_directory(system_directories[i]))
            add_bind(mounts, system_directories[i], system_directories[i], true);
    if (is_directory("/usr/local")) /* this machine's own programs are nobody else's business */
        add_bind(mounts, "/usr/local", bundle->empty, true);
    add_bind(mounts, "/etc", bundle->etc, true);
    for (const char *const *at = box_etc_directories; *at; at++)
        if (is_directory(*at))
            add_bind(mounts, *at, *at, true);
}

static void add_kernel(cJSON *mounts, const struct box_bundle *bundle)
{
    add_mount(mounts, "/proc", "proc", "proc", TEXTS("nosuid", "noexec", "nodev"));
    add_mount(mounts, "/sys", "sysfs", "sysfs", TEXTS("nosuid", "noexec", "nodev", "ro"));
    if (bundle->cgroup)
        add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup", TEXTS("nosuid", "noexec", "nodev", "relatime", "ro"));
    add_mount(mounts, "/dev", "tmpfs", "tmpfs", TEXTS("nosuid", "noexec", "strictatime", "mode=755", "size=64k"));
    add_mount(mounts, "/dev/pts", "devpts", "devpts",
              TEXTS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"));
    add_mount(mounts, "/dev/shm", "bind", bundle->shm, TEXTS("bind", "rprivate", "nosuid", "nodev", "noexec", "rw"));
    add_mount(mounts, "/run", "tmpfs", "tmpfs", TEXTS("nosuid", "noexec", "nodev", "mode=1777", "size=64m"));
    add_mount(mounts, BOX_INIT_PATH, "bind", bundle->init, TEXTS("bind", "rprivate", "nosuid", "nodev", "ro"));
}

static bool mounted_by_tenant(const struct box_bundle *bundle, const char *path)
{
    for (size_t i = 0; i < bundle->bind_count; i++)
        if (!strcmp(bundle->binds[i].destination, path))
            return true;
    return false;
}

static void remove_mount(cJSON *mounts, const char *destination)
{
    for (int i = cJSON_GetArraySize(mounts) - 1; i >= 0; i--)
        if (!strcmp(json_text_or("", cJSON_GetArrayItem(mounts, i), "destination", NULL), destination))
            cJSON_DeleteItemFromArray(mounts, i);
}

static void add_private(cJSON *mounts, const struct box_bundle *bundle)
{
    const struct {
        const char *destination, *source;
    } private[] = {{"/tmp", bundle->tmp}, {"/var/tmp", bundle->var_tmp}, {BOX_HOME, bundle->home}};
    for (size_t i = 0; i < COUNT_OF(private); i++)
        if (!mounted_by_tenant(bundle, private[i].destination))
            add_bind(mounts, private[i].destination, private[i].source, false);
    for (size_t i = 0; i < bundle->bind_count; i++) {
        remove_mount(mounts, bundle->binds[i].destination); /* /dev/shm of one's own */
        add_bind(mounts, bundle->binds[i].destination, bundle->binds[i].source, bundle->binds[i].readonly);
    }
}

static void add_gpu_files(cJSON *mounts, const struct box_gpus *gpus)
{
    for (size_t i = 0; gpus && i < gpus->file_count; i++) {
        AUTO_FREE char *destination = memory_format(BOX_GPU_FILES "%s", strrchr(gpus->files[i], '/'));
        add_bind(mounts, destination, gpus->files[i], true);
    }
}

static int depth_of(const cJSON *mount)
{
    int depth = 0;
    for (const char *c = json_text_or("", mount, "destination", NULL); *c; c++)
        depth += *c == '/';
    return depth;
}

/* A mount hides what was mounted below its target before: parents first, otherwise in the order given. */
static cJSON *parents_first(cJSON *mounts)
{
    cJSON *sorted = json_array();
    for (int depth = 0; cJSON_GetArraySize(mounts) > 0; depth++)
        for (cJSON *at = mounts->child, *next; at; at = next) {
            next = at->next;
            if (depth_of(at) == depth)
                json_push(sorted, cJSON_DetachItemViaPointer(mounts, at));
        }
    cJSON_Delete(mounts);
    return sorted;
}

static cJSON *render_mounts(const struct box_bundle *bundle)
{
    cJSON *mounts = json_array();
    add_kernel(mounts, bundle);
    add_system(mounts, bundle);
    add_private(mounts, bundle);
    add_gpu_files(mounts, bundle->gpus);
    /* The image comes after the volumes of its depth, so that none can hide it. */
    add_bind(mounts, bundle->image, bundle->image, true);
    return parents_first(mounts);
}

static void add_env(cJSON *env, const char *name, const char *value)
{
    AUTO_FREE char *line = memory_format("%s=%s", name, value);
    json_push_text(env, line);
}

/* Numbers of the machine for those who ask the driver, and of the container for CUDA, which sees no others. A tenant
 * may narrow what CUDA sees; what there is he cannot change. */
static void add_gpu_env(cJSON *env, const struct box_gpus *gpus, const cJSON *wanted)
{
    AUTO_BUFFER struct buffer own = {0};
    const char *libraries = json_text(wanted, "LD_LIBRARY_PATH", NULL);
    for (size_t i = 0; i < gpus->gpu_count; i++)
        buffer_add_format(&own, "%s%zu", i ? "," : "", i);
    add_env(env, "NVIDIA_VISIBLE_DEVICES", gpus->indices);
    if (!json_member(wanted, "CUDA_VISIBLE_DEVICES"))
        add_env(env, "CUDA_VISIBLE_DEVICES", own.p);
    AUTO_FREE char *path = memory_format(BOX_GPU_FILES "%s%s", libraries ? ":" : "", libraries ? libraries : "");
    if (gpus->file_count > 0)
        add_env(env, "LD_LIBRARY_PATH", path);
}

static bool is_set_for_gpus(const struct box_gpus *gpus, const char *name)
{
    return gpus && gpus->gpu_count > 0 &&
           (strcmp(name, "NVIDIA_VISIBLE_DEVICES") == 0 ||
            (gpus->file_count > 0 && strcmp(name, "LD_LIBRARY_PATH") == 0));
}

static cJSON *render_env(const struct box_bundle *bundle)
{
    bool driver = bundle->gpus && bundle->gpus->file_count > 0;
    AUTO_FREE char *path =
        memory_format("%s/bin:/usr/bin:/usr/sbin:/bin:/sbin%s", bundle->image, driver ? ":" BOX_GPU_FILES : "");
    const struct {
        const char *name, *value;
    } defaults[] = {{"PATH", path},      {"VIRTUAL_ENV", bundle->image}, {"HOME", BOX_HOME},
                    {"USER", "atelier"}, {"LOGNAME", "atelier"},         {"SHELL", "/bin/bash"},
                    {"LANG", "C.UTF-8"}, {"HOSTNAME", bundle->hostname}, {"POD_IP", bundle->address}};
    const cJSON *wanted = json_member(bundle->container, "env"), *value;
    cJSON *env = json_array();
    for (size_t i = 0; i < COUNT_OF(defaults); i++)
        if (!json_member(wanted, defaults[i].name))
            add_env(env, defaults[i].name, defaults[i].value);
    if (bundle->gpus && bundle->gpus->gpu_count > 0)
        add_gpu_env(env, bundle->gpus, wanted);
    cJSON_ArrayForEach(value, wanted)
    {
        if (is_set_for_gpus(bundle->gpus, value->string))
            continue;
        AUTO_FREE char *expanded = box_expand_address(value->valuestring, bundle->address);
        add_env(env, value->string, expanded);
    }
    return env;
}

static cJSON *render_args(const struct box_bundle *bundle)
{
    cJSON *args = TEXTS(BOX_INIT_PATH, "--init", "--");
    const cJSON *arg;
    cJSON_ArrayForEach(arg, json_member(bundle->container, "args"))
    {
        AUTO_FREE char *expanded = box_expand_address(arg->valuestring, bundle->address);
        json_push_text(args, expanded);
    }
    return args;
}

static void add_rlimit(cJSON *limits, const char *type, int64_t value)
{
    cJSON *limit = json_push(limits, json_object());
    json_set_text(limit, "type", type);
    json_set_i64(limit, "hard", value);
    json_set_i64(limit, "soft", value);
}

static cJSON *render_process(const struct box_bundle *bundle)
{
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable", "ambient"};
    cJSON *process = json_object();
    json_set_bool(process, "terminal", false);
    cJSON *user = json_set(process, "user", json_object());
    json_set_i64(user, "uid", bundle->uid);
    json_set_i64(user, "gid", bundle->uid);
    json_set_i64(user, "umask", 022);
    json_set(process, "args", render_args(bundle));
    json_set(process, "env", render_env(bundle));
    json_set_text(process, "cwd", json_text_or(BOX_HOME, bundle->container, "workdir", NULL));
    cJSON *capabilities = json_set(process, "capabilities", json_object());
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        json_set(capabilities, sets[i], json_array());
    cJSON *limits = json_set(process, "rlimits", json_array());
    add_rlimit(limits, "RLIMIT_NOFILE", bundle->nofile);
    add_rlimit(limits, "RLIMIT_CORE", 0); /* the host's core_pattern may be a program that runs as root */
    json_set_bool(process, "noNewPrivileges", true);
    return process;
}

static int64_t number(const struct box_bundle *bundle, const char *key, int64_t fallback)
{
    int64_t value = 0;
    return json_i64(json_member(bundle->container, key), &value) && value ? value : fallback;
}

static void set_device(cJSON *entry, const struct box_device *device)
{
    json_set_text(entry, "type", "c");
    json_set_i64(entry, "major", device->major);
    json_set_i64(entry, "minor", device->minor);
}

/* Nothing but what the runtime itself allows everybody (null, zero, …), and this container's GPUs. */
static cJSON *render_device_rules(const struct box_gpus *gpus)
{
    cJSON *rules = json_array();
    cJSON *rule = json_push(rules, json_object());
    json_set_bool(rule, "allow", false);
    json_set_text(rule, "access", "rwm");
    for (size_t i = 0; gpus && i < gpus->device_count; i++) {
        rule = json_push(rules, json_object());
        json_set_bool(rule, "allow", true);
        json_set_text(rule, "access", "rw");
        set_device(rule, &gpus->devices[i]);
    }
    return rules;
}

/* The nodes of them, in the container's own /dev. */
static cJSON *render_devices(const struct box_gpus *gpus)
{
    cJSON *devices = json_array();
    for (size_t i = 0; gpus && i < gpus->device_count; i++) {
        cJSON *device = json_push(devices, json_object());
        AUTO_FREE char *path = memory_format("/dev/%s", gpus->devices[i].name);
        json_set_text(device, "path", path);
        set_device(device, &gpus->devices[i]);
        json_set_i64(device, "fileMode", 0666); /* as NVIDIA's driver makes them: the container's user opens them */
        json_set_i64(device, "uid", 0);
        json_set_i64(device, "gid", 0);
    }
    return devices;
}

static cJSON *render_resources(const struct box_bundle *bundle)
{
    cJSON *resources = json_object();
    json_set(resources, "devices", render_device_rules(bundle->gpus));
    int64_t memory = number(bundle, "memory_bytes", 0), cpu = number(bundle, "cpu_milli", 0);
    if (memory) {
        cJSON *limit = json_set(resources, "memory", json_object());
        json_set_i64(limit, "limit", memory);
        if (bundle->swap_limited)
            json_set_i64(limit, "swap", memory); /* memory plus swap: none of the latter */
    }
    if (cpu) {
        cJSON *limit = json_set(resources, "cpu", json_object());
        json_set_i64(limit, "shares", cpu * 1024 / 1000 < 2 ? 2 : cpu * 1024 / 1000); /* as kubelet converts */
        json_set_i64(limit, "quota",
                     box_cgroup_quota_us(cpu < bundle->cpu_first_milli ? bundle->cpu_first_milli : cpu));
        json_set_i64(limit, "period", BOX_CGROUP_PERIOD_US);
    }
    json_set_i64(json_set(resources, "pids", json_object()), "limit", number(bundle, "pids", BOX_PIDS_DEFAULT));
    return resources;
}

static cJSON *render_linux(const struct box_bundle *bundle)
{
    static const char *const namespaces[] = {"pid", "ipc", "uts", "mount", "cgroup"};
    cJSON *system = json_object();
    cJSON *list = json_set(system, "namespaces", json_array());
    for (size_t i = 0; i < COUNT_OF(namespaces); i++)
        json_set_text(json_push(list, json_object()), "type", namespaces[i]);
    cJSON *network = json_push(list, json_object());
    json_set_text(network, "type", "network");
    json_set_text(network, "path", bundle->netns);
    if (bundle->cgroup) {
        json_set_text(system, "cgroupsPath", bundle->cgroup);
        json_set(system, "resources", render_resources(bundle));
    }
    json_set(system, "devices", render_devices(bundle->gpus));
    json_set(system, "seccomp", box_seccomp_profile());
    json_set(system, "maskedPaths",
             TEXTS("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                   "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/kallsyms", "/proc/kmsg",
                   "/proc/config.gz", "/proc/interrupts", "/proc/vmallocinfo", "/sys/firmware",
                   "/sys/devices/virtual/powercap", "/sys/devices/virtual/dmi", "/sys/kernel", "/sys/module",
                   "/sys/hypervisor"));
    json_set(system, "readonlyPaths", TEXTS("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"));
    return system;
}

cJSON *box_bundle_render(const struct box_bundle *bundle)
{
    cJSON *config = json_object();
    json_set_text(config, "ociVersion", "1.0.2");
    json_set(config, "process", render_process(bundle));
    cJSON *root = json_set(config, "root", json_object());
    json_set_text(root, "path", bundle->rootfs);
    json_set_bool(root, "readonly", true);
    json_set_text(config, "hostname", bundle->hostname);
    json_set(config, "mounts", render_mounts(bundle));
    json_set(config, "linux", render_linux(bundle));
    return config;
}

static int make_system_link(const char *rootfs, const char *directory, struct error *error)
{
    char target[256];
    ssize_t length = readlink(directory, target, sizeof(target) - 1);
    if (length <= 0)
        return 0;
    target[length] = 0;
    AUTO_FREE char *path = memory_format("%s%s", rootfs, directory);
    if (symlink(target, path) < 0 && errno != EEXIST)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    return 0;
}

int box_rootfs_make(const char *path, struct error *error)
{
    static const char *const directories[] = {"usr",  "etc", "proc", "sys",  "dev", "run",     "tmp",         "var",
                                              "home", "opt", "mnt",  "root", "srv", "var/tmp", "home/atelier"};
    int failed = file_make_directories(path, 0755, error);
    for (size_t i = 0; !failed && i < COUNT_OF(directories); i++) {
        AUTO_FREE char *directory = memory_format("%s/%s", path, directories[i]);
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
            failed = error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", directory, strerrordesc_np(errno));
    }
    for (size_t i = 0; !failed && i < COUNT_OF(system_directories); i++)
        failed = make_system_link(path, system_directories[i], error);
    /* The runtime gives a tmpfs the mode of the directory it covers. */
    AUTO_FREE char *run = memory_format("%s/run", path);
    if (!failed && chmod(run, 01777) < 0)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", run, strerrordesc_np(errno));
    return failed;
}
