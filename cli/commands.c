/* Which commands are there? The one table behind parsing, --help and usage errors. */
#include "cli/command.h"
#include "cli/verbs.h"

#define OPTIONS(...) ((const struct option[]){__VA_ARGS__, {NULL, 0, NULL, NULL}})
#define DRY_RUN_OPTION                                                                                                 \
    {                                                                                                                  \
        "dry-run", 0, "[=server]", "print the object and change nothing; =server: as the service would store it"       \
    }
#define ALL_OPTION                                                                                                     \
    {                                                                                                                  \
        "all-namespaces", 'A', NULL, "in every profile you may see"                                                    \
    }
#define GPU_KEY_OPTION                                                                                                 \
    {                                                                                                                  \
        "gpu-key", 0, "KEY", "whose: nvidia.com/gpu (default), amd.com/gpu, google.com/tpu, ..."                       \
    }
#define UNTIL_OPTION                                                                                                   \
    {                                                                                                                  \
        "until", 0, "TIME", "a date, a time or a duration, such as 2d (default 8h)"                                    \
    }
#define WAIT_OPTIONS                                                                                                   \
    {"wait", 'w', NULL, "wait until it can be used, reporting progress"},                                              \
    {                                                                                                                  \
        "timeout", 0, "TIME", "with --wait: at most (default 5m)"                                                      \
    }

/* What `ray create` and `job create` share; cli/ray_create.c reads them. */
#define RAY_OPTIONS(WORKERS, MEMORY)                                                                                   \
    {"head-cpu", 0, "CPUS", "of the head (default 2)"}, {"head-memory", 0, "SIZE", "of the head (default 4Gi)"},       \
        {"worker-cpu", 0, "CPUS", "of each worker (default 4)"},                                                       \
        {"worker-memory", 0, "SIZE", "of each worker (default 8Gi)"},                                                  \
        {"worker-gpus", 0, "N", "GPUs of each worker (default 0)"}, GPU_KEY_OPTION,                                    \
        {"spot", 0, NULL, "workers on nodes that may be taken back (GKE); on one machine it means nothing"},           \
        {"replicas", 'r', "N", "workers (default " WORKERS ")"}, {"min", 0, "N", "least workers (default 0)"},         \
        {"max", 0, "N", "most workers (default 10)"},                                                                  \
        {"group-name", 0, "NAME", "of the worker group (default workers)"},                                            \
        {"autoscale", 0, NULL, "workers come and go with the load, between --min and --max"},                          \
        {"idle-timeout", 0, "SECONDS", "autoscale, and an idle worker goes after this long"},                          \
        {"worker-group", 0, "GROUP",                                                                                   \
         "another: "                                                                                                   \
         "name=gpu,replicas=1,min=0,max=4,cpu=8,memory=32Gi,gpus=1,spot,node-selector=A=B,toleration=gpu:NoSchedule"}, \
        {"fault-tolerance", 0, "[=REDIS]",                                                                             \
         "the head comes back with what it knew; =off; =HOST:PORT; default: " MEMORY},                                 \
        {"env", 'e', "NAME=VALUE", "for every container; may be repeated"},                                            \
        {"volume", 0, "VOLUME:/PATH", "mounted on every node; may be repeated"},                                       \
        {"node-selector", 0, "NAME=VALUE", "nodes of the cluster that may run it; may be repeated"},                   \
        {"toleration", 0, "KEY[=VALUE][:EFFECT]", "of a taint that nodes have; may be repeated"},                      \
        {"image", 0, "IMAGE", "default: the newest with that Ray"},                                                    \
    {                                                                                                                  \
        "ray-version", 0, "VERSION", "such as 2.60.0"                                                                  \
    }

#define EXEC_OPTIONS                                                                                                   \
    OPTIONS({"stdin", 'i', NULL, "pass on what is typed or piped in"}, {"tty", 't', NULL, "on a terminal; with -i"},   \
            {"container", 'c', "NAME", "of a pod with several"})

#define TOKEN_OPTIONS                                                                                                  \
    OPTIONS({"user", 'u', "E-MAIL", "whose (platform admins; default: yours)"},                                        \
            {"name", 0, "NAME", "to tell it from others"}, {"ttl", 0, "TIME", "how long it is good, such as 90d"},     \
            {"named", 0, NULL, "print it in the form name:secret (token-7:...), for clients that know that one"})

#define SELECT_OPTIONS                                                                                                 \
    {"selector", 'l', "LABELS", "only those with these labels (a=b,c!=d)"},                                            \
    {                                                                                                                  \
        "watch", 'w', NULL, "go on with every change"                                                                  \
    }
static const struct option get_options[] = {
    ALL_OPTION,
    SELECT_OPTIONS,
    {NULL, 0, NULL, NULL},
};

