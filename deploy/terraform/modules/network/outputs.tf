# SPDX-License-Identifier: Apache-2.0
output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "One a zone."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "application_subnet_ids" {
  description = "One a zone."
  value       = [for zone in var.zones : aws_subnet.application[zone].id]
}

output "data_subnet_ids" {
  description = "One a zone."
  value       = [for zone in var.zones : aws_subnet.data[zone].id]
}

output "quorum_subnet_id" {
  description = "The third zone's."
  value       = aws_subnet.data[var.quorum_zone].id
}
