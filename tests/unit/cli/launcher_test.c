/* Does a launcher file become the RayCluster that it means, and is what cannot be taken over said or refused? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/launcher.h"
#include "cli/launcher_node.h"

static struct buffer notes;

static int try_file(const char *yaml, const struct launcher_options *options, cJSON **ret, struct error *error)
{
    static const struct launcher_options defaults = {.image = "ray-2.60", .ray_version = "2.60.0", .autoscaling = true};
    AUTO_JSON cJSON *file = NULL;
    *ret = NULL;
    buffer_free(&notes);
    notes = (struct buffer){0};
    if (yaml_parse(slice_of(yaml), &json_limits_default, &file, error))
        fail_msg("%s", error->message);
    return launcher_convert(file, options ? options : &defaults, ret, &notes, error);
}

static cJSON *convert(const char *yaml, const struct launcher_options *options)
{
    cJSON *cluster;
    struct error error = {0};
    if (try_file(yaml, options, &cluster, &error))
        fail_msg("%s", error.message);
    return cluster;
}

static void expect_text(const cJSON *cluster, const char *path, const char *text)
{
    const cJSON *at = cluster;
    struct slice rest = slice_of(path);
    while (rest.n && at) {
        AUTO_FREE char *key = NULL;
        struct slice part = slice_split(rest, '|', &rest);
        key = memory_text_n(part.p, part.n);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, key[0] - '0') : json_member(at, key);
    }
    AUTO_FREE char *json = at ? json_print(at) : memory_text("absent");
    const char *is = cJSON_IsString(at) ? at->valuestring : json;
    if (strcmp(is, text) != 0)
        fail_msg("%s: expected %s, is %s", path, text, is);
}

static const char minimal_gcp[] =
    "cluster_name: Minimal_GCP\nmax_workers: 1\n"
    "provider: {type: gcp, region: us-west1, availability_zone: us-west1-a, project_id: p1}\n"
    "auth: {ssh_user: ubuntu}\n";
static const char minimal_azure[] = "cluster_name: minimal\nmax_workers: 1\n"
                                    "provider: {type: azure, location: westus2, resource_group: ray}\n"
                                    "auth: {ssh_user: ubuntu}\n";

static void minimal_files_give_a_head_and_one_group(void **state)
{
    const char *const files[] = {minimal_gcp, minimal_azure};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO_JSON cJSON *cluster = convert(files[i], NULL);
        expect_text(cluster, "metadata|name", i ? "minimal" : "minimal-gcp");
        expect_text(cluster, "spec|rayVersion", "2.60.0");
        expect_text(cluster, "spec|enableInTreeAutoscaling", "true");
        expect_text(cluster, "spec|autoscalerOptions|version", "v2");
        expect_text(cluster, "spec|autoscalerOptions|idleTimeoutSeconds", "300");
        expect_text(cluster, "spec|headGroupSpec|template|spec|containers|0|image", "ray-2.60");
        expect_text(cluster, "spec|headGroupSpec|template|spec|containers|0|resources|limits|cpu", "2");
        expect_text(cluster, "spec|workerGroupSpecs|1", "absent");
        expect_text(cluster, "spec|workerGroupSpecs|0|groupName", "workers");
        expect_text(cluster, "spec|workerGroupSpecs|0|replicas", "0");
        expect_text(cluster, "spec|workerGroupSpecs|0|minReplicas", "0");
        expect_text(cluster, "spec|workerGroupSpecs|0|maxReplicas", "1");
        assert_non_null(strstr(notes.p, "auth: not used"));
        assert_non_null(strstr(notes.p, "provider: "));
    }
}

static const char types[] =
    "cluster_name: train\nmax_workers: 5\nupscaling_speed: 2.0\nidle_timeout_minutes: 0.5\n"
    "provider: {type: gcp, region: r, availability_zone: z, project_id: p}\n"
    "docker: {image: 'rayproject/ray:2.60.0', worker_image: 'rayproject/ray:2.60.0-gpu', run_options: "
    "['--shm-size=2g', "
    "'-e A=b=c', '--ulimit nofile=65536:65536']}\n"
    "head_node_type: head.default\n"
    "available_node_types:\n"
    "  head.default: {resources: {CPU: 0}, node_config: {machineType: n2-standard-4, disks: [{boot: true}]}}\n"
    "  Worker_GPU:\n"
    "    min_workers: 1\n    max_workers: 4\n    idle_timeout_s: 60\n    labels: {pool: gpu}\n"
    "    resources: {CPU: 8, GPU: 1, special: 2}\n"
    "    node_config:\n      machineType: n1-standard-8\n      scheduling: [{preemptible: true}]\n"
    "      guestAccelerators: [{acceleratorType: zones/z/acceleratorTypes/nvidia-tesla-t4, acceleratorCount: 1}]\n"
    "  worker.cpu: {min_workers: 1, resources: {}, node_config: {machineType: e2-highmem-2}, docker: {worker_image: "
    "own}}\n"
    "setup_commands: ['pip install tqdm # tools', 'pip install -U ray==2.9']\n"
    "head_setup_commands: ['pip install google-api-python-client==1.7.8']\n"
    "worker_setup_commands: ['echo ready']\n"
    "head_start_ray_commands: [ray stop]\ninitialization_commands: [sleep 1]\n";

static void node_types_become_groups(void **state)
{
    (void)state;
    AUTO_JSON cJSON *cluster = convert(types, NULL);
#define HEAD "spec|headGroupSpec|"
#define GPU "spec|workerGroupSpecs|0|"
#define CPU "spec|workerGroupSpecs|1|"
#define POD "template|spec|"
#define BOX "template|spec|containers|0|"
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"spec|autoscalerOptions|idleTimeoutSeconds", "30"},
        {"spec|autoscalerOptions|upscalingMode", "Default"},
        {HEAD "rayStartParams|num-cpus", "0"},
        {HEAD BOX "image", "rayproject/ray:2.60.0"},
        {HEAD BOX "resources|limits|cpu", "4"},
        {HEAD BOX "resources|limits|memory", "16Gi"},
        {HEAD BOX "args", "[\"(pip install tqdm # tools\\n)\"]"},
        {HEAD BOX "env|0|name", "A"},
        {HEAD BOX "env|0|value", "b=c"},
        {HEAD POD "volumes|0|emptyDir|sizeLimit", "2Gi"},
        {GPU "groupName", "worker-gpu"},
        {GPU "replicas", "1"},
        {GPU "maxReplicas", "4"},
        {GPU "idleTimeoutSeconds", "60"},
        {GPU "labels|pool", "gpu"},
        {GPU "rayStartParams|num-cpus", "8"},
        {GPU "rayStartParams|resources", "\"{\\\"special\\\":2}\""},
        {GPU BOX "image", "rayproject/ray:2.60.0-gpu"},
        {GPU BOX "resources|limits|nvidia.com/gpu", "1"},
        {GPU BOX "resources|requests|memory", "30Gi"},
        {GPU POD "nodeSelector|cloud.google.com/gke-spot", "true"},
        {GPU POD "nodeSelector|cloud.google.com/gke-accelerator", "nvidia-tesla-t4"},
        {GPU POD "tolerations|0|key", "cloud.google.com/gke-spot"},
        {GPU BOX "args|0", "(pip install tqdm # tools\n) && (echo ready\n)"},
        {CPU "groupName", "worker-cpu"},
        {CPU "minReplicas", "1"},
        {CPU "maxReplicas", "5"},
        {"metadata|annotations|atelier.dev/max-workers", "5"}, /* of both together */
        {CPU BOX "image", "own"},
        {CPU BOX "resources|limits|cpu", "2"},
        {CPU BOX "resources|limits|memory", "16Gi"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect_text(cluster, cases[i].path, cases[i].text);
    static const char *const said[] = {
        "initialization_commands: not run",
        "head_start_ray_commands: not run",
        "setup_commands[1]: not run: Ray comes with the image",
        "head_setup_commands[0]: not run: no node talks to a cloud",
        "node_config: disks: not taken over",
    };
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (!strstr(notes.p, said[i]))
            fail_msg("not said: %s; but: %s", said[i], notes.p);
}

