# SPDX-License-Identifier: Apache-2.0
variable "name" {
  type        = string
  description = "Of the cluster, and of the namespace in which the chart is installed."
}

variable "kubernetes_version" {
  type        = string
  description = "Such as 1.33."
}

variable "vpc_id" {
  type        = string
  description = "The network."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Where nodes are."
}

variable "admin_cidrs" {
  type        = list(string)
  description = "Who may reach Kubernetes' API from outside."
}

variable "admin_role_arns" {
  type        = list(string)
  description = "Roles that administer the cluster."
}

variable "log_days" {
  type        = number
  description = "How long logs are kept."
}

variable "bucket_arn" {
  type        = string
  description = "Objects that workers read and write."
}

variable "target_group_arn" {
  type        = string
  description = "To which the gateway's pods are bound."
}
