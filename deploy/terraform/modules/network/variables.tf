# SPDX-License-Identifier: Apache-2.0
variable "name" {
  type        = string
  description = "Of the network; what it holds is named after it."
}

variable "region" {
  type        = string
  description = "Of the endpoints."
}

variable "cidr" {
  type        = string
  description = "A /16."
}

variable "zones" {
  type        = list(string)
  description = "Two, with all kinds of subnets."
}

variable "quorum_zone" {
  type        = string
  description = "A third, with a data subnet."
}

variable "log_days" {
  type        = number
  description = "How long logs are kept."
}
