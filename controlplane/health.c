/* Is this process alive, and can it serve? */
#include "controlplane/handlers.h"

#include "auth/auth.h"
#include "controlplane/router.h"
#include "store/store.h"

/* <wrong>: NULL if nothing is. With ?verbose by check, in the words of kube-apiserver: `kubectl get --raw
 * '/readyz?verbose'` and who reads that know them. */
static int answer_probe(struct call *call, const char *check, const char *wrong)
{
    AUTO_BUFFER struct buffer text = {0};
    if (request_query(call->request, "verbose"))
        buffer_add_format(&text, "[%c]%s %s%s\n%s check %s\n", wrong ? '-' : '+', check, wrong ? "failed: " : "ok",
                          wrong ? wrong : "", call->entry->pattern + 1, wrong ? "failed" : "passed");
    else
        buffer_add_format(&text, "%s\n", wrong ? wrong : "ok");
    response_status(call->response, wrong ? 503 : 200);
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "text/plain; charset=utf-8", buffer_slice(&text));
    return 0;
}

int health_alive(struct call *call, struct error *error)
{
    (void)error;
    return answer_probe(call, "ping", NULL);
}

/* Ready means that decisions can be made: the first policy snapshot is in and not past max_stale. PostgreSQL may be
 * away for a while meanwhile; reads go on, writes answer 503 on their own. */
int health_ready(struct call *call, struct error *error)
{
    (void)error;
    return answer_probe(call, "policy",
                        auth_ready(call->server->auth) ? NULL : "the policy snapshot is missing or too old");
}

/* --- for platform admins: which part is not in order, and why ----------------------------------------------------- */

static void add_check(cJSON *checks, const char *name, bool ok, const char *why)
{
    cJSON *check = json_object();
    json_set_text(check, "name", name);
    json_set_bool(check, "ok", ok);
    if (!ok)
        json_set_text(check, "detail", why);
    json_push(checks, check);
}

static bool database_answers(struct store *store, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    return store_take(store, &connection, error) == 0 &&
           store_run(connection, "health", "SELECT 1", NULL, 0, NULL, error) == 0;
}

int health_report(struct call *call, struct error *error)
{
    (void)error;
    struct error database = {0}, engine = {0};
    AUTO_JSON cJSON *usage = NULL;
    AUTO_JSON cJSON *answer = json_object();
    cJSON *checks = json_set(answer, "checks", json_array());
    add_check(checks, "policy", auth_ready(call->server->auth), "the policy snapshot is missing or too old");
    bool answers = database_answers(call->server->store, &database);
    add_check(checks, "database", answers, database.message);
    bool counts = engine_usage(call->server->engine, &usage, &engine) == 0;
    add_check(checks, "engine", counts, engine.message);
    const cJSON *disk = json_member(usage, "disk"); /* of engines that keep something on one */
    if (disk)
        add_check(checks, "disk", !json_true(disk, "short", NULL), json_text_or("", disk, "message", NULL));
    call_json(call, 200, answer);
    return 0;
}
