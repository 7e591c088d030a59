# SPDX-License-Identifier: Apache-2.0
# chard on AWS: a network in two zones, Kubernetes, the servers that chard needs, the way in from outside, and what watches over it.
# docs/production.md leads through it.

locals {
  name       = "chard-${var.stage}" # also the namespace, as deploy/argo/stages has it
  production = var.stage == "production"
  tags       = { project = "chard", stage = var.stage }
}

# Passwords that servers are made with. They are read here and so are in the state, whose bucket is closed (state/).
data "aws_secretsmanager_secret_version" "passwords" {
  secret_id = var.passwords_secret
}

locals {
  passwords = jsondecode(data.aws_secretsmanager_secret_version.passwords.secret_string)
}

module "network" {
  source      = "./modules/network"
  name        = local.name
  region      = var.region
  cidr        = var.cidr
  zones       = var.zones
  quorum_zone = var.quorum_zone
  log_days    = var.log_days
}

module "cluster" {
  source             = "./modules/cluster"
  name               = local.name
  kubernetes_version = var.kubernetes_version
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.application_subnet_ids
  admin_cidrs        = var.admin_cidrs
  admin_role_arns    = var.admin_role_arns
  log_days           = var.log_days
  bucket_arn         = module.data.bucket_arn
  target_group_arn   = module.edge.target_group_arn
}

module "data" {
  source             = "./modules/data"
  name               = local.name
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.data_subnet_ids
  quorum_subnet_id   = module.network.quorum_subnet_id
  client_group_id    = module.cluster.node_security_group_id
  keep               = local.production
  database_version   = var.database_version
  database_class     = var.database_class
  broker_cluster     = var.broker_cluster
  broker_class       = var.broker_class
  cache_class        = var.cache_class
  kafka_class        = var.kafka_class
  kafka_gigabytes    = var.kafka_gigabytes
  database_gigabytes = var.database_gigabytes
  log_days           = var.log_days

  broker_password  = local.passwords.broker
  session_password = local.passwords.session
  cache_password   = local.passwords.cache
}

module "edge" {
  source = "./modules/edge"

  providers = {
    aws        = aws
    aws.global = aws.global
  }

  name              = local.name
  domain            = var.domain
  host              = local.production ? "api.${var.domain}" : "api.${var.stage}.${var.domain}"
  vpc_id            = module.network.vpc_id
  public_subnet_ids = module.network.public_subnet_ids
  node_group_id     = module.cluster.node_security_group_id
  origin_token      = local.passwords.origin
  keep              = local.production
  log_days          = var.log_days
}

module "watch" {
  source             = "./modules/watch"
  name               = local.name
  tags               = local.tags
  monthly_budget_usd = var.monthly_budget_usd
  alarm_kind         = var.alarm_kind
  alarm_webhook_url  = var.alarm_webhook_url
  database_id        = module.data.database_id
  broker_name        = module.data.broker_name
  cache_nodes        = module.data.cache_nodes
  kafka_name         = module.data.kafka_name
  load_balancer      = module.edge.load_balancer_suffix
  target_group       = module.edge.target_group_suffix
  log_days           = var.log_days
}
