# SPDX-License-Identifier: Apache-2.0
output "pod_log_group" {
  description = "Where a collector of pods' logs writes."
  value       = aws_cloudwatch_log_group.pods.name
}

output "alarm_topic_arn" {
  description = "What is published here is told as alarms are."
  value       = aws_sns_topic.alarms.arn
}
