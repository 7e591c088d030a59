# SPDX-License-Identifier: Apache-2.0
variable "name" {
  type        = string
  description = "Servers are named after it."
}

variable "vpc_id" {
  type        = string
  description = "The network."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Data subnets of the two zones."
}

variable "quorum_subnet_id" {
  type        = string
  description = "The third zone's, for what needs a majority."
}

variable "client_group_id" {
  type        = string
  description = "Security group of who may call."
}

variable "keep" {
  type        = bool
  description = "Nothing is deleted, or changed outside the hours for it."
}

variable "log_days" {
  type        = number
  description = "How long logs are kept."
}

variable "database_version" {
  type        = string
  description = "PostgreSQL's major version."
}

variable "database_class" {
  type        = string
  description = "Of RDS."
}

variable "database_gigabytes" {
  type        = number
  description = "Disk at first."
}

variable "broker_cluster" {
  type        = bool
  description = "Three RabbitMQ nodes; otherwise one."
}

variable "broker_class" {
  type        = string
  description = "Of Amazon MQ."
}

variable "broker_password" {
  type        = string
  description = "Of RabbitMQ's user chard."
  sensitive   = true
}

variable "cache_class" {
  type        = string
  description = "Of ElastiCache."
}

variable "session_password" {
  type        = string
  description = "Of the cache session."
  sensitive   = true
}

variable "cache_password" {
  type        = string
  description = "Of the cache cache."
  sensitive   = true
}

variable "kafka_version" {
  type        = string
  description = "One that MSK has."
  default     = "3.8.x"
}

variable "kafka_class" {
  type        = string
  description = "Of MSK."
}

variable "kafka_gigabytes" {
  type        = number
  description = "Each broker's disk at first."
}
