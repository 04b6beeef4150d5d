/* What each command of the table in commands.c runs. See command.h for the contract of a `run` function. */
#ifndef ATELIER_CLI_VERBS_H
#define ATELIER_CLI_VERBS_H

#include "cli/command.h"

int verb_get(struct call *call, struct error *error);
int verb_apply(struct call *call, struct error *error);
int verb_delete(struct call *call, struct error *error);
int verb_wait(struct call *call, struct error *error);
int verb_logs(struct call *call, struct error *error);
int verb_forward(struct call *call, struct error *error);
int verb_describe(struct call *call, struct error *error);
int verb_events(struct call *call, struct error *error);
int verb_login(struct call *call, struct error *error);
int verb_logout(struct call *call, struct error *error);
int verb_context_list(struct call *call, struct error *error);
int verb_context_use(struct call *call, struct error *error);
int verb_kubeconfig(struct call *call, struct error *error);
int verb_completion(struct call *call, struct error *error);
int verb_complete(struct call *call, struct error *error);
int verb_man(struct call *call, struct error *error);
int verb_profile_create(struct call *call, struct error *error);
int verb_profile_list(struct call *call, struct error *error);
int verb_profile_get(struct call *call, struct error *error);
int verb_profile_delete(struct call *call, struct error *error);
int verb_notebook_create(struct call *call, struct error *error);
int verb_notebook_start(struct call *call, struct error *error);
int verb_notebook_stop(struct call *call, struct error *error);
int verb_notebook_open(struct call *call, struct error *error);
int verb_exec(struct call *call, struct error *error);
int verb_notebook_exec(struct call *call, struct error *error);
int verb_notebook_cp(struct call *call, struct error *error);
int verb_notebook_forward(struct call *call, struct error *error);
int verb_ray_attach(struct call *call, struct error *error);
int verb_ray_dashboard(struct call *call, struct error *error);
int verb_notebook_list(struct call *call, struct error *error);
int verb_notebook_delete(struct call *call, struct error *error);
int verb_ray_create(struct call *call, struct error *error);
int verb_ray_up(struct call *call, struct error *error);
int verb_ray_down(struct call *call, struct error *error);
int verb_ray_exec(struct call *call, struct error *error);
int verb_ray_get_head_ip(struct call *call, struct error *error);
int verb_ray_submit(struct call *call, struct error *error);
int verb_ray_jobs(struct call *call, struct error *error);
int verb_ray_logs(struct call *call, struct error *error);
int verb_job_list(struct call *call, struct error *error);
int verb_job_logs(struct call *call, struct error *error);
int verb_ray_stop(struct call *call, struct error *error);
int verb_ray_scale(struct call *call, struct error *error);
int verb_ray_open(struct call *call, struct error *error);
int verb_ray_forward(struct call *call, struct error *error);
int verb_ray_env(struct call *call, struct error *error);
int verb_ray_list(struct call *call, struct error *error);
int verb_ray_delete(struct call *call, struct error *error);
int verb_profile_owner(struct call *call, struct error *error);
int verb_volume_create(struct call *call, struct error *error);
int verb_volume_list(struct call *call, struct error *error);
int verb_volume_delete(struct call *call, struct error *error);
int verb_top(struct call *call, struct error *error);
int verb_can_i(struct call *call, struct error *error);
int verb_password(struct call *call, struct error *error);
int verb_session_list(struct call *call, struct error *error);
int verb_session_end(struct call *call, struct error *error);
int verb_user_create(struct call *call, struct error *error);
int verb_user_list(struct call *call, struct error *error);
int verb_user_reset_link(struct call *call, struct error *error);
int verb_user_disable(struct call *call, struct error *error);
int verb_user_enable(struct call *call, struct error *error);
int verb_user_delete(struct call *call, struct error *error);
int verb_token_create(struct call *call, struct error *error);
int verb_token_list(struct call *call, struct error *error);
int verb_token_delete(struct call *call, struct error *error);
int verb_share(struct call *call, struct error *error);
int verb_unshare(struct call *call, struct error *error);
int verb_members(struct call *call, struct error *error);
int verb_ca(struct call *call, struct error *error);
int verb_whoami(struct call *call, struct error *error);
int verb_audit(struct call *call, struct error *error);
int verb_usage(struct call *call, struct error *error);
int verb_images(struct call *call, struct error *error);
int verb_local_up(struct call *call, struct error *error);
int verb_local_status(struct call *call, struct error *error);
int verb_local_down(struct call *call, struct error *error);
int verb_version(struct call *call, struct error *error);

#endif