static void old_files_work(void **state)
{
    (void)state;
    AUTO_JSON cJSON *cluster =
        convert("cluster_name: default\nmin_workers: 1\nmax_workers: 3\ninitial_workers: 0\nautoscaling_mode: default\n"
                "target_utilization_fraction: 0.8\nprovider: {type: azure, location: westus2, resource_group: ray}\n"
                "docker: {image: 'rayproject/ray:latest', container_name: c, pull_before_run: true, run_options: []}\n"
                "head_node: {azure_arm_parameters: {vmSize: Standard_D2s_v3, imageOffer: ubuntu}}\n"
                "worker_nodes: {azure_arm_parameters: {vmSize: Standard_NC12s_v3, priority: Spot}}\n"
                "file_mounts: {'~/.ssh/id_rsa.pub': '~/.ssh/id_rsa.pub'}\ncluster_synced_files: []\n"
                "file_mounts_sync_continuously: false\n",
                NULL);
    expect_text(cluster, "spec|workerGroupSpecs|0|minReplicas", "1");
    expect_text(cluster, "spec|workerGroupSpecs|0|maxReplicas", "3");
    expect_text(cluster, "spec|headGroupSpec|template|spec|containers|0|resources|limits|memory", "8Gi");
    expect_text(cluster, "spec|workerGroupSpecs|0|template|spec|nodeSelector|kubernetes.azure.com/scalesetpriority",
                "spot");
    expect_text(cluster, "spec|workerGroupSpecs|0|template|spec|containers|0|resources|limits|nvidia.com/gpu", "2");
    expect_text(cluster, "spec|workerGroupSpecs|0|template|spec|containers|0|imagePullPolicy", "Always");
    assert_non_null(strstr(notes.p, "initial_workers: no longer read by Ray"));
    assert_non_null(strstr(notes.p, "file_mounts: not copied"));
}

