# SPDX-License-Identifier: Apache-2.0
variable "region" {
  type        = string
  description = "Where the states are kept."
}

variable "bucket" {
  type        = string
  description = "The bucket's name, as in stages/*.s3.tfbackend."
}
