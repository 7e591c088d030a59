# SPDX-License-Identifier: Apache-2.0
output "name" {
  description = "The cluster."
  value       = aws_eks_cluster.this.name
}

output "node_security_group_id" {
  description = "All nodes', Karpenter's too."
  value       = aws_security_group.node.id
}

output "service_account_roles" {
  description = "Role of each service account."
  value       = { for name, subject in local.accounts : trimprefix(subject, "system:serviceaccount:") => aws_iam_role.account[name].arn }
}

output "interruption_queue" {
  description = "Where Karpenter hears that a node is about to go."
  value       = aws_sqs_queue.interruptions.name
}