#define WATCH_OPTION                                                                                                   \
    {                                                                                                                  \
        "watch", 'w', NULL, "go on with every change, looked for every two seconds"                                    \
    }
static const struct option watch_options[] = {
    WATCH_OPTION,
    {NULL, 0, NULL, NULL},
};

const struct command commands[] = {
    {"get", "KIND [NAME]", "Show objects", get_options, 1, 2, false,
     "  atelier get profiles\n  atelier get notebooks -n alice\n  atelier get pods -A\n"
     "  atelier get raycluster example-cluster -n alice -o json\n  atelier get notebooks -n alice --watch\n"
     "  atelier get pods -n alice -o wide\n"
     "  atelier get notebook nb1 -o jsonpath='{.status.phase}'\n"
     "  atelier get pods -A -o jsonpath='{range .items[*]}{.metadata.name}{\"\\t\"}{.status.podIP}{\"\\n\"}{end}'\n",
     verb_get},
    {"apply", "-f FILE", "Create or change what a manifest describes (YAML or JSON)",
     OPTIONS({"filename", 'f', "FILE", "the manifest; - is stdin"}, DRY_RUN_OPTION), 0, 0, false,
     "  atelier apply -n alice -f example-cluster.yaml\n  atelier get notebook nb1 -o yaml | atelier apply -f -\n",
     verb_apply},
    {"delete", "KIND NAME... | KIND/NAME... | -f FILE", "Delete objects",
     OPTIONS({"filename", 'f', "FILE", "what this manifest describes; - is stdin"},
             {"ignore-not-found", 0, NULL, "absent objects are no error"},
             {"wait", 'w', NULL, "wait until they are gone"}, DRY_RUN_OPTION),
     0, CALL_ARGUMENTS_MAX, false,
     "  atelier delete notebook nb1 -n alice\n  atelier delete raycluster/example-cluster -n alice --wait\n",
     verb_delete},
    {"describe", "KIND NAME", "Show everything about one object, and what happened to it", NULL, 1, 2, false,
     "  atelier describe notebook nb1 -n alice\n  atelier describe raycluster/example-cluster -n alice\n",
     verb_describe},
    {"events", "[KIND/NAME]", "Show what happened, in a profile or to one object", get_options, 0, 1, false,
     "  atelier events -n alice\n  atelier events notebook/nb1 -n alice\n", verb_events},
    {"wait", "KIND NAME", "Wait until an object can be used, or is gone",
     OPTIONS({"for", 0, "STATE", "ready (default) or delete"}, {"timeout", 0, "TIME", "at most (default 5m)"}), 1, 2,
     false, "  atelier wait notebook nb1 -n alice --timeout 90s\n", verb_wait},
    {"logs", "POD | notebook/NAME | raycluster/NAME", "Print a container's log",
     OPTIONS({"follow", 'f', NULL, "go on with what is written"}, {"tail", 0, "N", "only the last N lines"},
             {"container", 'c', "NAME", "of a pod with several"},
             {"since", 0, "TIME", "only what is not older, such as 10m"},
             {"previous", 'p', NULL, "of the container before its last restart"},
             {"timestamps", 0, NULL, "with the time of each line"}),
     1, 1, false,
     "  atelier logs notebook/nb1 -n alice\n  atelier logs -f raycluster/example-cluster -n alice --since 10m\n"
     "  atelier logs notebook/nb1 -n alice --previous   # why it was restarted\n",
     verb_logs},

    {"exec", "POD | notebook/NAME | raycluster/NAME", "Run a command in a container; its exit code is the command's",
     EXEC_OPTIONS, 1, 1, true,
     "  atelier exec raycluster/example-cluster -n alice -- ray status\n  atelier exec -it nb1-0 -n alice -- bash\n",
     verb_exec},
    {"top", "", "Show what the workloads of a profile use now", watch_options, 0, 0, false,
     "  atelier top -n alice\n  atelier top -n alice --watch\n", verb_top},
    {"can-i", "VERB KIND[/NAME]", "Tell whether you may do something; the exit code is 0 for yes and 1 for no",
     OPTIONS({"list", 0, NULL, "show everything that you may do"},
             {"subresource", 0, "PART", "of the kind, such as log or exec"}, ALL_OPTION),
     0, 2, false,
     "  atelier can-i delete notebook/nb1 -n alice\n  atelier can-i get pods --subresource log -n alice\n"
     "  atelier can-i --list -n alice\n",
     verb_can_i},
    {"forward", "SERVICE [LOCAL:]PORT...", "Make ports of a service in a profile ports of this machine, until Ctrl-C",
     NULL, 2, 1 + 8, false,
     "  atelier forward example-cluster-head-svc 10001 -n alice\n  atelier forward nb1 8888:80 -n alice\n"
     "  atelier forward nb1 :http-nb1 -n alice   # any free port here\n",
     verb_forward},
    {"notebook create", "NAME", "Start a JupyterLab of your own",
     OPTIONS({"cpu", 0, "CPUS", "limit (default 500m)"}, {"memory", 0, "SIZE", "limit (default 1Gi)"},
             {"gpus", 0, "N", "default 0"}, GPU_KEY_OPTION, {"image", 0, "IMAGE", "default: the newest installed"},
             {"env", 'e', "NAME=VALUE", "may be repeated"},
             {"volume", 0, "VOLUME:/PATH", "mounted beside its home; may be repeated"},
             {"label", 0, "NAME=VALUE", "may be repeated"},
             {"idle-after", 0, "TIME", "stopped when nobody has used it for so long, such as 2h; 0: never"},
             DRY_RUN_OPTION, WAIT_OPTIONS),
     1, 1, false,
     "  atelier notebook create nb1 -n alice --wait\n  atelier notebook create big -n alice --cpu 4 --memory 8Gi\n"
     "  atelier notebook create lab -n alice --gpus 1 --volume data:/data --env MODE=fast --idle-after 2h\n",
     verb_notebook_create},
    {"notebook start", "NAME", "Start a stopped notebook", OPTIONS(DRY_RUN_OPTION, WAIT_OPTIONS), 1, 1, false,
     "  atelier notebook start nb1 -n alice --wait\n", verb_notebook_start},
    {"notebook stop", "NAME", "Stop a notebook; its files stay", OPTIONS(DRY_RUN_OPTION), 1, 1, false,
     "  atelier notebook stop nb1 -n alice\n", verb_notebook_stop},
    {"notebook resize", "NAME", "Change what a notebook may use; one that runs is started again, and its files stay",
     OPTIONS({"cpu", 0, "CPUS", "limit"}, {"memory", 0, "SIZE", "limit"}, DRY_RUN_OPTION, WAIT_OPTIONS), 1, 1, false,
     "  atelier notebook resize nb1 -n alice --cpu 2 --memory 4Gi --wait\n", verb_notebook_resize},
    {"notebook keep", "NAME", "Do not stop a notebook for want of use until then",
     OPTIONS(UNTIL_OPTION, DRY_RUN_OPTION), 1, 1, false,
     "  atelier notebook keep nb1 -n alice\n  atelier notebook keep nb1 -n alice --until 2d\n", verb_notebook_keep},
    {"notebook open", "NAME", "Print where a browser opens it", OPTIONS({"browser", 'b', NULL, "and open it there"}), 1,
     1, false, "  atelier notebook open nb1 -n alice\n  atelier notebook open nb1 -n alice --browser\n",
     verb_notebook_open},
    {"notebook exec", "NAME", "Run a command in a notebook; its exit code is the command's", EXEC_OPTIONS, 1, 1, true,
     "  atelier notebook exec nb1 -n alice -- pip list\n  atelier notebook exec -it nb1 -n alice -- bash\n",
     verb_notebook_exec},
    {"notebook cp", "SOURCE TARGET", "Copy a file or folder into a notebook, or out of it; NAME:PATH is inside", NULL,
     2, 2, false,
     "  atelier notebook cp data.csv nb1:data.csv -n alice\n  atelier notebook cp nb1:results . -n alice\n",
     verb_notebook_cp},
    {"notebook forward", "NAME [[LOCAL:]PORT...]",
     "Make a notebook's ports (default: Jupyter, as 8888) ports of this machine, until Ctrl-C", NULL, 1, 1 + 8, false,
     "  atelier notebook forward nb1 -n alice\n  atelier notebook forward nb1 9000:80 -n alice\n"
     "  atelier notebook forward nb1 6006 -n alice   # whatever listens there, such as TensorBoard\n",
     verb_notebook_forward},
    {"notebook list", "", "Show notebooks", get_options, 0, 0, false, "  atelier notebook list -A\n",
     verb_notebook_list},
    {"notebook delete", "NAME...", "Delete notebooks; the home volume stays",
     OPTIONS({"ignore-not-found", 0, NULL, "absent objects are no error"},
             {"wait", 'w', NULL, "wait until they are gone"}, DRY_RUN_OPTION),
     1, CALL_ARGUMENTS_MAX - 1, false, "  atelier notebook delete nb1 -n alice\n", verb_notebook_delete},

    {"volume create", "NAME", "Make a volume that notebooks and clusters can mount",
     OPTIONS({"size", 0, "SIZE", "how much it holds (default 10Gi)"}, DRY_RUN_OPTION, WAIT_OPTIONS), 1, 1, false,
     "  atelier volume create data -n alice --size 50Gi\n", verb_volume_create},
    {"volume list", "", "Show volumes, and who mounts them", OPTIONS(ALL_OPTION, WATCH_OPTION), 0, 0, false,
     "  atelier volume list -n alice\n  atelier volume list -A\n", verb_volume_list},
    {"volume delete", "NAME...", "Delete volumes with everything on them",
     OPTIONS({"ignore-not-found", 0, NULL, "absent objects are no error"},
             {"wait", 'w', NULL, "wait until they are gone"}, DRY_RUN_OPTION),
     1, CALL_ARGUMENTS_MAX - 1, false, "  atelier volume delete data -n alice\n", verb_volume_delete},

    {"ray create", "NAME", "Start a Ray cluster",
     OPTIONS(RAY_OPTIONS("1", "on where there is a Redis for it"),
             {"label", 0, "NAME=VALUE", "of the RayCluster; may be repeated"},
             {"schedule-on-head", 0, NULL, "the head takes tasks and actors too"},
             {"runtime-env", 0, "FILE|YAML", "of all jobs and sessions that bring none, such as \"{pip: [emoji]}\""},
             {"max-workers", 0, "N", "of all worker groups together"},
             {"idle-after", 0, "TIME", "suspended when nobody has used it for so long, such as 2h; 0: never"},
             {"delete-after", 0, "TIME", "deleted when it has been suspended for so long, such as 30d"},
             {"resume-on-request", 0, "WHEN", "a request to it starts it again: idle, always or never"}, DRY_RUN_OPTION,
             WAIT_OPTIONS),
     1, 1, false,
     "  atelier ray create example-cluster -n alice --wait\n"
     "  atelier ray create small -n alice --worker-cpu 1 --worker-memory 2Gi --replicas 2\n"
     "  atelier ray create elastic -n alice --replicas 0 --max 4 --autoscale --idle-timeout 120\n"
     "  atelier ray create lab -n alice --idle-after 2h --resume-on-request idle\n"
     "  atelier ray create two -n alice --autoscale --max-workers 6 --worker-group name=gpu,replicas=0,gpus=1,spot\n",
     verb_ray_create},
    {"ray up", "FILE", "Start or change the cluster of a file of Ray's cluster launcher (GCP, Azure)",
     OPTIONS(DRY_RUN_OPTION, {"image", 0, "IMAGE", "instead of the file's; without either, the newest with Ray"},
             {"ray-version", 0, "VERSION", "such as 2.60.0"}, {"max-cpu", 0, "CPUS", "no node gets more"},
             {"max-memory", 0, "SIZE", "no node gets more"},
             {"no-autoscaling", 0, NULL, "start max_workers of each type, and keep them"},
             {"yes", 'y', NULL, "replace pods that run, where a change needs that, without asking"},
             {"fault-tolerance", 0, "[=REDIS]",
              "the head comes back with what it knew; =off; =HOST:PORT; default: on where there is a Redis for it"},
             WAIT_OPTIONS),
     1, 1, false,
     "  atelier ray up cluster.yaml -n alice --wait\n  atelier ray up cluster.yaml --dry-run\n"
     "  atelier ray up gcp-full.yaml -n alice --image ray-2.60 --max-cpu 1 --max-memory 2Gi\n",
     verb_ray_up},
    {"ray down", "FILE|CLUSTER", "Delete a cluster with everything that runs on it",
     OPTIONS({"yes", 'y', NULL, "do not ask"}, {"ignore-not-found", 0, NULL, "an absent cluster is no error"},
             {"wait", 'w', NULL, "wait until it is gone"}),
     1, 1, false, "  atelier ray down cluster.yaml -n alice -y --wait\n", verb_ray_down},
    {"ray exec", "FILE|CLUSTER", "Run a command on a cluster, as a job, and print what it prints",
     OPTIONS({"working-dir", 0, "DIR", "uploaded, and where the command runs"},
             {"runtime-env", 0, "FILE|YAML", "of the job, such as \"{pip: [emoji]}\""},
             {"env", 'e', "NAME=VALUE", "for the command"}),
     1, 1, true, "  atelier ray exec cluster.yaml -n alice -- ray status\n", verb_ray_exec},
    {"ray attach", "FILE|CLUSTER", "Open a shell on a cluster's head",
     OPTIONS({"container", 'c', "NAME", "of a head with several"}), 1, 1, false,
     "  atelier ray attach example-cluster -n alice\n  atelier ray attach cluster.yaml -n alice\n", verb_ray_attach},
    {"ray cp", "SOURCE TARGET", "Copy a file or folder onto a cluster's head, or from it; CLUSTER:PATH is there", NULL,
     2, 2, false,
     "  atelier ray cp data.csv example-cluster:data.csv -n alice\n  atelier ray cp example-cluster:results . -n "
     "alice\n",
     verb_ray_cp},
    {"ray get-head-ip", "FILE|CLUSTER", "Print the address of a cluster's head inside its profile", NULL, 1, 1, false,
     "  atelier ray get-head-ip cluster.yaml -n alice\n", verb_ray_get_head_ip},
    {"ray submit", "CLUSTER", "Run a command on a cluster and follow its log; the exit code tells how it ended",
     OPTIONS({"working-dir", 0, "DIR", "uploaded, and where the command runs"},
             {"runtime-env", 0, "FILE|YAML", "of the job, such as \"{pip: [emoji]}\""},
             {"env", 'e', "NAME=VALUE", "for the job"}, {"submission-id", 0, "ID", "a name of your own for the job"},
             {"no-wait", 0, NULL, "print the job's id and return"}),
     1, 1, true, "  atelier ray submit example-cluster -n alice --working-dir . -- python train.py --epochs 3\n",
     verb_ray_submit},
    {"ray jobs", "CLUSTER", "Show a cluster's jobs", watch_options, 1, 1, false,
     "  atelier ray jobs example-cluster -n alice\n", verb_ray_jobs},
    {"ray logs", "CLUSTER JOB", "Print a job's log", OPTIONS({"follow", 'f', NULL, "until the job ends"}), 2, 2, false,
     "  atelier ray logs example-cluster raysubmit_1a2b3c -n alice -f\n", verb_ray_logs},
    {"ray stop", "CLUSTER JOB", "Stop a job", NULL, 2, 2, false,
     "  atelier ray stop example-cluster raysubmit_1a2b3c -n alice\n", verb_ray_stop},
    {"ray scale", "CLUSTER", "Change the number of workers",
     OPTIONS({"group", 'g', "NAME", "worker group (default: the only one)"}, {"replicas", 'r', "N", "workers wanted"},
             DRY_RUN_OPTION, WAIT_OPTIONS),
     1, 1, false, "  atelier ray scale example-cluster -n alice -g workers -r 3\n", verb_ray_scale},
    {"ray suspend", "CLUSTER", "Let a cluster's pods go; it, its name and its settings stay", OPTIONS(DRY_RUN_OPTION),
     1, 1, false, "  atelier ray suspend example-cluster -n alice\n", verb_ray_suspend},
    {"ray resume", "CLUSTER", "Start a suspended cluster again", OPTIONS(DRY_RUN_OPTION, WAIT_OPTIONS), 1, 1, false,
     "  atelier ray resume example-cluster -n alice --wait\n", verb_ray_resume},
    {"ray keep", "CLUSTER", "Neither suspend nor delete a cluster for want of use until then",
     OPTIONS(UNTIL_OPTION, DRY_RUN_OPTION), 1, 1, false,
     "  atelier ray keep example-cluster -n alice\n  atelier ray keep example-cluster -n alice --until 2026-12-31\n",
     verb_ray_keep},
    {"ray publish", "CLUSTER|RAYSERVICE PREFIX...",
     "Let anybody use applications below these paths, without signing in; replaces what was open",
     OPTIONS(DRY_RUN_OPTION), 2, CALL_ARGUMENTS_MAX, false,
     "  atelier ray publish hello -n alice /hello\n  curl http://127.0.0.1:8080/serve/alice/hello/hello\n",
     verb_ray_publish},
    {"ray unpublish", "CLUSTER|RAYSERVICE", "Close them again; what is open of them ends at once",
     OPTIONS(DRY_RUN_OPTION), 1, 1, false, "  atelier ray unpublish hello -n alice\n", verb_ray_unpublish},
    {"ray token", "CLUSTER|RAYSERVICE PREFIX",
     "Make an API token that opens the applications below this path and does nothing else; prints it once",
     TOKEN_OPTIONS, 2, 2, false,
     "  atelier ray token hello -n alice /hello --name billing --ttl 90d\n"
     "  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/serve/alice/hello/hello\n",
     verb_ray_token},
    {"ray open", "CLUSTER", "Print where a browser opens the dashboard", NULL, 1, 1, false,
     "  atelier ray open example-cluster -n alice\n", verb_ray_open},
    {"ray dashboard", "CLUSTER", "Open the dashboard in the browser, and print its address", NULL, 1, 1, false,
     "  atelier ray dashboard example-cluster -n alice\n", verb_ray_dashboard},
    {"ray forward", "CLUSTER [[LOCAL:]PORT...]",
     "Make a cluster's ports (default 10001, 8265 and 8000) ports of this machine, until Ctrl-C", NULL, 1, 1 + 8, false,
     "  atelier ray forward example-cluster -n alice\n"
     "  # then, in another terminal, with the cluster's token from `atelier ray env`:\n"
     "  python -c 'import ray; ray.init(\"ray://127.0.0.1:10001\")'\n",
     verb_ray_forward},
    {"ray env", "CLUSTER", "Print what a shell exports to reach a forwarded cluster; it holds the cluster's token",
     NULL, 1, 1, false,
     "  atelier ray env example-cluster -n alice\n  atelier ray forward example-cluster -n alice &\n  eval \"$(atelier "
     "ray env example-cluster -n alice)\"\n"
     "  python -c 'import ray; ray.init(); print(ray.cluster_resources())'\n",
     verb_ray_env},
    {"ray services", "", "Show RayServices", get_options, 0, 0, false, "  atelier ray services -n alice\n",
     verb_ray_services},
    {"ray service", "NAME", "Show the applications of a RayService, and the cluster that each is on", NULL, 1, 1, false,
     "  atelier ray service hello -n alice\n", verb_ray_service},
    {"ray list", "", "Show Ray clusters", get_options, 0, 0, false,
     "  atelier ray list -n alice\n"
     "  atelier ray list -n alice -o wide   # with the addresses of Ray Client and of Serve's gRPC\n",
     verb_ray_list},
    {"ray describe", "CLUSTER", "Show everything about a Ray cluster, its addresses for gRPC, and what happened to it",
     NULL, 1, 1, false, "  atelier ray describe example-cluster -n alice\n", verb_ray_describe},
    {"ray delete", "NAME...", "Delete Ray clusters",
     OPTIONS({"ignore-not-found", 0, NULL, "absent objects are no error"},
             {"wait", 'w', NULL, "wait until they are gone"}, DRY_RUN_OPTION),
     1, CALL_ARGUMENTS_MAX - 1, false, "  atelier ray delete example-cluster -n alice\n", verb_ray_delete},

    {"job create", "NAME", "Run a command as a RayJob, on a cluster made for it, which goes when it ends",
     OPTIONS({"cluster", 0, "NAME", "on this one instead, which stays"},
             {"working-dir", 0, "DIR", "with --cluster: uploaded to it, and where the command runs"},
             {"runtime-env", 0, "FILE|YAML", "of the job, such as \"{pip: [emoji]}\""},
             {"retries", 0, "N", "of one that fails (default 0)"},
             {"deadline", 0, "SECONDS", "it is stopped after this long"},
             {"keep-cluster", 0, "SECONDS", "its cluster stays for so long after the end"},
             RAY_OPTIONS("0: the head does the work", "off"), DRY_RUN_OPTION),
     1, 1, true,
     "  atelier job create train -n alice --head-cpu 4 --volume data:/data -- python /data/train.py --epochs 3\n"
     "  atelier job create report -n alice --cluster example-cluster --working-dir . -- python report.py\n",
     verb_job_create},
    {"job stop", "JOB", "Stop the command of a RayJob that runs", NULL, 1, 1, false,
     "  atelier job stop train -n alice\n", verb_job_stop},
    {"job suspend", "JOB", "Let the cluster of a RayJob go; resumed, the job begins afresh", OPTIONS(DRY_RUN_OPTION), 1,
     1, false, "  atelier job suspend train -n alice\n", verb_job_suspend},
    {"job resume", "JOB", "Start a suspended RayJob again", OPTIONS(DRY_RUN_OPTION), 1, 1, false,
     "  atelier job resume train -n alice\n", verb_job_resume},
    {"job rerun", "JOB", "Make the same RayJob once more, as JOB-2 and so on", OPTIONS(DRY_RUN_OPTION), 1, 1, false,
     "  atelier job rerun train -n alice\n", verb_job_rerun},
    {"job delete", "JOB...", "Delete RayJobs and the clusters made for them; what is kept of their runs stays",
     OPTIONS({"ignore-not-found", 0, NULL, "absent objects are no error"},
             {"wait", 'w', NULL, "wait until they are gone"}, DRY_RUN_OPTION),
     1, CALL_ARGUMENTS_MAX - 1, false, "  atelier job delete train -n alice\n", verb_job_delete},
    {"job list", "[JOB]", "Show the runs of RayJobs that have ended, also when job and cluster are gone", watch_options,
     0, 1, false, "  atelier job list -n alice\n  atelier job list train -n alice -o json\n", verb_job_list},
    {"job logs", "JOB", "Print what a RayJob's driver has printed, also when its cluster is gone",
     OPTIONS({"run", 0, "ID", "an earlier run (default: the latest)"}), 1, 1, false,
     "  atelier job logs train -n alice\n  atelier job logs train -n alice --run train-x2v7k\n", verb_job_logs},

    {"profile create", "NAME", "Make a profile: a namespace of one's own",
     OPTIONS({"owner", 0, "E-MAIL", "whose it is (default: yours)"}, DRY_RUN_OPTION, WAIT_OPTIONS), 1, 1, false,
     "  atelier profile create alice --wait\n  atelier profile create alice --owner alice@example.com\n",
     verb_profile_create},
    {"profile list", "", "Show profiles", OPTIONS(SELECT_OPTIONS), 0, 0, false, "  atelier profile list\n",
     verb_profile_list},
    {"profile get", "NAME", "Show one profile", NULL, 1, 1, false, "  atelier profile get alice -o yaml\n",
     verb_profile_get},
    {"profile delete", "NAME", "Delete a profile with everything in it; asks for its name",
     OPTIONS({"confirm", 0, "NAME", "the name once more, instead of asking"},
             {"wait", 'w', NULL, "wait until it is gone"}),
     1, 1, false, "  atelier profile delete alice --confirm alice --wait\n", verb_profile_delete},
    {"profile owner", "NAME E-MAIL", "Give a profile to another account", NULL, 2, 2, false,
     "  atelier profile owner alice bob@example.com\n", verb_profile_owner},
    {"share", "PROFILE E-MAIL", "Let someone else in",
     OPTIONS(
         {"role", 0, "ROLE", "viewer, editor (default) or admin"}, {"notebook", 0, "NAME", "only this notebook"},
         {"ray", 0, "NAME", "only this Ray cluster"},
         {"until", 0, "TIME", "a date, a time, a duration such as 2w, or never (default: as it was; at first never)"}),
     2, 2, false,
     "  atelier share alice bob@example.com\n  atelier share alice carol@example.com --role viewer --notebook nb1 "
     "--until 2w\n",
     verb_share},
    {"unshare", "PROFILE E-MAIL", "Take it back; open connections close at once",
     OPTIONS({"notebook", 0, "NAME", "only this notebook"}, {"ray", 0, "NAME", "only this Ray cluster"}), 2, 2, false,
     "  atelier unshare alice bob@example.com\n", verb_unshare},
    {"members", "PROFILE", "Show who may use a profile", watch_options, 1, 1, false, "  atelier members alice\n",
     verb_members},

    {"user create", "E-MAIL", "Make an account; prints its invitation link",
     OPTIONS({"admin", 0, NULL, "a platform admin"}), 1, 1, false, "  atelier user create alice@example.com\n",
     verb_user_create},
    {"user list", "", "Show accounts", watch_options, 0, 0, false, "  atelier user list\n", verb_user_list},
    {"user reset-link", "E-MAIL", "Print a link that sets a new password", NULL, 1, 1, false,
     "  atelier user reset-link alice@example.com\n", verb_user_reset_link},
    {"user disable", "E-MAIL", "Lock an account out", NULL, 1, 1, false, "  atelier user disable bob@example.com\n",
     verb_user_disable},
    {"user enable", "E-MAIL", "Let it in again", NULL, 1, 1, false, "  atelier user enable bob@example.com\n",
     verb_user_enable},
    {"user delete", "E-MAIL", "Delete an account", NULL, 1, 1, false, "  atelier user delete bob@example.com\n",
     verb_user_delete},
    {"token create", "", "Make an API token; prints it once", TOKEN_OPTIONS, 0, 0, false,
     "  atelier token create --user alice@example.com --name laptop --ttl 90d\n", verb_token_create},
    {"token list", "", "Show your API tokens; with -n, those of that profile's applications, whoever made them",
     watch_options, 0, 0, false, "  atelier token list\n  atelier token list -n alice\n", verb_token_list},
    {"token delete", "ID", "Make a token useless; with -n, one of that profile's applications, whoever made it", NULL,
     1, 1, false, "  atelier token delete 7\n  atelier token delete 7 -n alice\n", verb_token_delete},

    {"password", "", "Change your password: the present one and the new one are asked for, or read from stdin", NULL, 0,
     0, false, "  atelier password\n", verb_password},
    {"session list", "", "Show where you are signed in by browser", watch_options, 0, 0, false,
     "  atelier session list\n", verb_session_list},
    {"session end", "[ID]", "Sign a browser out", OPTIONS({"all", 0, NULL, "every one of them"}), 0, 1, false,
     "  atelier session end 7\n  atelier session end --all\n", verb_session_end},

    {"login", "URL", "Sign in to a service elsewhere through the browser, and keep that as a context",
     OPTIONS({"no-browser", 0, NULL, "print the page's address, and read the code that it shows (over ssh)"},
             {"token", 0, NULL, "read an API token from stdin instead (also when stdin is no terminal)"},
             {"ttl", 0, "TIME", "how long to stay signed in by browser (default 90d)"},
             {"name", 0, "NAME", "of the context (default: the host)"},
             {"ca", 0, "FILE", "the CA that the service's certificate comes from"}),
     1, 1, false,
     "  atelier login https://ml.example.com\n  atelier login https://ml.example.com --no-browser\n"
     "  atelier login https://127.0.0.1:8443 --ca ca.pem --name box --token < token.txt\n",
     verb_login},
    {"logout", "[CONTEXT]", "Forget a context (default: the current one)", NULL, 0, 1, false,
     "  atelier logout ml.example.com\n", verb_logout},
    {"context list", "", "Show the services you are signed in to", NULL, 0, 0, false, "  atelier context list\n",
     verb_context_list},
    {"context use", "NAME",
     "Use another service from now on; local is the one of this machine. With -n also another profile of it", NULL, 1,
     1, false,
     "  atelier context use ml.example.com\n  atelier context use ml.example.com -n alice\n  atelier context use "
     "local\n",
     verb_context_use},
    {"kubeconfig", "", "Print a kubeconfig with a token of its own: kubectl against this service",
     OPTIONS({"server", 0, "URL", "its https address (default: where you are signed in, or https://localhost:8443)"},
             {"ca", 0, "FILE", "the CA that its certificate comes from (default: its own)"},
             {"user", 'u', "E-MAIL", "for whom (platform admins; default: yourself)"},
             {"name", 0, "NAME", "of the token (default kubectl)"},
             {"ttl", 0, "TIME", "how long the token is good, such as 90d"}),
     0, 0, false,
     "  atelier kubeconfig -n alice > kubeconfig && kubectl --kubeconfig kubeconfig get pods\n"
     "  atelier kubeconfig --user alice@example.com --ttl 12h\n",
     verb_kubeconfig},
    {"ca", "", "Print the certificate that browsers and kubectl must trust to speak https with this service", NULL, 0,
     0, false, "  atelier ca > ca.crt && curl --cacert ca.crt https://localhost:8443/healthz\n", verb_ca},
    {"whoami", "", "Show who you are here", NULL, 0, 0, false, "  atelier whoami -o json\n", verb_whoami},
    {"usage", "", "Show what the machine has and who holds it", NULL, 0, 0, false, "  atelier usage\n", verb_usage},
    {"health", "", "Show which part of the service is not in order, and why (platform admins); exit code 1 if one is",
     NULL, 0, 0, false, "  atelier health\n  atelier health -o json\n", verb_health},
    {"images", "", "Show the installed images", watch_options, 0, 0, false, "  atelier images\n", verb_images},
    {"audit", "", "Show who did what (-n: in one profile)",
     OPTIONS({"limit", 0, "N", "the last N (default 50)"}, {"watch", 'w', NULL, "go on with what is added"}), 0, 0,
     false, "  atelier audit -n alice --limit 20\n", verb_audit},

    {"local up", "", "Run Atelier on this machine, in the foreground",
     OPTIONS({"data", 0, "DIR", "data directory (ATELIER_DATA)"}, {"images", 0, "DIR", "images (ATELIER_IMAGES)"}), 0,
     0, false, "  atelier local up\n  ATELIER_LISTEN=127.0.0.1:9000 atelier local up --data /srv/atelier\n",
     verb_local_up},
    {"local status", "", "Show the processes of this machine",
     OPTIONS({"data", 0, "DIR", "data directory (ATELIER_DATA)"}, {"images", 0, "DIR", "images (ATELIER_IMAGES)"}), 0,
     0, false, "  atelier local status\n", verb_local_status},
    {"local down", "", "Stop everything on this machine, pods included",
     OPTIONS({"data", 0, "DIR", "data directory (ATELIER_DATA)"}, {"images", 0, "DIR", "images (ATELIER_IMAGES)"}), 0,
     0, false, "  atelier local down\n", verb_local_down},
    {"completion", "SHELL", "Print a completion script for bash, zsh or fish", NULL, 1, 1, false,
     "  atelier completion bash > /etc/bash_completion.d/atelier\n  . <(atelier completion bash)\n", verb_completion},
    {"man", "", "Print the manual page", NULL, 0, 0, false, "  atelier man | man -l -\n", verb_man},
    {"__complete", "", "What a completion script asks", NULL, 0, 0, true, "  atelier __complete -- get note\n",
     verb_complete},
    {"version", "", "Show the release", NULL, 0, 0, false, "  atelier version\n", verb_version},
    {NULL, NULL, NULL, NULL, 0, 0, false, NULL, NULL},
};
