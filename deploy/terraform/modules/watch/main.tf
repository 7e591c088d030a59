# SPDX-License-Identifier: Apache-2.0
# What the month costs, alarms of what AWS runs, and their way to Slack or Discord: topic, queue, pipe, webhook. What chard itself tells is Prometheus' matter
# (deploy/prometheus).

data "aws_caller_identity" "current" {}

resource "aws_cloudwatch_log_group" "pods" {
  name              = "/chard/${var.name}/pods"
  retention_in_days = var.log_days
}

# --- the way of an alarm ---

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

data "aws_iam_policy_document" "topic" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sqs_queue" "alarms" {
  name                      = "${var.name}-alarms"
  message_retention_seconds = 86400
  sqs_managed_sse_enabled   = true

  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.untold.arn, maxReceiveCount = 20 })
}

# Alarms that the webhook did not take.
resource "aws_sqs_queue" "untold" {
  name                      = "${var.name}-alarms-untold"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "queue" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.alarms.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "alarms" {
  queue_url = aws_sqs_queue.alarms.url
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.alarms.arn
}

# A webhook's address is its only secret; a connection must have a key all the same.
resource "aws_cloudwatch_event_connection" "webhook" {
  name               = "${var.name}-webhook"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "x-chard-alarms"
      value = var.name
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "webhook" {
  name                             = "${var.name}-webhook"
  connection_arn                   = aws_cloudwatch_event_connection.webhook.arn
  invocation_endpoint              = var.alarm_webhook_url
  http_method                      = "POST"
  invocation_rate_limit_per_second = 1
}

data "aws_iam_policy_document" "pipe_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["pipes.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "pipe" {
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.alarms.arn]
  }

  statement {
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.webhook.arn]
  }
}

resource "aws_iam_role" "pipe" {
  name               = "${var.name}-alarms"
  assume_role_policy = data.aws_iam_policy_document.pipe_assume.json
}

resource "aws_iam_role_policy" "pipe" {
  name   = "pipe"
  role   = aws_iam_role.pipe.id
  policy = data.aws_iam_policy_document.pipe.json
}

# An alarm's subject says which, whether it began or ended, and where; a budget's which and how much.
resource "aws_pipes_pipe" "alarms" {
  name     = "${var.name}-alarms"
  role_arn = aws_iam_role.pipe.arn
  source   = aws_sqs_queue.alarms.arn
  target   = aws_cloudwatch_event_api_destination.webhook.arn

  source_parameters {
    sqs_queue_parameters {
      batch_size = 1
    }
  }

  target_parameters {
    input_template = jsonencode({ (var.alarm_kind == "slack" ? "text" : "content") = "${var.name}: <$.body.Subject>" })
  }

  depends_on = [aws_iam_role_policy.pipe]
}

# --- what the month costs ---

resource "aws_budgets_budget" "month" {
  name         = "${var.name}-month"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [for tag, value in var.tags : format("user:%s$%s", tag, value) if tag == "stage"]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }
}

# --- what AWS runs ---

locals {
  # Above `most` (or below `least`) for `minutes` on end. What is not told is no alarm, but where `silence` is one.
  simple = merge(
    {
      database-cpu          = { namespace = "AWS/RDS", metric = "CPUUtilization", of = { DBInstanceIdentifier = var.database_id }, most = 80, minutes = 15 }
      database-disk         = { namespace = "AWS/RDS", metric = "FreeStorageSpace", of = { DBInstanceIdentifier = var.database_id }, least = 10737418240, minutes = 5 }
      database-memory       = { namespace = "AWS/RDS", metric = "FreeableMemory", of = { DBInstanceIdentifier = var.database_id }, least = 268435456, minutes = 15 }
      database-slot-lag     = { namespace = "AWS/RDS", metric = "OldestReplicationSlotLag", of = { DBInstanceIdentifier = var.database_id }, most = 5368709120, minutes = 5 }
      broker-cpu            = { namespace = "AWS/AmazonMQ", metric = "SystemCpuUtilization", of = { Broker = var.broker_name }, most = 80, minutes = 15 }
      broker-waiting        = { namespace = "AWS/AmazonMQ", metric = "MessageReadyCount", of = { Broker = var.broker_name }, most = var.most_waiting, minutes = 15 }
      kafka-offline         = { namespace = "AWS/Kafka", metric = "OfflinePartitionsCount", of = { "Cluster Name" = var.kafka_name }, most = 0, minutes = 5 }
      gateway-unhealthy     = { namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", of = { LoadBalancer = var.load_balancer, TargetGroup = var.target_group }, most = 0, minutes = 10 }
      gateway-nobody        = { namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", of = { LoadBalancer = var.load_balancer, TargetGroup = var.target_group }, least = 1, minutes = 3, silence = true }
      alarms-untold         = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", of = { QueueName = aws_sqs_queue.untold.name }, most = 0, minutes = 5 }
      session-cache-evicted = { namespace = "AWS/ElastiCache", metric = "Evictions", of = { CacheClusterId = var.cache_nodes["session"][0] }, most = 0, minutes = 5 }
    },
    { for number in [1, 2, 3] : "kafka-disk-${number}" => {
      namespace = "AWS/Kafka", metric = "KafkaDataLogsDiskUsed", of = { "Cluster Name" = var.kafka_name, "Broker ID" = tostring(number) }, most = 80, minutes = 15
    } },
    { for number in [1, 2, 3] : "kafka-replicas-${number}" => {
      namespace = "AWS/Kafka", metric = "UnderReplicatedPartitions", of = { "Cluster Name" = var.kafka_name, "Broker ID" = tostring(number) }, most = 0, minutes = 15
    } },
    { for node in flatten(values(var.cache_nodes)) : "${trimprefix(node, "${var.name}-")}-memory" => {
      namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", of = { CacheClusterId = node }, most = 85, minutes = 10
    } },
  )

  # A share of two sums or levels.
  ratios = {
    broker-memory = { namespace = "AWS/AmazonMQ", part = "RabbitMQMemUsed", whole = "RabbitMQMemLimit", stat = "Maximum", of = { Broker = var.broker_name }, most = 0.85, minutes = 5 }
    gateway-5xx   = { namespace = "AWS/ApplicationELB", part = "HTTPCode_Target_5XX_Count", whole = "RequestCount", stat = "Sum", of = { LoadBalancer = var.load_balancer, TargetGroup = var.target_group }, most = 0.03, minutes = 3 }
  }
}

resource "aws_cloudwatch_metric_alarm" "simple" {
  for_each            = local.simple
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.metric} ${can(each.value.most) ? "above ${each.value.most}" : "below ${each.value.least}"} for ${each.value.minutes} minutes"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.of
  statistic           = "Maximum"
  comparison_operator = can(each.value.most) ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = try(each.value.most, each.value.least)
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = can(each.value.silence) ? "breaching" : "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "ratio" {
  for_each            = local.ratios
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.part} / ${each.value.whole} above ${each.value.most} for ${each.value.minutes} minutes"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.most
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "ratio"
    expression  = "part / whole"
    label       = each.key
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { part = each.value.part, whole = each.value.whole }

    content {
      id = metric_query.key

      metric {
        namespace   = each.value.namespace
        metric_name = metric_query.value
        dimensions  = each.value.of
        stat        = each.value.stat
        period      = 60
      }
    }
  }
}
