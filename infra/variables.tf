# What a deployment chooses.
#
# Belongs here: choices, each with its reason and limits. Not here: what the contracts say already (contracts.tf).

variable "name" {
  type        = string
  description = "Goes before every name, so that several deployments share one account: for example pushlake-prod."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name))
    error_message = "Write 4 to 32 lower-case letters, digits and hyphens, with a letter first: bucket names are made of it."
  }
}

variable "region" {
  type        = string
  default     = "eu-west-2"
  description = "The region of everything. Publisher and lake must be in one account: the stream's key is AWS's own, which serves no other."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Further tags on everything."
}

variable "publisher_service" {
  type        = string
  default     = "ecs-tasks.amazonaws.com"
  description = "The AWS service whose workloads run the publisher: ecs-tasks.amazonaws.com, ec2.amazonaws.com or pods.eks.amazonaws.com."
}

variable "lake_service" {
  type        = string
  default     = "ecs-tasks.amazonaws.com"
  description = "The same for the Spark server and Dagster."
}

variable "application_role_arns" {
  type        = list(string)
  default     = []
  description = "Roles of the platform's application, which encrypts under the same data key: they may unwrap it. They get no pseudonym key."
}

variable "key_operator_role_arns" {
  type        = list(string)
  description = "Roles of the people who write the two secrets, once (README.md). They cannot read them back."
  validation {
    condition     = length(var.key_operator_role_arns) > 0
    error_message = "Name at least one role: without a data key and a pseudonym key the publisher does not start."
  }
}

variable "shards" {
  type        = number
  default     = null
  description = "Shards of the stream, of 1 MB and 1,000 records a second each. Null means on demand: AWS scales, and bills by volume."
  validation {
    condition     = var.shards == null ? true : var.shards >= 1 && var.shards <= 256
    error_message = "From 1 to 256: the publisher spreads over 256 partitions."
  }
}

variable "stream_retention_hours" {
  type        = number
  default     = 168
  description = "How long Firehose may stand before something is lost. The outbox has forgotten what the stream has acknowledged."
  validation {
    condition     = var.stream_retention_hours >= 24 && var.stream_retention_hours <= 8760
    error_message = "Kinesis takes 24 to 8760."
  }
}

variable "firehose_buffer_seconds" {
  type        = number
  default     = 60
  description = "How old an object's oldest record may become before it is written. It is most of the way to silver; less means more, smaller objects."
  validation {
    condition     = var.firehose_buffer_seconds >= 0 && var.firehose_buffer_seconds <= 900
    error_message = "Firehose takes 0 to 900."
  }
}

variable "firehose_buffer_mib" {
  type        = number
  default     = 16
  description = "How large an object may become before it is written, uncompressed. A batch of the lake holds 64 MiB of compressed ones."
  validation {
    condition     = var.firehose_buffer_mib >= 1 && var.firehose_buffer_mib <= 128
    error_message = "Firehose takes 1 to 128."
  }
}

variable "raw_days" {
  type        = number
  default     = null
  description = "Days until a raw object is deleted. Null means as long as the shortest retention of any contract; longer is refused. Shorter makes an erasure, which reads all of them, quicker."
}

variable "alarm_topic_arns" {
  type        = list(string)
  default     = []
  description = "SNS topics that alarms go to. With none they only show in CloudWatch."
}
