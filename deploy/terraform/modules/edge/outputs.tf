# SPDX-License-Identifier: Apache-2.0
output "host" {
  description = "The API's name."
  value       = var.host
}

output "target_group_arn" {
  description = "To which gateways are bound."
  value       = aws_lb_target_group.gateway.arn
}

output "target_group_suffix" {
  description = "The same, as CloudWatch calls it."
  value       = aws_lb_target_group.gateway.arn_suffix
}

output "load_balancer_suffix" {
  description = "The load balancer, as CloudWatch calls it."
  value       = aws_lb.this.arn_suffix
}
