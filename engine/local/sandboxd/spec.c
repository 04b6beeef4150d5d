/* Is a pod that somebody asks for one that we are willing to run? */
#include "engine/local/sandboxd/spec.h"

#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/gpu.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/limits.h"

#define FIELD_SIZE 128

static int refuse(struct error *error, const char *path, const char *key, const char *expected)
{
    char field[FIELD_SIZE];
    snprintf(field, sizeof(field), "%s%s%s", path, *path && *key ? "." : "", key);
    return error_set(error, ERROR_INVALID, field, "%s: expected %s", field, expected);
}

/* Absent is fine: then *ret keeps what the caller put there. */
static int check_number(const cJSON *object, const char *path, const char *key, int64_t minimum, int64_t maximum,
                        int64_t *ret, struct error *error)
{
    const cJSON *value = json_member(object, key);
    int64_t number = 0;
    if (!value)
        return 0;
    if (!json_i64(value, &number) || number < minimum || number > maximum) {
        char expected[96];
        snprintf(expected, sizeof(expected), "a whole number from %lld to %lld", (long long)minimum,
                 (long long)maximum);
        return refuse(error, path, key, expected);
    }
    if (ret)
        *ret = number;
    return 0;
}

static int check_text(const cJSON *object, const char *path, const char *key, size_t maximum, bool required,
                      const char **ret, struct error *error)
{
    const cJSON *value = json_member(object, key);
    if (!value && !required) {
        *ret = NULL;
        return 0;
    }
    if (!cJSON_IsString(value) || strlen(value->valuestring) > maximum || (required && !*value->valuestring))
        return refuse(error, path, key, required ? "a text that is not empty" : "a text");
    *ret = value->valuestring;
    return 0;
}

static int check_boolean(const cJSON *object, const char *path, const char *key, struct error *error)
{
    const cJSON *value = json_member(object, key);
    return !value || cJSON_IsBool(value) ? 0 : refuse(error, path, key, "true or false");
}

bool box_file_name_ok(struct slice name)
{
    if (!name.n || name.n > 253 || slice_is(name, ".") || slice_is(name, "..") || slice_starts(name, ".."))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.'))
            return false;
    }
    return true;
}

bool box_subpath_ok(struct slice subpath)
{
    if (subpath.n > BOX_PATH_BYTES_MAX || slice_starts(subpath, "/"))
        return false;
    while (subpath.n) {
        struct slice part = slice_split(subpath, '/', &subpath);
        if (slice_is(part, "..") || part.n > 255)
            return false;
    }
    return true;
}

int box_command_check(const cJSON *holder, const char *path, const char *key, struct error *error)
{
    const cJSON *command = json_member(holder, key), *arg;
    int count = cJSON_IsArray(command) ? cJSON_GetArraySize(command) : 0;
    if (count < 1 || count > BOX_ARGS_MAX)
        return refuse(error, path, key, "a list of 1 to 512 texts");
    cJSON_ArrayForEach(arg, command)
    {
        if (!cJSON_IsString(arg) || strlen(arg->valuestring) > BOX_ARGUMENT_BYTES_MAX)
            return refuse(error, path, key, "texts of at most 96 KiB");
    }
    return *command->child->valuestring ? 0 : refuse(error, path, key, "a program to run");
}

