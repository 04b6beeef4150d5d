/* Every bound of the daemon in one table, each with its reason. Reachable from tests by including this header. */
#ifndef ATELIER_SANDBOXD_LIMITS_H
#define ATELIER_SANDBOXD_LIMITS_H

#define BOX_PACKET_BYTES_MAX (64 * 1024) /* one SEQPACKET packet; well under the kernel's default SO_SNDBUF */
#define BOX_ATTACHED_BYTES_MAX                                                                                         \
    (4 * 1024 * 1024)           /* a larger request or answer travels in a memfd: 1 MiB ConfigMaps fit */
#define BOX_CONNECTIONS_MAX 256 /* a thread each; the one client keeps about ten */
#define BOX_SANDBOXES_MAX                                                                                              \
    3900                   /* uid blocks of BOX_UIDS_PER_SANDBOX in one block of 65536, less a user namespace's own */
#define BOX_UID_OF_PASTA 1 /* the second of a sandbox's uids */
#define BOX_PASTA_BACKOFF_FIRST_MS 1000
#define BOX_PASTA_BACKOFF_MAX_MS 10000 /* how late a laptop that comes back online is noticed */
#define BOX_PASTA_SETTLED_MS 60000     /* one that ran so long is started again at once */
#define BOX_UIDS_PER_SANDBOX 16        /* the first runs everything; the others are room for later */
#define BOX_PODS_PER_SANDBOX_MAX 1024  /* a bridge has 1024 ports (BR_MAX_PORTS) */
#define BOX_CONTAINERS_MAX 16
#define BOX_IMAGES_MAX 256    /* installed at once: a descriptor each while they are looked through */
#define BOX_GPU_INDEX_MAX 63  /* the largest machines have 16 */
#define BOX_GPU_FILES_MAX 128 /* a driver has about 40 */
#define BOX_ARGS_MAX 512
#define BOX_ENVS_MAX 1024
#define BOX_ARGUMENT_BYTES_MAX (96 * 1024) /* under the kernel's 128 KiB for a single string (MAX_ARG_STRLEN) */
#define BOX_MOUNTS_MAX 64
#define BOX_VOLUMES_MAX 64
#define BOX_VOLUME_FILES_MAX 1024
#define BOX_PATH_BYTES_MAX 1024
#define BOX_HOSTS_MAX 8192
#define BOX_HOST_NAMES_MAX 16
#define BOX_CPU_MILLI_MAX 1024000
#define BOX_CPU_START_MILLI                                                                                            \
    2000                           /* what a container that has just begun may take at least, whatever its limit: an   \
                                      import of Ray or Jupyter takes 10 s of a CPU, and Ray waits 30 s for itself */
#define BOX_CPU_START_DEFAULT_S 60 /* for so long; its share among those who want more stays its own */
#define BOX_CPU_START_MAX_S 3600
#define BOX_PIDS_MAX 32768
#define BOX_PIDS_DEFAULT 4096
#define BOX_MEMORY_MIN (16LL << 20) /* runc's own start needs about 8 MiB inside the limit */
#define BOX_MEMORY_MAX (1LL << 46)
#define BOX_SHM_DEFAULT (64LL << 20)     /* Docker's and Kubernetes' default */
#define BOX_VOLUME_MIN (16LL << 20)      /* the least that mke2fs makes a useful ext4 of */
#define BOX_VOLUME_MAX (16LL << 40)      /* ext4 with 4 KiB blocks */
#define BOX_SCRATCH_BYTES (32LL << 30)   /* a pod's /tmp, /var/tmp, HOME and emptyDirs together */
#define BOX_IMAGE_UNUSED_MAX_S 315360000 /* ten years */
#define BOX_GRACE_DEFAULT_S 30
#define BOX_GRACE_MAX_S 3600
#define BOX_NOFILE_MAX 65536
#define BOX_BACKOFF_FIRST_MS 1000
#define BOX_BACKOFF_MAX_MS 60000
#define BOX_BACKOFF_FORGET_MS 600000 /* Kubernetes forgets a container's crashes after ten minutes of running, too */
#define BOX_LOG_BYTES_MAX (16LL << 20)
#define BOX_DIAL_TIMEOUT_MS 5000
#define BOX_KILL_TIMEOUT_MS                                                                                            \
    10000 /* from SIGKILL to the monitor's exit; only a process stuck in the kernel needs it                           \
           */
#define BOX_RUNTIME_TIMEOUT_MS 30000 /* one runc or conmon call; 0.15 s when the machine is idle */
#define BOX_STATE_BYTES_MAX (8 * 1024 * 1024)
#define BOX_STEP_WORKERS 8
#define BOX_EXECS_PER_SANDBOX_MAX 64 /* commands run by hand at once: a process of ours each */
#define BOX_EXECS_MAX 512
#define BOX_EXEC_PACKET_BYTES 16384 /* channel and data: what the gateway reads at a time */
#define BOX_EXEC_GRACE_MS 1000      /* from SIGHUP to SIGKILL once nobody listens */
#define BOX_EXEC_LINGER_MS 10000    /* the caller reads how it ended, and closes */
#define BOX_ATTACH_PATIENCE_MS 1000 /* its output waits for whoever looks on: then the sockets are full */
#define BOX_EXEC_RESIZE_BYTES 128   /* {"Width":65535,"Height":65535} and room */

#endif
