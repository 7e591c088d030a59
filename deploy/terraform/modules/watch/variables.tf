# SPDX-License-Identifier: Apache-2.0
variable "name" {
  type        = string
  description = "What is made is named after it."
}

variable "tags" {
  type        = map(string)
  description = "What everything bears; by its stage the budget knows what to count."
}

variable "monthly_budget_usd" {
  type        = number
  description = "What a month may cost."
}

variable "alarm_kind" {
  type        = string
  description = "slack or discord."
}

variable "alarm_webhook_url" {
  type        = string
  description = "Where alarms go."
  sensitive   = true
}

variable "database_id" {
  type        = string
  description = "The database."
}

variable "broker_name" {
  type        = string
  description = "The broker."
}

variable "most_waiting" {
  type        = number
  description = "Messages that may wait in RabbitMQ."
  default     = 500000
}

variable "cache_nodes" {
  type        = map(list(string))
  description = "Nodes of each cache."
}

variable "kafka_name" {
  type        = string
  description = "The Kafka cluster."
}

variable "load_balancer" {
  type        = string
  description = "The load balancer, as CloudWatch calls it."
}

variable "target_group" {
  type        = string
  description = "Its target group, as CloudWatch calls it."
}

variable "log_days" {
  type        = number
  description = "How long logs are kept."
}
