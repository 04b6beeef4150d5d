/* Every handler of the route table, one file a resource. */
#ifndef ATELIER_CONTROLPLANE_HANDLERS_H
#define ATELIER_CONTROLPLANE_HANDLERS_H

#include "controlplane/call.h"

/* signin.c */
int signin_login(struct call *call, struct error *error);
int signin_link(struct call *call, struct error *error);
int signin_logout(struct call *call, struct error *error);
int signin_logout_everywhere(struct call *call, struct error *error);
/* approvals.c */
int approvals_create(struct call *call, struct error *error);
int approvals_redeem(struct call *call, struct error *error);
/* handoff.c: requests for tenant paths that the gateway did not proxy, and everything on a resource's own host */
int handoff_tenant_path(struct call *call, const struct route *route, struct error *error);
int handoff_resource_host(struct call *call, struct error *error);
/* people */
int whoami_get(struct call *call, struct error *error);
int password_set(struct call *call, struct error *error);
int users_list(struct call *call, struct error *error);
int users_create(struct call *call, struct error *error);
int users_change(struct call *call, struct error *error);
int users_delete(struct call *call, struct error *error);
int users_reset_link(struct call *call, struct error *error);
int tokens_list(struct call *call, struct error *error);
int tokens_create(struct call *call, struct error *error);
int tokens_delete(struct call *call, struct error *error);
int tokens_list_of(struct call *call, struct error *error);
int tokens_delete_of(struct call *call, struct error *error);
int sessions_list(struct call *call, struct error *error);
int sessions_delete(struct call *call, struct error *error);
int members_list(struct call *call, struct error *error);
int members_add(struct call *call, struct error *error);
int members_change(struct call *call, struct error *error);
int members_remove(struct call *call, struct error *error);
int owner_change(struct call *call, struct error *error);
int audit_all(struct call *call, struct error *error);
int audit_profile(struct call *call, struct error *error);
int images_list(struct call *call, struct error *error);
int usage_samples(struct call *call, struct error *error);
int jobs_list(struct call *call, struct error *error);
int jobs_get(struct call *call, struct error *error);
int jobs_log(struct call *call, struct error *error);
int usage_get(struct call *call, struct error *error);
int open_get(struct call *call, struct error *error);
int authority_get(struct call *call, struct error *error);
/* health.c */
int health_alive(struct call *call, struct error *error);
int health_ready(struct call *call, struct error *error);
int health_report(struct call *call, struct error *error);
/* discovery.c */
int discovery_core(struct call *call, struct error *error);
int discovery_groups(struct call *call, struct error *error);
int discovery_group(struct call *call, struct error *error);
int discovery_resources(struct call *call, struct error *error);
int discovery_version(struct call *call, struct error *error);
/* discovery_cluster.c: the same, and OpenAPI, as the cluster's own API answers it; NOT_FOUND where there is none */
struct documents;
struct documents *documents_new(void);
void documents_free(struct documents *documents); /* NULL is fine */
int discovery_cluster(struct call *call, struct error *error);
/* False if the cluster answers that it has no such version of a group (both valid names). */
bool discovery_cluster_has(struct call *call, const char *group, const char *version);
/* openapi_objects.c: the kinds that are served, as OpenAPI v3 describes them */
int openapi_second(struct call *call, struct error *error);
int openapi_index(struct call *call, struct error *error);
int openapi_document(struct call *call, struct error *error);
/* reviews.c */
int review_access(struct call *call, struct error *error);
int review_rules(struct call *call, struct error *error);
int review_self(struct call *call, struct error *error);
/* objects.c */
int objects_handle(struct call *call, struct error *error);
/* console.c: false if there is nothing to serve at that path */
bool console_serve(struct call *call);

#endif
