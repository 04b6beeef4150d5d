/* A notebook whose Ray Client a cluster would refuse is told of, on whichever of the two is stored last. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ray/ray.h"
#include "tests/unit/fake_engine.h"
#include "tests/unit/documents.h"

#define NOTEBOOK(NAME, IMAGE)                                                                                          \
    "{\"metadata\":{\"name\":\"" NAME "\",\"namespace\":\"alice\"},\"spec\":{\"template\":{\"spec\":{"                 \
    "\"containers\":[{\"image\":\"" IMAGE "\"}]}}}}"
#define CLUSTER(NAME, IMAGE)                                                                                           \
    "{\"metadata\":{\"name\":\"" NAME "\",\"namespace\":\"alice\"},\"spec\":{\"headGroupSpec\":{\"template\":{"        \
    "\"spec\":{\"containers\":[{\"image\":\"" IMAGE "\"}]}}}}}"

static const struct {
    const char *notebook, *cluster; /* as stored */
    const char *says;               /* NULL: nothing */
} pairs[] = {
    {NOTEBOOK("nb1", "ray-2.60"), CLUSTER("c1", "ray-2.60"), NULL},
    {NOTEBOOK("nb1", "ray-2.60"), CLUSTER("c1", "rayproject/ray:2.60.0"), NULL},
    {NOTEBOOK("nb1", "ray-2.60"), CLUSTER("c1", "rayproject/ray:2.60.0-py311-cpu"), NULL}, /* the catalogue's Python */
    {NOTEBOOK("nb1", "example/own:7"), CLUSTER("c1", "ray-2.60"), NULL},                   /* unknown */
    {NOTEBOOK("nb1", "ray-2.9"), CLUSTER("c1", "ray-2.60"), "the notebook has Ray 2.9.0 and the cluster Ray 2.60.0"},
    {NOTEBOOK("nb1", "registry.example.com/ray:2.55.1-py312"), CLUSTER("c1", "ray-2.60"),
     "the notebook has Ray 2.55.1 with Python 3.12 and the cluster Ray 2.60.0"},
    {NOTEBOOK("nb1", "registry.example.com/ray:2.60.0-py39"), CLUSTER("c1", "rayproject/ray:2.60.0-py310-gpu"),
     "Ray 2.60.0 with Python 3.9 and the cluster Ray 2.60.0 with Python 3.11.2"},
    {NOTEBOOK("nb1", "ray-2.60"), CLUSTER("c1", "registry.example.com/ray:2.60.0-py312"), "with Python 3.12"},
    {NOTEBOOK("nb1", "ray-2.60"), CLUSTER("c1", "registry.example.com/ray:2.60.0-py3"), NULL},
};

static void check(const struct fake_engine *fake, const char *says)
{
    assert_int_equal(fake->events, says ? 1 : 0);
    if (!says)
        return;
    assert_string_equal(fake->last_event_reason, "RayVersionSkew");
    if (!strstr(fake->last_event, says) || !strstr(fake->last_event, "ray://c1-head-svc:10001") ||
        !strstr(fake->last_event, "nb1"))
        fail_msg("expected \"%s\" in: %s", says, fake->last_event);
}

static void tells_of_a_cluster(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct fake_engine fake = {.base.operations = &fake_operations, .notebooks = pairs[i].notebook};
        AUTO_JSON cJSON *cluster = from_json(pairs[i].cluster);
        ray_cluster_remark(&fake.base, cluster);
        check(&fake, pairs[i].says);
    }
}

static void tells_of_a_notebook(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct fake_engine fake = {.base.operations = &fake_operations, .clusters = pairs[i].cluster};
        AUTO_JSON cJSON *notebook = from_json(pairs[i].notebook);
        ray_notebook_remark(&fake.base, notebook);
        check(&fake, pairs[i].says);
    }
}

static void says_it_of_a_few_only(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer many = {0};
    for (int i = 0; i < 20; i++)
        buffer_add_format(&many, "%s" NOTEBOOK("nb", "ray-2.9"), i ? "," : "");
    struct fake_engine fake = {.base.operations = &fake_operations, .notebooks = many.p};
    AUTO_JSON cJSON *cluster = from_json(CLUSTER("c1", "ray-2.60"));
    ray_cluster_remark(&fake.base, cluster);
    assert_int_equal(fake.events, 4);
}

/* On a cluster a variant's tag is what is pulled; on one machine the list's entry runs whatever the tag says. */
static void believes_the_tag_where_it_is_pulled(void **state)
{
    (void)state;
    for (int pulled = 0; pulled < 2; pulled++) {
        struct fake_engine fake = {.base.operations = &fake_operations,
                                   .reference = pulled ? "rayproject/ray:2.60.0" : NULL,
                                   .notebooks = NOTEBOOK("nb1", "ray-2.60")};
        AUTO_JSON cJSON *cluster = from_json(CLUSTER("c1", "rayproject/ray:2.60.0-py310"));
        ray_cluster_remark(&fake.base, cluster);
        check(&fake, pulled ? "Python 3.11.2 and the cluster Ray 2.60.0 with Python 3.10" : NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_cluster),
        cmocka_unit_test(tells_of_a_notebook),
        cmocka_unit_test(believes_the_tag_where_it_is_pulled),
        cmocka_unit_test(says_it_of_a_few_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
