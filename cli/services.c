/* What does a RayService serve, and on which cluster? */
#include "cli/object.h"
#include "cli/verbs.h"

static void push_row(cJSON *rows, const char *application, const char *deployment, const char *cluster,
                     const cJSON *state)
{
    cJSON *row = json_push(rows, json_object());
    json_set_text(row, "application", application);
    json_set_text(row, "deployment", deployment);
    json_set_text(row, "cluster", cluster);
    json_set_text(row, "status", json_text(state, "status", NULL));
    json_set_text(row, "message", json_text(state, "message", NULL));
}

/* Of one of its clusters: a row an application, then one for each deployment of it. */
static void push_rows(cJSON *rows, const cJSON *part)
{
    const char *cluster = json_text_or("", part, "rayClusterName", NULL);
    const cJSON *application, *deployment;
    cJSON_ArrayForEach(application, json_member(part, "applicationStatuses"))
    {
        push_row(rows, application->string, "", cluster, application);
        cJSON_ArrayForEach(deployment, json_member(application, "serveDeploymentStatuses"))
        {
            push_row(rows, application->string, deployment->string, cluster, deployment);
        }
    }
}

static void add_row(const cJSON *row, struct table *table)
{
    static const char *const cells[] = {"application", "deployment", "status", "cluster", "message"};
    for (size_t i = 0; i < COUNT_OF(cells); i++)
        table_add(table, json_text_or("", row, cells[i], NULL));
}

int verb_ray_service(struct call *call, struct error *error)
{
    static const char *const headers[] = {"APPLICATION", "DEPLOYMENT", "STATUS", "CLUSTER", "MESSAGE", NULL};
    static const struct listing listing = {headers, add_row, "application", true};
    const struct resource *resource = NULL;
    const char *none;
    enum output output;
    AUTO_JSON cJSON *service = NULL;
    AUTO_JSON cJSON *rows = json_array();
    int failed = output_of(call, &output, error);
    if (!failed)
        failed = object_kind("rayservices", &resource, &none, error);
    if (!failed)
        failed = object_get(call, resource, call->arguments[0], &service, error);
    if (failed)
        return failed;
    if (!output_is_table(output))
        return print_tree(call, output, service, error);
    push_rows(rows, json_at(service, "status", "activeServiceStatus", NULL));
    push_rows(rows, json_at(service, "status", "pendingServiceStatus", NULL));
    return print_items(call, rows, &listing, error);
}

int verb_ray_services(struct call *call, struct error *error)
{
    return list_objects(call, "rayservices", error);
}
