# Three roles, each with what its code calls and nothing more. A test holds the publisher's and the lake's against that code.
#
# Belongs here: roles and their policies. Not here: policies of keys, secrets, buckets and queues (with those).

data "aws_iam_policy_document" "workload_trust" {
  for_each = {
    publisher = var.publisher_service
    lake      = var.lake_service
  }
  statement {
    # TagSession is what EKS asks for besides.
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
    # Not every service says for whom it asks.
    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "firehose_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [local.account]
    }
  }
}

# The publisher: it writes into one stream, and never reads what it wrote.

resource "aws_iam_role" "publisher" {
  name               = "${var.name}-publisher"
  assume_role_policy = data.aws_iam_policy_document.workload_trust["publisher"].json
}

data "aws_iam_policy_document" "publisher" {
  statement {
    sid       = "PutIntoTheStream"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:PutRecords", "kinesis:ListTagsForStream", "kinesis:AddTagsToStream"]
    resources = [aws_kinesis_stream.events.arn]
  }
  statement {
    sid       = "UnwrapTheDataKey"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.platform.arn]
  }
  statement {
    sid       = "ReadBothSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.data_key.arn, aws_secretsmanager_secret.pseudonym_key.arn]
  }
}

resource "aws_iam_role_policy" "publisher" {
  name   = "publish"
  role   = aws_iam_role.publisher.id
  policy = data.aws_iam_policy_document.publisher.json
}

# Firehose: from the stream to the landing bucket.

resource "aws_iam_role" "firehose" {
  name               = "${var.name}-firehose"
  assume_role_policy = data.aws_iam_policy_document.firehose_trust.json
}

data "aws_iam_policy_document" "firehose" {
  statement {
    sid       = "DrainTheStream"
    actions   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.events.arn]
  }
  statement {
    sid       = "SeeTheLandingBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.landing.arn]
  }
  statement {
    sid       = "WriteIntoTheLandingBucket"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.landing.arn}/raw/*", "${aws_s3_bucket.landing.arn}/errors/*"]
  }
  statement {
    sid       = "EncryptForTheLake"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.lake.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }
  statement {
    sid       = "LogDeliveryErrors"
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.firehose.arn}:log-stream:${aws_cloudwatch_log_stream.firehose.name}"]
  }
}

resource "aws_iam_role_policy" "firehose" {
  name   = "deliver"
  role   = aws_iam_role.firehose.id
  policy = data.aws_iam_policy_document.firehose.json
}

# The lake: the Spark server and Dagster. It reads raw objects, writes them anew for an erasure, and has nothing of the platform.

resource "aws_iam_role" "lake" {
  name               = "${var.name}-lake"
  assume_role_policy = data.aws_iam_policy_document.workload_trust["lake"].json
}

data "aws_iam_policy_document" "lake" {
  # Without ListBucket S3 answers 403 for an object that is gone, and the ledger could not tell that from a refusal.
  statement {
    sid       = "ListBothBuckets"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.landing.arn, aws_s3_bucket.lake.arn]
  }
  # An erasure looks for former versions, too: a bucket may have been set to keep them.
  statement {
    sid       = "ListVersions"
    actions   = ["s3:ListBucketVersions"]
    resources = [aws_s3_bucket.landing.arn, aws_s3_bucket.lake.arn]
  }
  # It writes raw objects anew without what was an erased person's.
  statement {
    sid       = "ReadAndEraseRawObjects"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    resources = ["${aws_s3_bucket.landing.arn}/raw/*", "${aws_s3_bucket.landing.arn}/errors/*"]
  }
  statement {
    sid       = "WriteTheLake"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    resources = ["${aws_s3_bucket.lake.arn}/*"]
  }
  statement {
    sid       = "HearOfRawObjects"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.landed.arn]
  }
  statement {
    sid       = "UseTheKeyOfTheLake"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.lake.arn]
  }
  # Said by refusal too, so that no policy attached later opens them: no secret at all, and no key but the lake's own.
  statement {
    sid       = "NoSecrets"
    effect    = "Deny"
    actions   = ["secretsmanager:*"]
    resources = ["*"]
  }
  statement {
    sid           = "NoOtherKeys"
    effect        = "Deny"
    actions       = ["kms:*"]
    not_resources = [aws_kms_key.lake.arn]
  }
  statement {
    sid       = "NoStream"
    effect    = "Deny"
    actions   = ["kinesis:*"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "lake" {
  name   = "lake"
  role   = aws_iam_role.lake.id
  policy = data.aws_iam_policy_document.lake.json
}
