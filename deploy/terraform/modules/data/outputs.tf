# SPDX-License-Identifier: Apache-2.0
output "database_id" {
  description = "The database, as CloudWatch calls it."
  value       = aws_db_instance.this.identifier
}

output "database_endpoint" {
  description = "HOST:PORT."
  value       = aws_db_instance.this.endpoint
}

output "database_secret_arn" {
  description = "Its user and password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "broker_name" {
  description = "The broker, as CloudWatch calls it."
  value       = aws_mq_broker.this.broker_name
}

output "broker_endpoints" {
  description = "amqps addresses."
  value       = flatten(aws_mq_broker.this.instances[*].endpoints)
}

output "broker_console" {
  description = "The management API."
  value       = aws_mq_broker.this.instances[0].console_url
}

output "cache_endpoints" {
  description = "Host of each cache."
  value       = { for name, group in aws_elasticache_replication_group.this : name => group.primary_endpoint_address }
}

output "cache_nodes" {
  description = "Nodes of each cache, as CloudWatch calls them."
  value       = { for name, group in aws_elasticache_replication_group.this : name => [for number in [1, 2] : format("%s-%03d", group.replication_group_id, number)] }
}

output "kafka_name" {
  description = "The Kafka cluster, as CloudWatch calls it."
  value       = aws_msk_cluster.this.cluster_name
}

output "kafka_servers" {
  description = "HOST:PORT,… without TLS."
  value       = aws_msk_cluster.this.bootstrap_brokers
}

output "bucket" {
  description = "Bucket of objects."
  value       = aws_s3_bucket.objects.bucket
}

output "bucket_arn" {
  description = "Bucket of objects."
  value       = aws_s3_bucket.objects.arn
}
