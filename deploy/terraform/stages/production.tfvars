# SPDX-License-Identifier: Apache-2.0
region             = "eu-central-1"
stage              = "production"
cidr               = "10.30.0.0/16"
zones              = ["eu-central-1a", "eu-central-1b"]
quorum_zone        = "eu-central-1c"
domain             = "example.com"
passwords_secret   = "chard-production/passwords"
database_class     = "db.m6g.large"
database_gigabytes = 200
broker_class       = "mq.m5.large"
cache_class        = "cache.m6g.large"
kafka_class        = "kafka.m5.large"
kafka_gigabytes    = 200
monthly_budget_usd = 4000
log_days           = 90
