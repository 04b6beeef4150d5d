/* Does a pod get the GPUs that it was given, and nobody else's? Device nodes of harmless numbers stand for them. */
#include <sys/sysmacros.h>

#include "tests/integration/sandboxd_harness.h"

#define NO_SUCH_DRIVER 10 /* minor of major 1 that nothing answers to: opening it is ENXIO if allowed, EPERM if not */

static void add_device(const char *name, unsigned minor)
{
    AUTO_FREE char *path = memory_format("%s/gpus/%s", bench.directory, name);
    if (mknod(path, S_IFCHR | 0600, makedev(1, minor)) < 0)
        fail_msg("%s: %s (this test makes device nodes)", path, strerrordesc_np(errno));
}

static void add_file(const char *name)
{
    AUTO_FREE char *path = memory_format("%s/driver/%s", bench.directory, name);
    bench_put(path, strrchr(path, '/') + 1);
}

static cJSON *gpu_pod(const char *uid, const char *script, const char *const *gpus)
{
    cJSON *spec = bench_pod(uid, script);
    cJSON *list = json_set(bench_container(spec), "gpus", json_array());
    for (; *gpus; gpus++)
        json_push_text(list, *gpus);
    return spec;
}
#define GPUS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *output_of(const char *pod, cJSON *spec)
{
    cJSON_Delete(bench_start("alice", pod, spec));
    cJSON_Delete(bench_wait("alice", pod, "stopped"));
    char *text = bench_output("alice", pod);
    bench_remove("alice", pod);
    return text;
}

static void all_are_named_in_order(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *hello = NULL;
    assert_int_equal(sandbox_hello(bench.client, &hello, &error), 0);
    AUTO_FREE char *names = json_print(json_member(hello, "gpus"));
    assert_string_equal(names, "[\"nvidia0\",\"nvidia2\",\"nvidia10\"]");
}

static void a_pod_sees_its_own(void **state)
{
    (void)state;
    AUTO_FREE char *text =
        output_of("sees", gpu_pod("u",
                                  "cd /dev; echo $(ls -d nvidia*); echo $NVIDIA_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES;"
                                  "head -c 3 nvidiactl | od -An -tx1; echo x > nvidia2 && echo written;"
                                  "cd /run/.atelier/gpu; echo $(ls); echo $LD_LIBRARY_PATH; cat libcuda.so.1; echo;"
                                  "(echo x > libcuda.so.1) 2>&1 | grep -o 'Read-only file system'",
                                  GPUS("nvidia10", "nvidia2")));
    assert_string_equal(text, "nvidia10 nvidia2 nvidiactl\n"
                              "10,2 0,1\n"
                              " 00 00 00\n"
                              "written\n"
                              "libcuda.so.1 libnvidia-ml.so.1 nvidia-smi\n"
                              "/run/.atelier/gpu\n"
                              "libcuda.so.1\n"
                              "Read-only file system\n");
}

static void a_pod_without_sees_none(void **state)
{
    (void)state;
    AUTO_FREE char *text =
        output_of("blind", bench_pod("u", "ls -d /dev/nvidia* /run/.atelier/gpu; echo [$NVIDIA_VISIBLE_DEVICES]"));
    assert_null(strstr(text, "libcuda"));
    assert_non_null(strstr(text, "cannot access '/dev/nvidia*'"));
    assert_non_null(strstr(text, "[]\n"));
}

/* The node alone would not do: the control group lets it be opened, and only by who has it. */
static void the_control_group_lets_it_be_opened(void **state)
{
    (void)state;
    static const char script[] = "python3 -c \"import os\ntry: os.open('/dev/nvidia0', os.O_RDWR)\n"
                                 "except OSError as e: print(e.strerror)\"";
    AUTO_FREE char *text = output_of("opens", gpu_pod("u", script, GPUS("nvidia0")));
    assert_string_equal(text, "No such device or address\n");
}

static void a_gpu_is_one_pods_at_a_time(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON_Delete(bench_start("alice", "first", gpu_pod("u1", "sleep 60", GPUS("nvidia2"))));
    AUTO_JSON cJSON *second = gpu_pod("u2", "echo got it", GPUS("nvidia2"));
    bench_sandbox("bob");
    assert_int_equal(sandbox_pod_start(bench.client, "bob", "second", second, NULL, &error), -ERROR_CONFLICT);
    assert_string_equal(error.message, "GPU \"nvidia2\" is with another pod");
    bench_end(SIGKILL);
    bench_up();
    assert_int_equal(sandbox_pod_start(bench.client, "bob", "second", second, NULL, &error), -ERROR_CONFLICT);
    assert_int_equal(sandbox_pod_stop(bench.client, "alice", "first", 0, &error), 0);
    cJSON_Delete(bench_wait("alice", "first", "stopped"));
    cJSON_Delete(bench_start("bob", "second", TAKE_POINTER(second)));
    cJSON_Delete(bench_wait("bob", "second", "stopped"));
    AUTO_FREE char *text = bench_output("bob", "second");
    assert_string_equal(text, "got it\n");
    bench_remove("alice", "first");
    bench_remove("bob", "second");
}

static void other_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"null", "nvidiactl", "nvidia", "nvidia01", "../nvidia0", "nvidia64"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *spec = gpu_pod("u", "true", GPUS(names[i]));
        assert_int_equal(sandbox_pod_start(bench.client, "alice", "odd", spec, NULL, &error), -ERROR_INVALID);
        assert_string_equal(error.field, "containers[0].gpus");
    }
    cJSON_Delete(bench_start("alice", "gone", gpu_pod("u", "true", GPUS("nvidia7"))));
    AUTO_JSON cJSON *record = bench_wait("alice", "gone", "stopped");
    assert_string_equal(json_text(bench_first(record), "message", NULL),
                        "this machine has no GPU \"nvidia7\" any more");
    bench_remove("alice", "gone");
}

static int setup(void **state)
{
    if (bench_setup(state) < 0)
        return -1;
    AUTO_FREE char *devices = bench_path("gpus");
    AUTO_FREE char *driver = bench_path("driver");
    AUTO_FREE char *below = bench_path("driver/lib64");
    assert_int_equal(file_make_directories(devices, 0755, NULL), 0);
    assert_int_equal(file_make_directories(below, 0755, NULL), 0);
    add_device("nvidia0", NO_SUCH_DRIVER);
    add_device("nvidia2", 3); /* as /dev/null */
    add_device("nvidia10", 3);
    add_device("nvidiactl", 5); /* as /dev/zero */
    add_file("nvidia-smi");
    add_file("lib64/libcuda.so.1");
    add_file("lib64/libnvidia-ml.so.1");
    add_file("lib64/libother.so.1");
    bench_sandbox("alice");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_named_in_order),      cmocka_unit_test(a_pod_sees_its_own),
        cmocka_unit_test(a_pod_without_sees_none),     cmocka_unit_test(the_control_group_lets_it_be_opened),
        cmocka_unit_test(a_gpu_is_one_pods_at_a_time), cmocka_unit_test(other_names_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
