# The landing bucket, written by Firehose, and anew by an erasure; and the lake's bucket, written by the lake alone.
#
# Belongs here: buckets and what holds for every object in them. Not here: who may read and write (roles.tf), the notification (queue.tf).

locals {
  buckets = {
    landing = aws_s3_bucket.landing
    lake    = aws_s3_bucket.lake
  }
}

resource "aws_s3_bucket" "landing" {
  bucket = "${var.name}-${local.account}-landing"
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket" "lake" {
  bucket = "${var.name}-${local.account}-lake"
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "private" {
  for_each                = local.buckets
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "no_acls" {
  for_each = local.buckets
  bucket   = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake_key" {
  for_each = local.buckets
  bucket   = each.value.id
  rule {
    # One request to KMS for many objects: Delta writes small files.
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.lake.arn
    }
  }
}

# Off, and said so: Delta has versions of its own, which VACUUM ends, and a raw object is written once. S3's versions would keep what
# retention and erasure have deleted, in a place where nobody looks.
resource "aws_s3_bucket_versioning" "off" {
  for_each = local.buckets
  bucket   = each.value.id
  versioning_configuration {
    status = "Disabled"
  }
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]
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

resource "aws_s3_bucket_policy" "tls_only" {
  for_each   = local.buckets
  bucket     = each.value.id
  policy     = data.aws_iam_policy_document.tls_only[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.private]
}

resource "aws_s3_bucket_lifecycle_configuration" "landing" {
  bucket = aws_s3_bucket.landing.id
  # Errors hold what Firehose could not deliver, so the same rule holds for them.
  rule {
    id     = "retention-of-the-contracts"
    status = "Enabled"
    filter {}
    expiration {
      days = local.raw_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  lifecycle {
    precondition {
      condition     = local.raw_days >= 1 && local.raw_days <= local.longest_raw_days
      error_message = "raw_days must be from 1 to ${local.longest_raw_days}, the shortest retention of any contract."
    }
  }
}

# No expiration here, ever: S3 knows files and not rows, and a Delta table that misses a file cannot be read.
resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
