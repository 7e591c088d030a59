# SPDX-License-Identifier: Apache-2.0
variable "name" {
  type        = string
  description = "What is made is named after it."
}

variable "domain" {
  type        = string
  description = "Whose zone Route 53 holds."
}

variable "host" {
  type        = string
  description = "The API's name, in that domain."
}

variable "vpc_id" {
  type        = string
  description = "The network."
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Where the load balancer is."
}

variable "node_group_id" {
  type        = string
  description = "Security group of the nodes on which gateways run."
}

variable "origin_token" {
  type        = string
  description = "By which the load balancer knows the CDN."
  sensitive   = true
}

variable "requests_per_5_minutes" {
  type        = number
  description = "Of one address; what is more is refused."
  default     = 3000
}

variable "price_class" {
  type        = string
  description = "Where CloudFront answers."
  default     = "PriceClass_200"
}

variable "keep" {
  type        = bool
  description = "Nothing is deleted."
}

variable "log_days" {
  type        = number
  description = "How long logs are kept."
}
