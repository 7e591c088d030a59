# SPDX-License-Identifier: Apache-2.0
output "bucket" {
  description = "The bucket of the states."
  value       = aws_s3_bucket.state.bucket
}
