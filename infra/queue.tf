# How the lake hears of a raw object: S3 tells an SQS queue. A test holds these settings against demo/cloud/provision.py.
#
# Belongs here: the notification, the queue, its dead-letter queue. Not here: who reads it (roles.tf).

resource "aws_sqs_queue" "landed_dead" {
  name                      = "${var.name}-landed-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "landed" {
  name = "${var.name}-landed"
  # A run that dies gives its messages back after this; the run itself asks for longer while it works.
  visibility_timeout_seconds = 120
  message_retention_seconds  = 1209600
  # Not with the lake's key: S3 would need a right on it. A message names an object, and no person.
  sqs_managed_sse_enabled = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.landed_dead.arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "landed_dead" {
  queue_url = aws_sqs_queue.landed_dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.landed.arn]
  })
}

data "aws_iam_policy_document" "landed_queue" {
  statement {
    sid       = "LandingBucketTells"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.landed.arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.landing.arn]
    }
    # A bucket's name can be taken by another account once it is free.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.landed.arn]
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

resource "aws_sqs_queue_policy" "landed" {
  queue_url = aws_sqs_queue.landed.id
  policy    = data.aws_iam_policy_document.landed_queue.json
}

resource "aws_s3_bucket_notification" "landed" {
  bucket = aws_s3_bucket.landing.id
  queue {
    id            = "landed"
    queue_arn     = aws_sqs_queue.landed.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "raw/"
  }
  depends_on = [aws_sqs_queue_policy.landed]
}
