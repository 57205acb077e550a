/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of controllers (control.c). */
#ifndef CONTROL_CONTROLLERS_H
#define CONTROL_CONTROLLERS_H

#include "control/controller.h"

extern const ControllerOps statefulset_controller;
extern const ControllerOps replicaset_controller;
extern const ControllerOps replication_controller; /* ReplicationControllers */
extern const ControllerOps deployment_controller;
extern const ControllerOps daemonset_controller;
extern const ControllerOps job_controller;
extern const ControllerOps cronjob_controller;
extern const ControllerOps cluster_role_controller; /* aggregates ClusterRoles */
extern const ControllerOps definition_controller;   /* CustomResourceDefinitions */
extern const ControllerOps quota_controller;        /* status of ResourceQuotas */
extern const ControllerOps budget_controller;       /* status of PodDisruptionBudgets */
extern const ControllerOps volume_controller; /* provisions and binds claims, reclaims volumes */
extern const ControllerOps claim_protect_controller; /* keeps claims while they are in use */
extern const ControllerOps endpoints_controller;     /* EndpointSlices and Endpoints of Services */
extern const ControllerOps mirror_controller;    /* EndpointSlices of Endpoints that users write */
extern const ControllerOps namespace_controller; /* fills new namespaces, empties deleted ones */
extern const ControllerOps garbage_controller;   /* follows owner references */
extern const ControllerOps event_expiry_controller;      /* deletes old Events */
extern const ControllerOps load_balancer_controller;     /* addresses for LoadBalancer Services */
extern const ControllerOps taint_eviction_controller;    /* evicts pods by NoExecute taints */
extern const ControllerOps address_range_controller;     /* ServiceCIDRs */
extern const ControllerOps ip_address_controller;        /* IPAddresses of Services */
extern const ControllerOps scheduler_controller;         /* binds pods to the node */
extern const ControllerOps autoscaler_controller;        /* HorizontalPodAutoscalers */
extern const ControllerOps bootstrap_controller;         /* bootstrap tokens */
extern const ControllerOps pod_claim_controller;         /* ResourceClaims from templates */
extern const ControllerOps claim_reservation_controller; /* who uses a ResourceClaim */
extern const ControllerOps certificate_controller;       /* CertificateSigningRequests */

#endif