/* Ray 1.2 to 2.5 had examples with both forms, the old one empty; and spot nodes said in any place of the list. */
static void files_of_the_time_between_work(void **state)
{
    (void)state;
    AUTO_JSON cJSON *cluster =
        convert("cluster_name: default\nmax_workers: 2\nprovider: {type: gcp, region: r, availability_zone: z}\n"
                "docker: {image: 'rayproject/ray-ml:latest-gpu'}\nhead_node_type: h\navailable_node_types:\n"
                "  h: {resources: {CPU: 2}, node_config: {machineType: n1-standard-2}}\n"
                "  w: {resources: {CPU: 2}, node_config: {machineType: n1-standard-2, scheduling: [{onHostMaintenance: "
                "TERMINATE}, {preemptible: true}]}}\nhead_node: {}\nworker_nodes: {}\n",
                NULL);
    expect_text(cluster, "spec|workerGroupSpecs|0|groupName", "w");
    expect_text(cluster, "spec|workerGroupSpecs|1", "absent");
    expect_text(cluster, "spec|workerGroupSpecs|0|template|spec|nodeSelector|cloud.google.com/gke-spot", "true");
    expect_text(cluster, "spec|rayVersion", "2.60.0");
    assert_non_null(strstr(notes.p, "rayproject/ray-ml:latest-gpu does not tell its Ray: taken for 2.60.0"));
}

/* What an old file says of a node only in its own `ray start` would be missed; what a node type says goes before. */
static void options_of_ray_start_are_taken_over(void **state)
{
    (void)state;
    AUTO_JSON cJSON *cluster =
        convert("cluster_name: c\nprovider: {type: gcp}\nhead_start_ray_commands:\n- ray stop\n"
                "- ulimit -n 65536; ray start --head --port=6379 --num-cpus=0 --object-manager-port=8076 --foo=1 "
                "--autoscaling-config=~/x.yaml && echo --num-cpus=9\n"
                "worker_start_ray_commands:\n- |\n  ray start --address=$RAY_HEAD_IP:6379 \\\n    --num-cpus 3 "
                "--resources='{\"special\": 2}' --object-store-memory \"100000000\" --memory=$MEMORY\n",
                NULL);
    expect_text(cluster, "spec|headGroupSpec|rayStartParams", "{\"num-cpus\":\"0\"}");
    expect_text(cluster, "spec|workerGroupSpecs|0|rayStartParams|num-cpus", "3");
    expect_text(cluster, "spec|workerGroupSpecs|0|rayStartParams|resources", "\"{\\\"special\\\":2}\"");
    expect_text(cluster, "spec|workerGroupSpecs|0|rayStartParams|object-store-memory", "100000000");
    assert_non_null(strstr(notes.p, "head_start_ray_commands[1]: --foo: not taken over"));
    assert_non_null(strstr(notes.p, "worker_start_ray_commands[0]: --memory: not taken over"));
    assert_null(strstr(notes.p, "--port"));
    AUTO_JSON cJSON *said = convert("cluster_name: c\nprovider: {type: gcp}\nhead_node_type: h\n"
                                    "available_node_types: {h: {resources: {CPU: 4}, node_config: {}}}\n"
                                    "head_start_ray_commands: [ray start --head --num-cpus=0]\n",
                                    NULL);
    expect_text(said, "spec|headGroupSpec|rayStartParams|num-cpus", "4");
}

