# SPDX-License-Identifier: Apache-2.0
output "cluster_name" {
  description = "CLUSTER of deploy/karpenter/nodepools.yaml, and the namespace of the chart."
  value       = module.cluster.name
}

output "service_account_roles" {
  description = "What each service account's annotation eks.amazonaws.com/role-arn says; chard's is for serviceAccount.annotations of the chart."
  value       = module.cluster.service_account_roles
}

output "interruption_queue" {
  description = "For Karpenter's settings.interruptionQueue."
  value       = module.cluster.interruption_queue
}

output "database_endpoint" {
  description = "HOST:PORT of CHARD_STORE_URL."
  value       = module.data.database_endpoint
}

output "database_secret_arn" {
  description = "Secret with the database's user and password, which RDS made and changes."
  value       = module.data.database_secret_arn
}

output "broker_endpoints" {
  description = "amqps addresses for CHARD_BROKER_URL."
  value       = module.data.broker_endpoints
}

output "broker_console" {
  description = "For CHARD_BROKER_ADMIN_URL; at port 443, which networkPolicy.broker.ports must have."
  value       = module.data.broker_console
}

output "kafka_servers" {
  description = "CHARD_KAFKA_SERVERS."
  value       = module.data.kafka_servers
}

output "cache_endpoints" {
  description = "Hosts of the caches; session's is for CHARD_RESULT_URL (rediss://:PASSWORD@HOST:6379)."
  value       = module.data.cache_endpoints
}

output "bucket" {
  description = "Bucket of objects."
  value       = module.data.bucket
}

output "api_host" {
  description = "For gateway.hosts of the chart."
  value       = module.edge.host
}

output "target_group_arn" {
  description = "To which a TargetGroupBinding of the AWS load balancer controller binds the gateway's service."
  value       = module.edge.target_group_arn
}

output "pod_log_group" {
  description = "Where a collector of pods' logs writes."
  value       = module.watch.pod_log_group
}
