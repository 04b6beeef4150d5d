/* Which GPUs has this machine, and what does a container need to use some of them? */
#include "engine/local/sandboxd/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "engine/local/sandboxd/limits.h"

/* Of the driver as a whole: CUDA opens them all, as far as they are there. */
static const char *const shared_devices[] = {"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"};

static bool find_device(const struct box_paths *paths, const char *name, struct box_device *ret)
{
    struct stat status;
    AUTO_FREE char *path = memory_format("%s/%s", paths->gpu_devices, name);
    if (stat(path, &status) < 0 || !S_ISCHR(status.st_mode))
        return false;
    *ret = (struct box_device){.major = major(status.st_rdev), .minor = minor(status.st_rdev)};
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    return true;
}

cJSON *box_gpu_names(const struct box_paths *paths)
{
    cJSON *names = json_array();
    for (int64_t index = 0; index <= BOX_GPU_INDEX_MAX; index++) {
        struct box_device device;
        char name[32];
        snprintf(name, sizeof(name), BOX_GPU_PREFIX "%lld", (long long)index);
        if (find_device(paths, name, &device))
            json_push_text(names, name);
    }
    return names;
}

/* --- the driver's files ------------------------------------------------------------------------------------------- */

static bool is_driver_file(struct slice name)
{
    static const char *const libraries[] = {"libcuda.so", "libcudadebugger.so", "libnvidia-", "libnvcuvid.so"};
    if (slice_is(name, "nvidia-smi"))
        return true;
    for (size_t i = 0; i < COUNT_OF(libraries); i++)
        if (slice_starts(name, libraries[i]))
            return true;
    return false;
}

static bool is_known(const struct box_gpus *gpus, const char *name)
{
    for (size_t i = 0; i < gpus->file_count; i++)
        if (strcmp(strrchr(gpus->files[i], '/') + 1, name) == 0)
            return true;
    return false;
}

/* The first of a name wins. Links count as what they lead to: libcuda.so.1 is one. */
static void add_files(const char *directory, struct box_gpus *ret)
{
    DIR *folder = opendir(directory);
    const struct dirent *entry;
    while (folder && ret->file_count < BOX_GPU_FILES_MAX && (entry = readdir(folder))) {
        struct stat status;
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry->d_name);
        if (is_driver_file(slice_of(entry->d_name)) && !is_known(ret, entry->d_name) && stat(path, &status) == 0 &&
            S_ISREG(status.st_mode))
            ret->files[ret->file_count++] = TAKE_POINTER(path);
    }
    if (folder)
        closedir(folder);
}

static void find_files(const struct box_paths *paths, struct box_gpus *ret)
{
    static const char *const below[] = {"", "/lib64", "/lib", "/bin"};
    if (!paths->gpu_driver)
        return;
    ret->files = memory_get(BOX_GPU_FILES_MAX * sizeof(*ret->files));
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        AUTO_FREE char *directory = memory_format("%s%s", paths->gpu_driver, below[i]);
        add_files(directory, ret);
    }
}

/* --- one container's ---------------------------------------------------------------------------------------------- */

int box_gpus_take(const struct box_paths *paths, const cJSON *names, struct box_gpus *ret, struct error *error)
{
    AUTO_BUFFER struct buffer indices = {0};
    const cJSON *name;
    *ret = (struct box_gpus){0};
    if (cJSON_GetArraySize(names) == 0)
        return 0;
    ret->devices = memory_get(((size_t)cJSON_GetArraySize(names) + COUNT_OF(shared_devices)) * sizeof(*ret->devices));
    cJSON_ArrayForEach(name, names)
    {
        if (!find_device(paths, name->valuestring, &ret->devices[ret->device_count])) {
            box_gpus_free(ret);
            return error_set(error, ERROR_NOT_FOUND, "gpus", "this machine has no GPU \"%s\" any more",
                             name->valuestring);
        }
        buffer_add_format(&indices, "%s%lld", ret->device_count ? "," : "",
                          (long long)box_gpu_index(slice_of(name->valuestring)));
        ret->device_count++;
    }
    ret->gpu_count = ret->device_count;
    ret->indices = memory_text_n(indices.p, indices.n);
    for (size_t i = 0; i < COUNT_OF(shared_devices); i++)
        ret->device_count += find_device(paths, shared_devices[i], &ret->devices[ret->device_count]);
    find_files(paths, ret);
    return 0;
}

void box_gpus_free(struct box_gpus *gpus)
{
    for (size_t i = 0; i < gpus->file_count; i++)
        free(gpus->files[i]);
    free(gpus->files);
    free(gpus->devices);
    free(gpus->indices);
    *gpus = (struct box_gpus){0};
}

/* --- one pod at a time -------------------------------------------------------------------------------------------- */

static bool has_gpu(const cJSON *spec, const char *name)
{
    const cJSON *container, *gpu;
    cJSON_ArrayForEach(container, json_member(spec, "containers"))
    {
        cJSON_ArrayForEach(gpu, json_member(container, "gpus"))
        {
            if (strcmp(gpu->valuestring, name) == 0)
                return true;
        }
    }
    return false;
}

static bool holds(struct box_daemon *daemon, struct box_pod *pod, const char *gpu)
{
    if (!has_gpu(pod->spec, gpu))
        return false;
    AUTO_JSON cJSON *record = box_pod_record(daemon, pod);
    return strcmp(json_text_or("", record, "phase", NULL), "stopped") != 0;
}

int box_gpus_check_free(struct box_daemon *daemon, const char *sandbox, const char *pod, const cJSON *spec,
                        struct error *error)
{
    AUTO_FREE char *key = memory_format("%s/%s", sandbox, pod);
    AUTO_JSON cJSON *names = box_gpu_names(&daemon->paths);
    const cJSON *name;
    size_t count;
    int failed = 0;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    for (size_t i = 0; i < count; i++) {
        cJSON_ArrayForEach(name, names)
        {
            if (!failed && strcmp(pods[i]->key, key) != 0 && has_gpu(spec, name->valuestring) &&
                holds(daemon, pods[i], name->valuestring))
                failed = error_set(error, ERROR_CONFLICT, "gpus", "GPU \"%s\" is with another pod", name->valuestring);
        }
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    return failed;
}
