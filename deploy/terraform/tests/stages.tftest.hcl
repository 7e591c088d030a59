# SPDX-License-Identifier: Apache-2.0
# terraform test -var-file=stages/STAGE.tfvars: a stage's values through everything, with AWS played, so that it needs no account and makes nothing.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_secretsmanager_secret_version" {
    defaults = { secret_string = "{\"broker\":\"broker-password-16\",\"session\":\"session-password-16\",\"cache\":\"cache-password-1616\",\"origin\":\"origin-token\"}" }
  }
}

mock_provider "aws" {
  alias = "global"
}

variables {
  alarm_webhook_url = "https://hooks.example.com/services/x"
}

run "made" {
  command = plan

  assert {
    condition     = module.cluster.name == "chard-${var.stage}"
    error_message = "The cluster is called as the stage's namespace."
  }

  assert {
    condition     = module.edge.host == (var.stage == "production" ? "api.example.com" : "api.staging.example.com")
    error_message = "Each stage has a name of its own."
  }

  assert {
    condition     = module.data.cache_nodes["session"] == ["chard-${var.stage}-session-001", "chard-${var.stage}-session-002"]
    error_message = "Alarms name a cache's nodes as ElastiCache does."
  }
}

run "three_zones" {
  command = plan

  variables {
    zones = ["a", "b", "c"]
  }

  expect_failures = [var.zones]
}

run "quorum_zone_again" {
  command = plan

  variables {
    quorum_zone = var.zones[0]
  }

  expect_failures = [var.quorum_zone]
}

run "small_cluster" {
  command = plan

  variables {
    broker_cluster = true
    broker_class   = "mq.t3.micro"
  }

  expect_failures = [var.broker_class]
}

run "plain_webhook" {
  command = plan

  variables {
    alarm_webhook_url = "http://hooks.example.com"
  }

  expect_failures = [var.alarm_webhook_url]
}
