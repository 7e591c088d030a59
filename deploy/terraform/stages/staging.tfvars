# SPDX-License-Identifier: Apache-2.0
region             = "eu-central-1"
stage              = "staging"
cidr               = "10.20.0.0/16"
zones              = ["eu-central-1a", "eu-central-1b"]
quorum_zone        = "eu-central-1c"
domain             = "example.com"
passwords_secret   = "chard-staging/passwords"
database_class     = "db.t4g.small"
broker_cluster     = false
broker_class       = "mq.m5.large"
monthly_budget_usd = 1000
log_days           = 14
