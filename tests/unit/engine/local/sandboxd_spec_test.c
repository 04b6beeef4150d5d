/* Is exactly what a pod may ask for accepted, and is the field named when it is not? */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/spec.h"
#include "tests/unit/documents.h"

static const char base_text[] =
    "{\"uid\":\"u\",\"hostname\":\"nb1-0\",\"address\":\"10.64.0.5\",\"shm_bytes\":67108864,\"grace_s\":30,"
    "\"volumes\":{\"home\":{\"type\":\"named\",\"volume\":\"home\"},\"tmp\":{\"type\":\"empty\",\"memory\":false,"
    "\"bytes\":0},"
    "\"cfg\":{\"type\":\"files\",\"files\":{\"a.txt\":\"aGk=\"},\"mode\":420}},"
    "\"containers\":[{\"name\":\"notebook\",\"image\":\"ray-2.60\",\"init\":false,\"args\":[\"jupyter-lab\"],"
    "\"env\":{\"A\":\"1\"},\"workdir\":\"/home/atelier\",\"cpu_milli\":500,\"memory_bytes\":1073741824,\"pids\":100,"
    "\"mounts\":[{\"volume\":\"home\",\"path\":\"/home/atelier\",\"subpath\":\"a/b\",\"readonly\":false}],"
    "\"restart\":\"Always\"}]}";

static void a_whole_spec_is_accepted(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *spec = from_json(base_text);
    assert_int_equal(box_spec_check(spec, &error), 0);
    AUTO_JSON cJSON *least =
        from_json("{\"uid\":\"u\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"args\":[\"x\"]}]}");
    assert_int_equal(box_spec_check(least, &error), 0);
}

