/* How does Ray's autoscaler learn of a limit for all groups together? */
#include "engine/raylimit.h"

#define PROGRAM                                                                                                        \
    "import sys\n"                                                                                                     \
    "from ray.scripts.scripts import main\n"                                                                           \
    "try:\n"                                                                                                           \
    "    from ray.autoscaler._private.kuberay import autoscaling_config as kuberay\n"                                  \
    "    derive = kuberay._derive_autoscaling_config_from_ray_cr\n"                                                    \
    "    def limited(cluster):\n"                                                                                      \
    "        config = derive(cluster)\n"                                                                               \
    "        most = cluster['metadata'].get('annotations', {}).get('" RAYLIMIT_ANNOTATION "', '')\n"                   \
    "        if most.isdigit():\n"                                                                                     \
    "            config['max_workers'] = min(config['max_workers'], int(most))\n"                                      \
    "        return config\n"                                                                                          \
    "    kuberay._derive_autoscaling_config_from_ray_cr = limited\n"                                                   \
    "except (ImportError, AttributeError) as reason:\n"                                                                \
    "    print('" RAYLIMIT_ANNOTATION " is not known to this Ray:', reason, file=sys.stderr)\n"                        \
    "sys.argv[0] = 'ray'\n"                                                                                            \
    "sys.exit(main())\n"

void raylimit_command(cJSON *container, const char *cluster, const char *namespace)
{
    const char *const words[] = {"kuberay-autoscaler", "--cluster-name", cluster, "--cluster-namespace", namespace};
    cJSON *command = json_set(container, "command", json_array());
    cJSON *arguments = json_set(container, "args", json_array());
    json_push_text(command, "python");
    json_push_text(command, "-c");
    json_push_text(arguments, PROGRAM);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        json_push_text(arguments, words[i]);
}
