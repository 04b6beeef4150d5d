/*
 * A pod that asks for TPUs without saying which. GKE gives a TPU node the labels of its accelerator and topology and,
 * on Autopilot and where nodes are made as they are needed, makes one only for a pod that selects both
 * (cloud.google.com/kubernetes-engine/docs/how-to/tpus). A node pool made by hand takes a pod without them, and a
 * compute class or another admission may add what is missing: so it is worth a warning and no refusal.
 */
#ifndef ATELIER_TENANCY_TPU_H
#define ATELIER_TENANCY_TPU_H

#include "base/json.h"

#define TPU_DEVICE "google.com/tpu"
#define TPU_ACCELERATOR "cloud.google.com/gke-tpu-accelerator"
#define TPU_TOPOLOGY "cloud.google.com/gke-tpu-topology"
#define TPU_COMPUTE_CLASS "cloud.google.com/compute-class" /* chooses nodes by itself */

/* Adds a sentence to the array <warnings> if the pod of the PodTemplateSpec <template>, which stands at <path>, asks
 * for a TPU and selects no kind of it. Pure. */
void tpu_warn(const char *path, const cJSON *template, cJSON *warnings);

#endif