/* Each row is a merge patch over the whole spec (or over its only container, or that one's only mount). */
static void each_wrong_field_is_named(void **state)
{
    (void)state;
    static const struct {
        char where; /* s(pec), c(ontainer), m(ount) */
        const char *patch, *field;
    } table[] = {
        {'s', "{\"uid\":null}", "uid"},
        {'s', "{\"uid\":\"\"}", "uid"},
        {'s', "{\"uid\":5}", "uid"},
        {'s', "{\"hostname\":\"a.b\"}", "hostname"},
        {'s', "{\"hostname\":\"\"}", "hostname"},
        {'s', "{\"address\":\"10.64.0.1\"}", "address"},
        {'s', "{\"address\":\"127.0.0.1\"}", "address"},
        {'s', "{\"grace_s\":-1}", "grace_s"},
        {'s', "{\"grace_s\":3601}", "grace_s"},
        {'s', "{\"grace_s\":1.5}", "grace_s"},
        {'s', "{\"shm_bytes\":\"64Mi\"}", "shm_bytes"},
        {'s', "{\"privileged\":true}", "spec.privileged"},
        {'s', "{\"containers\":[]}", "containers"},
        {'s', "{\"containers\":null}", "containers"},
        {'s', "{\"containers\":[7]}", "containers[0]"},
        {'s', "{\"volumes\":{\"Home\":{\"type\":\"empty\"}}}", "volumes"},
        {'s', "{\"volumes\":{\"../x\":{\"type\":\"empty\"}}}", "volumes"},
        {'s', "{\"volumes\":{\"tmp\":{\"type\":\"host\"}}}", "volumes.tmp.type"},
        {'s', "{\"volumes\":{\"tmp\":7}}", "volumes.tmp.type"},
        {'s', "{\"volumes\":{\"tmp\":{\"path\":\"/\"}}}", "volumes.tmp.path"},
        {'s', "{\"volumes\":{\"tmp\":{\"bytes\":-1}}}", "volumes.tmp.bytes"},
        {'s', "{\"volumes\":{\"home\":{\"volume\":\"../home\"}}}", "volumes.home.volume"},
        {'s', "{\"volumes\":{\"home\":{\"volume\":null}}}", "volumes.home.volume"},
        {'s', "{\"volumes\":{\"cfg\":{\"files\":{\"../x\":\"aGk=\"}}}}", "volumes.cfg.files"},
        {'s', "{\"volumes\":{\"cfg\":{\"files\":{\"a/b\":\"aGk=\"}}}}", "volumes.cfg.files"},
        {'s', "{\"volumes\":{\"cfg\":{\"files\":{\"..\":\"aGk=\"}}}}", "volumes.cfg.files"},
        {'s', "{\"volumes\":{\"cfg\":{\"files\":{\"a.txt\":\"a GkK\"}}}}", "volumes.cfg.files"},
        {'s', "{\"volumes\":{\"cfg\":{\"mode\":2541}}}", "volumes.cfg.mode"}, /* 04755: setuid */
        {'c', "{\"name\":\"A\"}", "containers[0].name"},
        {'c', "{\"name\":\"../a\"}", "containers[0].name"},
        {'c', "{\"image\":\"../../etc\"}", "containers[0].image"},
        {'c', "{\"image\":\".hidden\"}", "containers[0].image"},
        {'c', "{\"init\":\"yes\"}", "containers[0].init"},
        {'c', "{\"init\":true}", "containers"},
        {'c', "{\"args\":[]}", "containers[0].args"},
        {'c', "{\"args\":\"sh\"}", "containers[0].args"},
        {'c', "{\"args\":[\"\"]}", "containers[0].args"},
        {'c', "{\"args\":[7]}", "containers[0].args"},
        {'c', "{\"env\":{\"A=B\":\"x\"}}", "containers[0].env"},
        {'c', "{\"env\":{\"\":\"x\"}}", "containers[0].env"},
        {'c', "{\"env\":{\"A\":7}}", "containers[0].env"},
        {'c', "{\"workdir\":\"relative\"}", "containers[0].workdir"},
        {'c', "{\"workdir\":\"/proc/self/fd/7\"}", "containers[0].workdir"}, /* CVE-2024-21626 */
        {'c', "{\"workdir\":\"/tmp/../proc\"}", "containers[0].workdir"},
        {'c', "{\"cpu_milli\":-1}", "containers[0].cpu_milli"},
        {'c', "{\"memory_bytes\":1}", "containers[0].memory_bytes"},
        {'c', "{\"memory_bytes\":1e300}", "containers[0].memory_bytes"},
        {'c', "{\"pids\":40000}", "containers[0].pids"},
        {'c', "{\"restart\":\"always\"}", "containers[0].restart"},
        {'c', "{\"capabilities\":[]}", "containers[0].capabilities"},
        {'m', "{\"volume\":\"absent\"}", "containers[0].mounts[0].volume"},
        {'m', "{\"path\":\"/\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"relative\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/data/\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/data//x\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/data/../etc\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/proc/1\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/dev/null\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/usr/lib\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/lib64\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/etc\"}", "containers[0].mounts[0].path"},
        {'m', "{\"path\":\"/run/.atelier/init\"}", "containers[0].mounts[0].path"},
        {'m', "{\"subpath\":\"../x\"}", "containers[0].mounts[0].subpath"},
        {'m', "{\"subpath\":\"/x\"}", "containers[0].mounts[0].subpath"},
        {'m', "{\"subpath\":\"a/../../x\"}", "containers[0].mounts[0].subpath"},
        {'m', "{\"readonly\":1}", "containers[0].mounts[0].readonly"},
        {'m', "{\"propagation\":\"shared\"}", "containers[0].mounts[0].propagation"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *patch = from_json(table[i].patch);
        AUTO_JSON cJSON *spec = from_json(base_text);
        if (table[i].where == 's') {
            spec = json_merge_patch(spec, patch);
        } else {
            cJSON *list = json_member(spec, "containers");
            if (table[i].where == 'm')
                list = json_member(list->child, "mounts");
            cJSON *patched = json_merge_patch(cJSON_DetachItemFromArray(list, 0), patch);
            json_push(list, patched);
        }
        if (box_spec_check(spec, &error) != -ERROR_INVALID || strcmp(error.field, table[i].field))
            fail_msg("%s: field \"%s\", message \"%s\"", table[i].patch, error.field, error.message);
        assert_true(error.message[0]);
    }
}

static void names_and_targets_are_unique(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *spec = from_json(base_text);
    cJSON *containers = json_member(spec, "containers");
    json_push(containers, json_copy(containers->child));
    assert_int_equal(box_spec_check(spec, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "containers[1].name");
    cJSON_DeleteItemFromArray(containers, 1);
    cJSON *mounts = json_member(containers->child, "mounts");
    json_push(mounts, json_copy(mounts->child));
    assert_int_equal(box_spec_check(spec, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "containers[0].mounts[0].path");
}

static void lists_are_bounded(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *spec = from_json(base_text);
    cJSON *args = json_member(json_member(spec, "containers")->child, "args");
    while (cJSON_GetArraySize(args) < BOX_ARGS_MAX)
        json_push_text(args, "x");
    assert_int_equal(box_spec_check(spec, &error), 0);
    json_push_text(args, "x");
    assert_int_equal(box_spec_check(spec, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "containers[0].args");
}

static void mount_points_stay_off_the_system(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool ok;
    } table[] = {
        {"/home/atelier", true},
        {"/home/atelier/work", true},
        {"/data", true},
        {"/tmp", true},
        {"/etc/config", true},
        {"/dev/shm", true},
        {"/var/log", true},
        {"/usrlocal", true},
        {"/usr", false},
        {"/usr/local/x", false},
        {"/bin", false},
        {"/etc", false},
        {"/home", false},
        {"/sys/fs/cgroup", false},
        {"", false},
        {"/a/./b", false},
        {"/a\nb", false},
        {"/run", false},
        {"/run/x", true},
        {"/dev/shm/x", false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (box_mount_point_ok(table[i].path) != table[i].ok)
            fail_msg("%s", table[i].path);
}

static void hosts_entries_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *entries, *field; /* NULL: fine */
    } table[] = {
        {"[]", NULL},
        {"[{\"address\":\"10.64.0.5\",\"names\":[\"a\",\"a.alice.svc.cluster.local\"]}]", NULL},
        {"[{\"address\":\"10.64.0.1\",\"names\":[\"kubernetes.default.svc\"]}]", NULL},
        {"{}", "entries"},
        {"[7]", "entries[0].address"},
        {"[{\"address\":\"8.8.8.8\",\"names\":[\"a\"]}]", "entries[0].address"},
        {"[{\"address\":\"10.64.0.5\",\"names\":[]}]", "entries[0].names"},
        {"[{\"address\":\"10.64.0.5\",\"names\":[\"a b\"]}]", "entries[0].names"},
        {"[{\"address\":\"10.64.0.5\",\"names\":[\"a\\nb\"]}]", "entries[0].names"},
        {"[{\"address\":\"10.64.0.5\",\"names\":[\"localhost\"]}]", "entries[0].names"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *entries = from_json(table[i].entries);
        assert_int_equal(box_hosts_check(entries, &error), table[i].field ? -ERROR_INVALID : 0);
        assert_string_equal(error.field, table[i].field ? table[i].field : "");
    }
}

static void the_address_is_put_in(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"none", "none"},
        {"$(POD_IP)", "10.64.0.2"},
        {"--x=$(POD_IP):1,$(POD_IP)", "--x=10.64.0.2:1,10.64.0.2"},
        {"$(POD_IP", "$(POD_IP"},
        {"$POD_IP $(HOME)", "$POD_IP $(HOME)"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO_FREE char *text = box_expand_address(table[i][0], "10.64.0.2");
        assert_string_equal(text, table[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_spec_is_accepted),
        cmocka_unit_test(each_wrong_field_is_named),
        cmocka_unit_test(names_and_targets_are_unique),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(mount_points_stay_off_the_system),
        cmocka_unit_test(hosts_entries_are_checked),
        cmocka_unit_test(the_address_is_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
