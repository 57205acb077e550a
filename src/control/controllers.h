/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of controllers. */
#ifndef CONTROL_CONTROLLERS_H
#define CONTROL_CONTROLLERS_H

#include "control/controller.h"

extern const ControllerOps statefulset_controller;
extern const ControllerOps replicaset_controller;
extern const ControllerOps deployment_controller;
extern const ControllerOps daemonset_controller;
extern const ControllerOps job_controller;
extern const ControllerOps cronjob_controller;
extern const ControllerOps cluster_role_controller; /* roles put together from others */
extern const ControllerOps budget_controller;       /* what disruption budgets allow */
extern const ControllerOps volume_controller; /* provisions and binds claims, reclaims volumes */
extern const ControllerOps claim_protect_controller; /* claims in use outlive their deletion */
extern const ControllerOps endpoints_controller;     /* EndpointSlices and Endpoints of Services */
extern const ControllerOps namespace_controller; /* furnishes namespaces; empties those that go */
extern const ControllerOps garbage_controller;   /* owner references */
extern const ControllerOps event_expiry_controller;  /* forgets old Events */
extern const ControllerOps load_balancer_controller; /* addresses for LoadBalancer Services */
extern const ControllerOps scheduler_controller;     /* gives pods to the node */

#endif