static bool env_name_ok(const char *name)
{
    if (!*name || strlen(name) > 255)
        return false;
    for (const char *c = name; *c; c++)
        if (*c == '=' || (unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return false;
    return true;
}

static int check_env(const cJSON *container, const char *path, struct error *error)
{
    const cJSON *env = json_member(container, "env"), *value;
    if (!env)
        return 0;
    if (!cJSON_IsObject(env) || cJSON_GetArraySize(env) > BOX_ENVS_MAX)
        return refuse(error, path, "env", "an object of at most 1024 texts");
    cJSON_ArrayForEach(value, env)
    {
        if (!env_name_ok(value->string))
            return refuse(error, path, "env", "names of printable characters without '='");
        if (!cJSON_IsString(value) || strlen(value->valuestring) > BOX_ARGUMENT_BYTES_MAX)
            return refuse(error, path, "env", "texts of at most 96 KiB");
    }
    return 0;
}

/* A mount may go to /tmp itself (it replaces the private one), never over another of the same container. */
static int check_mount(const cJSON *mount, const cJSON *mounts, const cJSON *volumes, const char *path,
                       struct error *error)
{
    static const char *const known[] = {"volume", "path", "subpath", "readonly", NULL};
    const char *volume, *target, *subpath;
    if (!cJSON_IsObject(mount))
        return refuse(error, path, "", "an object");
    int failed = json_check_known(mount, path, known, error);
    if (!failed)
        failed = check_text(mount, path, "volume", 63, true, &volume, error);
    if (!failed)
        failed = check_text(mount, path, "path", BOX_PATH_BYTES_MAX, true, &target, error);
    if (!failed)
        failed = check_text(mount, path, "subpath", BOX_PATH_BYTES_MAX, false, &subpath, error);
    if (!failed)
        failed = check_boolean(mount, path, "readonly", error);
    if (failed)
        return failed;
    if (!json_member(volumes, volume))
        return refuse(error, path, "volume", "the name of one of the pod's volumes");
    if (!box_mount_point_ok(target))
        return refuse(error, path, "path", "an absolute path, without '..', outside the system's directories");
    if (subpath && !box_subpath_ok(slice_of(subpath)))
        return refuse(error, path, "subpath", "a relative path without '..'");
    const cJSON *other;
    cJSON_ArrayForEach(other, mounts)
    {
        if (other != mount && !strcmp(json_text_or("", other, "path", NULL), target))
            return refuse(error, path, "path", "a path that no other mount of the container has");
    }
    return 0;
}

static int check_mounts(const cJSON *container, const cJSON *volumes, const char *path, struct error *error)
{
    const cJSON *mounts = json_member(container, "mounts"), *mount;
    int index = 0;
    if (!mounts)
        return 0;
    if (!cJSON_IsArray(mounts) || cJSON_GetArraySize(mounts) > BOX_MOUNTS_MAX)
        return refuse(error, path, "mounts", "a list of at most 64 mounts");
    cJSON_ArrayForEach(mount, mounts)
    {
        char at[FIELD_SIZE];
        snprintf(at, sizeof(at), "%.80s.mounts[%d]", path, index++);
        int failed = check_mount(mount, mounts, volumes, at, error);
        if (failed)
            return failed;
    }
    return 0;
}

static int check_limits(const cJSON *container, const char *path, struct error *error)
{
    const char *restart;
    int failed = check_number(container, path, "cpu_milli", 0, BOX_CPU_MILLI_MAX, NULL, error);
    int64_t memory = 0;
    if (!failed)
        failed = check_number(container, path, "memory_bytes", 0, BOX_MEMORY_MAX, &memory, error);
    if (!failed && memory && memory < BOX_MEMORY_MIN)
        failed = refuse(error, path, "memory_bytes", "0 (no limit) or at least 16 MiB");
    if (!failed)
        failed = check_number(container, path, "pids", 0, BOX_PIDS_MAX, NULL, error);
    if (!failed)
        failed = check_text(container, path, "restart", 16, false, &restart, error);
    if (failed || !restart)
        return failed;
    return !strcmp(restart, "Always") || !strcmp(restart, "OnFailure") || !strcmp(restart, "Never")
               ? 0
               : refuse(error, path, "restart", "Always, OnFailure or Never");
}

static int check_gpus(const cJSON *container, const char *path, struct error *error)
{
    const cJSON *gpus = json_member(container, "gpus"), *gpu;
    if (!gpus)
        return 0;
    if (!cJSON_IsArray(gpus) || cJSON_GetArraySize(gpus) > BOX_GPU_INDEX_MAX + 1)
        return refuse(error, path, "gpus", "a list of at most 64 GPUs");
    cJSON_ArrayForEach(gpu, gpus)
    {
        if (!cJSON_IsString(gpu) || box_gpu_index(slice_of(gpu->valuestring)) < 0)
            return refuse(error, path, "gpus", "names such as nvidia0");
    }
    return 0;
}

static int check_container(const cJSON *container, const cJSON *spec, const char *path, struct error *error)
{
    static const char *const known[] = {"name",         "image", "init",   "args",    "env",  "workdir", "cpu_milli",
                                        "memory_bytes", "pids",  "mounts", "restart", "gpus", NULL};
    const char *name, *image, *workdir;
    if (!cJSON_IsObject(container))
        return refuse(error, path, "", "an object");
    int failed = json_check_known(container, path, known, error);
    if (!failed)
        failed = check_text(container, path, "name", 63, true, &name, error);
    if (!failed)
        failed = check_text(container, path, "image", 63, true, &image, error);
    if (!failed)
        failed = check_text(container, path, "workdir", BOX_PATH_BYTES_MAX, false, &workdir, error);
    if (!failed)
        failed = check_boolean(container, path, "init", error);
    if (failed)
        return failed;
    if (!name_is_label(slice_of(name)))
        return refuse(error, path, "name", "a DNS label: a-z, 0-9 and '-', at most 63");
    if (!box_image_name_ok(slice_of(image)))
        return refuse(error, path, "image", "the name of an image directory");
    if (workdir && !box_workdir_ok(workdir))
        return refuse(error, path, "workdir", "an absolute path without '..', outside /proc, /sys and /dev");
    failed = box_command_check(container, path, "args", error);
    if (!failed)
        failed = check_env(container, path, error);
    if (!failed)
        failed = check_mounts(container, json_member(spec, "volumes"), path, error);
    if (!failed)
        failed = check_gpus(container, path, error);
    return failed ? failed : check_limits(container, path, error);
}

static int check_containers(const cJSON *spec, struct error *error)
{
    const cJSON *containers = json_member(spec, "containers"), *container;
    int count = cJSON_IsArray(containers) ? cJSON_GetArraySize(containers) : 0, index = 0, mains = 0;
    if (count < 1 || count > BOX_CONTAINERS_MAX)
        return refuse(error, "", "containers", "a list of 1 to 16 containers");
    cJSON_ArrayForEach(container, containers)
    {
        char path[FIELD_SIZE];
        snprintf(path, sizeof(path), "containers[%d]", index++);
        int failed = check_container(container, spec, path, error);
        if (failed)
            return failed;
        mains += !json_true(container, "init", NULL);
        for (const cJSON *other = containers->child; other != container; other = other->next)
            if (!strcmp(json_text(other, "name", NULL), json_text(container, "name", NULL)))
                return refuse(error, path, "name", "a name that no other container of the pod has");
    }
    return mains ? 0 : refuse(error, "", "containers", "at least one that is not an init container");
}

static int check_files(const cJSON *volume, const char *path, struct error *error)
{
    const cJSON *files = json_member(volume, "files"), *file;
    if (!cJSON_IsObject(files) || cJSON_GetArraySize(files) > BOX_VOLUME_FILES_MAX)
        return refuse(error, path, "files", "an object of at most 1024 base64 texts");
    cJSON_ArrayForEach(file, files)
    {
        AUTO_BUFFER struct buffer content = {0};
        if (!box_file_name_ok(slice_of(file->string)))
            return refuse(error, path, "files", "names of letters, digits, '-', '_' and '.'");
        if (!cJSON_IsString(file) || !text_unbase64(slice_of(file->valuestring), &content))
            return refuse(error, path, "files", "base64 texts");
    }
    return check_number(volume, path, "mode", 0, 0777, NULL, error);
}

static int check_volume(const cJSON *volume, const char *path, struct error *error)
{
    static const char *const known_named[] = {"type", "volume", NULL};
    static const char *const known_empty[] = {"type", "memory", "bytes", NULL};
    static const char *const known_files[] = {"type", "files", "mode", NULL};
    const char *type = cJSON_IsObject(volume) ? json_text_or("", volume, "type", NULL) : "", *name;
    int failed;
    if (!strcmp(type, "named")) {
        failed = json_check_known(volume, path, known_named, error);
        if (!failed)
            failed = check_text(volume, path, "volume", 63, true, &name, error);
        return failed || name_is_label(slice_of(name)) ? failed : refuse(error, path, "volume", "a DNS label");
    }
    if (!strcmp(type, "empty")) {
        failed = json_check_known(volume, path, known_empty, error);
        if (!failed)
            failed = check_boolean(volume, path, "memory", error);
        return failed ? failed : check_number(volume, path, "bytes", 0, BOX_VOLUME_MAX, NULL, error);
    }
    if (strcmp(type, "files"))
        return refuse(error, path, "type", "named, empty or files");
    failed = json_check_known(volume, path, known_files, error);
    return failed ? failed : check_files(volume, path, error);
}

static int check_volumes(const cJSON *spec, struct error *error)
{
    const cJSON *volumes = json_member(spec, "volumes"), *volume;
    if (!volumes)
        return 0;
    if (!cJSON_IsObject(volumes) || cJSON_GetArraySize(volumes) > BOX_VOLUMES_MAX)
        return refuse(error, "", "volumes", "an object of at most 64 volumes");
    cJSON_ArrayForEach(volume, volumes)
    {
        char path[FIELD_SIZE];
        if (!name_is_label(slice_of(volume->string)))
            return refuse(error, "", "volumes", "names that are DNS labels");
        snprintf(path, sizeof(path), "volumes.%s", volume->string);
        int failed = check_volume(volume, path, error);
        if (failed)
            return failed;
    }
    return 0;
}

int box_spec_check(const cJSON *spec, struct error *error)
{
    static const char *const known[] = {"hostname", "uid",       "address", "containers",
                                        "volumes",  "shm_bytes", "grace_s", NULL};
    const char *hostname, *uid, *address;
    uint32_t parsed;
    if (!cJSON_IsObject(spec))
        return refuse(error, "", "spec", "an object");
    int failed = json_check_known(spec, "spec", known, error);
    if (!failed)
        failed = check_text(spec, "", "hostname", 63, false, &hostname, error);
    if (!failed)
        failed = check_text(spec, "", "uid", 128, true, &uid, error);
    if (!failed)
        failed = check_text(spec, "", "address", 15, false, &address, error);
    if (failed)
        return failed;
    if (hostname && !name_is_label(slice_of(hostname)))
        return refuse(error, "", "hostname", "a DNS label");
    if (address && !box_address_parse(slice_of(address), &parsed))
        return refuse(error, "", "address", "an address from 10.64.0.2 to 10.64.255.254");
    failed = check_number(spec, "", "shm_bytes", 0, BOX_MEMORY_MAX, NULL, error);
    if (!failed)
        failed = check_number(spec, "", "grace_s", 0, BOX_GRACE_MAX_S, NULL, error);
    if (!failed)
        failed = check_volumes(spec, error);
    return failed ? failed : check_containers(spec, error);
}

static int check_host(const cJSON *entry, const char *path, struct error *error)
{
    const char *address = cJSON_IsObject(entry) ? json_text_or("", entry, "address", NULL) : "";
    const cJSON *names = json_member(entry, "names"), *name;
    uint32_t parsed;
    /* The bridge's own address is where the control plane will listen inside a sandbox. */
    if (!box_address_parse(slice_of(address), &parsed) && strcmp(address, "10.64.0.1"))
        return refuse(error, path, "address", "an address of the sandbox (10.64.0.0/16)");
    if (!cJSON_IsArray(names) || cJSON_GetArraySize(names) < 1 || cJSON_GetArraySize(names) > BOX_HOST_NAMES_MAX)
        return refuse(error, path, "names", "a list of 1 to 16 names");
    cJSON_ArrayForEach(name, names)
    {
        if (!cJSON_IsString(name) || !name_is_subdomain(slice_of(name->valuestring)) ||
            !strcmp(name->valuestring, "localhost"))
            return refuse(error, path, "names", "DNS names");
    }
    return 0;
}

int box_hosts_check(const cJSON *entries, struct error *error)
{
    const cJSON *entry;
    int index = 0;
    if (!cJSON_IsArray(entries) || cJSON_GetArraySize(entries) > BOX_HOSTS_MAX)
        return refuse(error, "", "entries", "a list of at most 8192 hosts entries");
    cJSON_ArrayForEach(entry, entries)
    {
        char path[FIELD_SIZE];
        snprintf(path, sizeof(path), "entries[%d]", index++);
        int failed = check_host(entry, path, error);
        if (failed)
            return failed;
    }
    return 0;
}

char *box_expand_address(const char *text, const char *address)
{
    static const char variable[] = "$(POD_IP)";
    AUTO_BUFFER struct buffer out = {0};
    const char *found;
    while ((found = strstr(text, variable))) {
        buffer_add(&out, text, (size_t)(found - text));
        buffer_add_text(&out, address);
        text = found + sizeof(variable) - 1;
    }
    buffer_add_text(&out, text);
    return buffer_take(&out);
}
