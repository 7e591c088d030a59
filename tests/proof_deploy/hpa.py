# SPDX-License-Identifier: Apache-2.0
"""How many replicas a HorizontalPodAutoscaler asks for, by the rules of Kubernetes' controller (k8s.io/kubernetes 1.35, pkg/controller/podautoscaler):
what a metric asks for as GetExternalPerPodMetricReplicas in replica_calculator.go says, what may be done at once as normalizeDesiredReplicasWithBehaviors in
horizontal.go. Nothing of them runs here: these are the rules in Python, of the `behavior` that the chart renders."""

import math

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
SYNC_S = 15  # --horizontal-pod-autoscaler-sync-period


def asked_by(value, target, replicas):
    """By one metric with an average value a replica: `value` is of all of them. Close to the target nothing changes."""
    return replicas if abs(value / (target * replicas) - 1) <= TOLERANCE else math.ceil(value / target)


class Autoscaler:
    """`speed`: how much faster than the clock all its periods go."""

    def __init__(self, least, most, behavior, speed=1.0):
        self.least, self.most, self.speed = least, most, speed
        self.up, self.down = behavior["scaleUp"], behavior["scaleDown"]
        self.asked, self.changes = [], []  # (when, replicas); (when, how many more)

    def decide(self, now, replicas, metrics):
        """At `now`, in seconds, with [(value, target)]: the metric that asks for most counts."""
        wanted = max(asked_by(value, target, replicas) for value, target in metrics)
        decided = self.bounded(now, replicas, self.steady(now, replicas, min(max(wanted, self.least), self.most)))
        if decided != replicas:
            self.changes.append((now, decided - replicas))
        return decided

    def since(self, now, seconds, events):
        return [value for when, value in events if when > now - seconds / self.speed]

    def steady(self, now, replicas, wanted):
        """Up to the least, down to the most that was asked for in either window."""
        lowest = min([wanted, *self.since(now, self.up["stabilizationWindowSeconds"], self.asked)])
        highest = max([wanted, *self.since(now, self.down["stabilizationWindowSeconds"], self.asked)])
        self.asked.append((now, wanted))
        return min(max(replicas, lowest), highest)

    def bounded(self, now, replicas, wanted):
        """No further than the policies let it go from where their period began."""
        if wanted > replicas:
            return min(wanted, max(self.limit(now, replicas, one, 1) for one in self.up["policies"]))
        if wanted < replicas:
            return max(wanted, min(self.limit(now, replicas, one, -1) for one in self.down["policies"]))
        return replicas

    def limit(self, now, replicas, policy, sign):
        start = replicas - sum(self.since(now, policy["periodSeconds"], self.changes))
        if policy["type"] == "Pods":
            return max(start + sign * policy["value"], replicas) if sign > 0 else min(start - policy["value"], replicas)
        moved = start * (1 + sign * policy["value"] / 100)
        return max(math.ceil(moved), replicas) if sign > 0 else min(int(moved), replicas)
