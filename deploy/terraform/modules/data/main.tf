# SPDX-License-Identifier: Apache-2.0
# PostgreSQL, Redis (Valkey), Kafka, RabbitMQ, objects. Only the nodes of the cluster reach them.

locals {
  zone_subnet_ids = concat(var.subnet_ids, [var.quorum_subnet_id])

  # What of each may be called; RabbitMQ's 443 is its management API.
  ports = {
    database = [5432]
    cache    = [6379]
    kafka    = [9092, 9094]
    broker   = [5671, 443]
  }
  rules = merge([for server, ports in local.ports : { for port in ports : "${server}-${port}" => { server = server, port = port } }]...)
}

resource "aws_security_group" "this" {
  for_each    = local.ports
  name        = "${var.name}-${each.key}"
  description = "The ${each.key} of ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each                     = local.rules
  security_group_id            = aws_security_group.this[each.value.server].id
  description                  = "Nodes"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = var.client_group_id
}

resource "aws_kms_key" "this" {
  description             = "Disks and logs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

# --- PostgreSQL ---

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres${var.database_version}"
  description = "chard: logical replication for its outbox"

  dynamic "parameter" {
    for_each = {
      "rds.logical_replication"             = "1"
      "rds.force_ssl"                       = "1"
      "max_replication_slots"               = "10"
      "max_wal_senders"                     = "15"
      "max_slot_wal_keep_size"              = tostring(floor(var.database_gigabytes * 1024 / 5)) # MB: a slot that nobody reads can't fill the disk
      "log_lock_waits"                      = "1"
      "log_min_duration_statement"          = "1000"
      "idle_in_transaction_session_timeout" = "600000"
    }

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = contains(["rds.logical_replication", "max_replication_slots", "max_wal_senders"], parameter.key) ? "pending-reboot" : "immediate"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "database" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_days
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.database_version
  instance_class = var.database_class
  multi_az       = true

  db_name                     = "chard"
  username                    = "chard"
  manage_master_user_password = true

  storage_type          = "gp3"
  allocated_storage     = var.database_gigabytes
  max_allocated_storage = var.database_gigabytes * 5
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this.arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this["database"].id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period    = 14
  backup_window              = "02:00-03:00"
  maintenance_window         = "sun:03:30-sun:04:30"
  auto_minor_version_upgrade = true
  copy_tags_to_snapshot      = true
  delete_automated_backups   = false
  deletion_protection        = var.keep
  skip_final_snapshot        = !var.keep
  final_snapshot_identifier  = "${var.name}-last"

  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.this.arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  depends_on                      = [aws_cloudwatch_log_group.database]
}

# --- Redis: what clients wait for, and what may be lost, apart ---

locals {
  caches = {
    session = { policy = "noeviction", snapshots = 3 }
    cache   = { policy = "allkeys-lru", snapshots = 0 }
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  for_each    = local.caches
  name        = "${var.name}-${each.key}"
  family      = "valkey8"
  description = "${each.key}: ${each.value.policy}"

  parameter {
    name  = "maxmemory-policy"
    value = each.value.policy
  }
}

resource "aws_elasticache_replication_group" "this" {
  for_each             = local.caches
  replication_group_id = "${var.name}-${each.key}"
  description          = "${each.key} of ${var.name}"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.cache_class
  parameter_group_name = aws_elasticache_parameter_group.this[each.key].name
  port                 = 6379

  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true

  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this["cache"].id]
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this.arn
  transit_encryption_enabled = true
  auth_token                 = each.key == "session" ? var.session_password : var.cache_password
  auth_token_update_strategy = "ROTATE"

  snapshot_retention_limit   = each.value.snapshots
  auto_minor_version_upgrade = true
  apply_immediately          = !var.keep
}

# --- Kafka: three brokers, each in a zone of its own; topics of three partitions, each on all three ---

resource "aws_cloudwatch_log_group" "kafka" {
  name              = "/chard/${var.name}/kafka"
  retention_in_days = var.log_days
}

resource "aws_msk_configuration" "this" {
  name              = var.name
  kafka_versions    = [var.kafka_version]
  server_properties = <<-EOT
    # Debezium leaves topics to the brokers: they are made as this says.
    auto.create.topics.enable=true
    num.partitions=3
    default.replication.factor=3
    min.insync.replicas=2
    offsets.topic.replication.factor=3
    transaction.state.log.replication.factor=3
    transaction.state.log.min.isr=2
    unclean.leader.election.enable=false
    log.retention.hours=168
  EOT

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.kafka_class
    client_subnets  = local.zone_subnet_ids
    security_groups = [aws_security_group.this["kafka"].id]

    storage_info {
      ebs_storage_info {
        volume_size = var.kafka_gigabytes
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  # Both ways are offered, with TLS and without, and neither asks for a name; they are open to the cluster's nodes alone. The output kafka_servers has the one without. chard's consumers speak
  # TLS where CHARD_KAFKA_PROPERTIES says security.protocol=SSL, and are then given the brokers' TLS addresses (bootstrap_brokers_tls) in CHARD_KAFKA_SERVERS.
  client_authentication {
    unauthenticated = true
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.this.arn

    encryption_in_transit {
      client_broker = "TLS_PLAINTEXT"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka.name
      }
    }
  }

  # The disk grows by itself, and this must not take it back.
  lifecycle {
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]
  }
}

resource "aws_appautoscaling_target" "kafka" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = aws_msk_cluster.this.arn
  min_capacity       = 1
  max_capacity       = var.kafka_gigabytes * 4
}

resource "aws_appautoscaling_policy" "kafka" {
  name               = "${var.name}-kafka-disk"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.kafka.service_namespace
  scalable_dimension = aws_appautoscaling_target.kafka.scalable_dimension
  resource_id        = aws_appautoscaling_target.kafka.resource_id

  target_tracking_scaling_policy_configuration {
    disable_scale_in = true
    target_value     = 60

    predefined_metric_specification {
      predefined_metric_type = "KafkaBrokerStorageUtilization"
    }
  }
}

# --- RabbitMQ ---

resource "aws_mq_broker" "this" {
  broker_name         = var.name
  engine_type         = "RabbitMQ"
  engine_version      = "3.13"
  deployment_mode     = var.broker_cluster ? "CLUSTER_MULTI_AZ" : "SINGLE_INSTANCE"
  host_instance_type  = var.broker_class
  subnet_ids          = var.broker_cluster ? local.zone_subnet_ids : [var.subnet_ids[0]]
  security_groups     = [aws_security_group.this["broker"].id]
  publicly_accessible = false

  auto_minor_version_upgrade = true
  apply_immediately          = !var.keep

  user {
    username = "chard"
    password = var.broker_password
  }

  logs {
    general = true
  }

  maintenance_window_start_time {
    day_of_week = "SUNDAY"
    time_of_day = "03:30"
    time_zone   = "UTC"
  }
}

# --- objects ---

resource "aws_s3_bucket" "objects" {
  bucket_prefix = "${var.name}-objects-"
  force_destroy = !var.keep
}

resource "aws_s3_bucket_versioning" "objects" {
  bucket = aws_s3_bucket.objects.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "objects" {
  bucket                  = aws_s3_bucket.objects.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id

  rule {
    id     = "old"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.objects]
}

data "aws_iam_policy_document" "objects" {
  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.objects.arn, "${aws_s3_bucket.objects.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "objects" {
  bucket = aws_s3_bucket.objects.id
  policy = data.aws_iam_policy_document.objects.json
}
