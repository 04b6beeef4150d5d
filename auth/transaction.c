/* How is policy written, so that writers take turns and the answer is in force when it is given? */
#include "auth/internal.h"

#include "base/log.h"

int policy_begin(struct auth *auth, struct store_connection **ret, struct error *error)
{
    struct store_connection *c = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_begin(c, error);
    if (!failed)
        failed = store_run(c, "policy_turn", "SELECT version FROM policy_version FOR UPDATE", NULL, 0, NULL, error);
    if (failed) {
        store_give(c);
        return failed;
    }
    *ret = c;
    return 0;
}

int policy_commit(struct auth *auth, struct store_connection **connection, enum commit effect, struct error *error)
{
    struct error detail = {0};
    int failed = store_commit(*connection, error);
    store_give(TAKE_POINTER(*connection)); /* the refresher needs one, and may be waiting for ours */
    if (failed)
        return failed;
    failed = auth_refresh(auth, &detail);
    if (failed && effect == COMMIT_REVOKES)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the change is stored but not in force yet; try again");
    if (failed)
        log_line(LOG_WARN, "a change is stored but not in force yet", LOG_FAULT(&detail));
    return 0;
}
