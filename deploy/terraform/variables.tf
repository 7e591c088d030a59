# SPDX-License-Identifier: Apache-2.0
variable "region" {
  type        = string
  description = "Where everything runs."
}

variable "stage" {
  type        = string
  description = "staging or production; part of every name."

  validation {
    condition     = contains(["staging", "production"], var.stage)
    error_message = "stage is staging or production."
  }
}

variable "cidr" {
  type        = string
  description = "Addresses of the network; a /16."
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr is a /16 such as 10.20.0.0/16."
  }
}

variable "zones" {
  type        = list(string)
  description = "Two availability zones."

  validation {
    condition     = length(distinct(var.zones)) == 2 && length(var.zones) == 2
    error_message = "Two zones, since subnets and servers are laid out for two."
  }
}

variable "quorum_zone" {
  type        = string
  description = "A third zone, with one data subnet: Kafka's three brokers must be in as many zones, or two of them fail together."

  validation {
    condition     = !contains(var.zones, var.quorum_zone)
    error_message = "quorum_zone is none of zones."
  }
}

variable "domain" {
  type        = string
  description = "A domain whose zone Route 53 holds; the API is api.DOMAIN, or api.staging.DOMAIN."
}

variable "kubernetes_version" {
  type        = string
  description = "One that the chart is tested with, and EKS has."
  default     = "1.33"
}

variable "admin_cidrs" {
  type        = list(string)
  description = "Who may reach Kubernetes' API from outside; nobody unless named."
  default     = []
}

variable "admin_role_arns" {
  type        = list(string)
  description = "Roles that administer the cluster, besides the one that makes it."
  default     = []
}

variable "passwords_secret" {
  type        = string
  description = "Secret of Secrets Manager, made by hand: JSON with the texts broker, session, cache (16 to 128 characters, no spaces, none of @ \" / , : =) and origin."
}

variable "database_version" {
  type        = string
  description = "PostgreSQL's major version."
  default     = "15"
}

variable "database_class" {
  type        = string
  description = "Of RDS."
  default     = "db.t4g.medium"
}

variable "database_gigabytes" {
  type        = number
  description = "The database's disk at first; it grows to five times that by itself."
  default     = 50
}

variable "broker_cluster" {
  type        = bool
  description = "Three RabbitMQ nodes; otherwise one."
  default     = true
}

variable "broker_class" {
  type        = string
  description = "Of Amazon MQ; a cluster needs mq.m5.large at least."
  default     = "mq.m5.large"

  validation {
    condition     = !(var.broker_cluster && startswith(var.broker_class, "mq.t3."))
    error_message = "Amazon MQ has no cluster of mq.t3: broker_class = \"mq.m5.large\", or broker_cluster = false."
  }
}

variable "cache_class" {
  type        = string
  description = "Of ElastiCache."
  default     = "cache.t4g.small"
}

variable "kafka_class" {
  type        = string
  description = "Of MSK."
  default     = "kafka.t3.small"
}

variable "kafka_gigabytes" {
  type        = number
  description = "Each broker's disk at first; it grows to four times that by itself."
  default     = 50
}

variable "monthly_budget_usd" {
  type        = number
  description = "What a month may cost; alarms at 80 and 100 % of it."
  default     = 2000
}

variable "alarm_kind" {
  type        = string
  description = "Whose incoming webhook alarm_webhook_url is: slack or discord."
  default     = "slack"

  validation {
    condition     = contains(["slack", "discord"], var.alarm_kind)
    error_message = "alarm_kind is slack or discord."
  }
}

variable "alarm_webhook_url" {
  type        = string
  description = "Where alarms go; a secret, so by TF_VAR_alarm_webhook_url."
  sensitive   = true

  validation {
    condition     = startswith(var.alarm_webhook_url, "https://")
    error_message = "alarm_webhook_url begins with https://."
  }
}

variable "log_days" {
  type        = number
  description = "How long logs are kept; one of CloudWatch's terms, such as 30."
  default     = 30
}