/* Which Ray runs is the image's to say: a wrong version would pass for one that asks for a token. */
static void the_image_tells_its_ray(void **state)
{
    static const struct {
        const char *image, *version;
    } cases[] = {
        {"rayproject/ray:2.9.0-py310", "2.9.0"},      {"rayproject/ray:2.60.0", "2.60.0"},
        {"localhost:5000/team/ray:2.9.0_x", "2.9.0"}, {"localhost:5000/team/ray", "2.60.0"},
        {"rayproject/ray:latest", "2.60.0"},          {"rayproject/ray:2.9", "2.60.0"},
        {"rayproject/ray:2.9.0rc1", "2.60.0"},        {"ray-2.60", "2.60.0"},
    };
    const struct launcher_options wins = {.image = "mine", .image_wins = true};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *file =
            memory_format("cluster_name: c\nprovider: {type: gcp}\ndocker: {image: '%s'}\n", cases[i].image);
        AUTO_JSON cJSON *cluster = convert(file, NULL);
        expect_text(cluster, "spec|rayVersion", cases[i].version);
        AUTO_JSON cJSON *other = convert(file, &wins); /* whose image tells */
        expect_text(other, "spec|rayVersion", "absent");
    }
}

static void sizes_and_images_can_be_overruled(void **state)
{
    const struct launcher_options options = {
        .image = "mine", .image_wins = true, .cpu_milli_max = 1000, .memory_bytes_max = (int64_t)2 << 30};
    (void)state;
    AUTO_JSON cJSON *cluster = convert(types, &options);
    expect_text(cluster, "spec|enableInTreeAutoscaling", "absent");
    expect_text(cluster, GPU BOX "image", "mine");
    expect_text(cluster, CPU BOX "image", "mine");
    expect_text(cluster, GPU BOX "resources|limits|cpu", "1");
    expect_text(cluster, GPU BOX "resources|limits|memory", "2Gi");
    expect_text(cluster, GPU "replicas", "4");
    assert_non_null(strstr(notes.p, "cut to the sizes of --max-cpu"));
}

static void what_cannot_be_is_refused_by_name(void **state)
{
#define BASE "cluster_name: c\nprovider: {type: gcp}\n"
#define TYPES BASE "head_node_type: h\navailable_node_types: {h: {node_config: {}}, w: "
    static const struct {
        const char *yaml, *field;
    } cases[] = {
        {"provider: {type: gcp}\n", "cluster_name"},
        {"cluster_name: 7up\nprovider: {type: gcp}\n", "cluster_name"},
        {"cluster_name: c\n", "provider.type"},
        {"cluster_name: c\nprovider: {type: aws}\n", "provider.type"},
        {BASE "max_workers: -1\n", "max_workers"},
        {BASE "max_workers: 1.5\n", "max_workers"},
        {BASE "max_workers: 1\nmin_workers: 2\n", "min_workers"},
        {BASE "worker_nodez: {}\n", "worker_nodez"},
        {BASE "idle_timeout_minutes: soon\n", "idle_timeout_minutes"},
        {BASE "file_mounts: {/a: /b}\n", "file_mounts"},
        {BASE "file_mounts_sync_continuously: true\n", "file_mounts_sync_continuously"},
        {BASE "docker: {image: i, run_options: ['--privileged']}\n", "docker.run_options[0]"},
        {BASE "docker: {image: i, run_options: ['-v /:/host']}\n", "docker.run_options[0]"},
        {BASE "docker: {image: i, run_options: ['--shm-size=lots']}\n", "docker.run_options[0]"},
        {BASE "docker: {imagine: i}\n", "docker.imagine"},
        {BASE "setup_commands: [7]\n", "setup_commands[0]"},
        {BASE "head_node: {acceleratorType: v2-8}\n", "head_node.acceleratorType"},
        {BASE "head_node_type: h\n", "available_node_types"},
        {BASE "head_node: {machineType: n1-standard-2}\navailable_node_types: {h: {}}\n", "available_node_types"},
        {BASE "head_start_ray_commands: [ray start --head --num-cpus=few]\n", "head_start_ray_commands[0]"},
        {BASE "worker_start_ray_commands: [ray stop, \"ray start --resources='[1]'\"]\n",
         "worker_start_ray_commands[1]"},
        {BASE "head_node_type: x\navailable_node_types: {h: {}}\n", "head_node_type"},
        {TYPES "{resources: {CPU: -1}}}\n", "available_node_types.w.resources.CPU"},
        {TYPES "{resources: {TPU: 4}}}\n", "available_node_types.w.resources.TPU"},
        {TYPES "{min_workers: 3}}\n", "max_workers"},
        {TYPES "{min_workers: 2, max_workers: 1}}\n", "available_node_types.w.min_workers"},
        {TYPES "{spot: true}}\n", "available_node_types.w.spot"},
        {TYPES "{}, W: {}}\n", "available_node_types.W"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *cluster = NULL;
        struct error error = {0};
        int failed = try_file(cases[i].yaml, NULL, &cluster, &error);
        if (failed != -ERROR_INVALID || strcmp(error.field, cases[i].field) != 0)
            fail_msg("%s: %d %s: %s", cases[i].yaml, failed, error.field, error.message);
    }
}

static void machines_are_known_by_name(void **state)
{
    static const struct {
        enum launcher_cloud cloud;
        const char *name;
        int64_t cpus, memory_mib, gpus;
    } cases[] = {
        {LAUNCHER_GCP, "n1-standard-2", 2, 7680, 0},
        {LAUNCHER_GCP, "zones/z/machineTypes/e2-highcpu-8", 8, 8192, 0},
        {LAUNCHER_GCP, "custom-6-5120", 6, 5120, 0},
        {LAUNCHER_GCP, "a2-highgpu-2g", 24, 174080, 2},
        {LAUNCHER_GCP, "g2-standard-24", 24, 98304, 2},
        {LAUNCHER_GCP, "mystery", 0, 0, 0},
        {LAUNCHER_GCP, "n1-standard-", 0, 0, 0},
        {LAUNCHER_AZURE, "Standard_D4s_v3", 4, 16384, 0},
        {LAUNCHER_AZURE, "Standard_E8ds_v5", 8, 65536, 0},
        {LAUNCHER_AZURE, "Standard_NC6", 6, 55296, 1},
        {LAUNCHER_AZURE, "Standard_", 0, 0, 0},
        {LAUNCHER_AZURE, "Standard_Q4", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct launcher_machine machine = {0};
        bool known = launcher_machine(cases[i].cloud, cases[i].name, &machine);
        if (known != (cases[i].cpus > 0) ||
            (known && (machine.cpus != cases[i].cpus || machine.memory_mib != cases[i].memory_mib ||
                       machine.gpus != cases[i].gpus)))
            fail_msg("%s: %d %lld %lld %lld", cases[i].name, known, (long long)machine.cpus,
                     (long long)machine.memory_mib, (long long)machine.gpus);
    }
}

static int end(void **state)
{
    (void)state;
    buffer_free(&notes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minimal_files_give_a_head_and_one_group),
        cmocka_unit_test(node_types_become_groups),
        cmocka_unit_test(old_files_work),
        cmocka_unit_test(files_of_the_time_between_work),
        cmocka_unit_test(options_of_ray_start_are_taken_over),
        cmocka_unit_test(the_image_tells_its_ray),
        cmocka_unit_test(sizes_and_images_can_be_overruled),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(machines_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
