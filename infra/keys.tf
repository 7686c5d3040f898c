# Two keys that never meet: the platform's, which opens its encrypted columns, and the lake's, under which released data is stored.
#
# Belongs here: KMS keys, the two secrets, and who may use them. Not here: the secrets' values: they are written by hand (README.md), so
# that no key ever stands in Terraform's state.

resource "aws_kms_key" "platform" {
  description             = "Pushlake, platform side: wraps the data key and encrypts the publisher's secrets"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.platform_key.json
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "platform" {
  name          = "alias/${var.name}/platform"
  target_key_id = aws_kms_key.platform.key_id
}

resource "aws_kms_key" "lake" {
  description             = "Pushlake, lake side: encrypts the landing bucket and the lake"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "lake" {
  name          = "alias/${var.name}/lake"
  target_key_id = aws_kms_key.lake.key_id
}

# Unlike KMS's default policy it gives the account no right to decrypt, so no policy of IAM alone can: only who is named here.
data "aws_iam_policy_document" "platform_key" {
  statement {
    sid = "AdministrationWithoutUse"
    actions = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:Describe*", "kms:Disable*", "kms:Enable*", "kms:Get*",
      "kms:List*", "kms:PutKeyPolicy", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
      "kms:UpdateAlias", "kms:UpdateKeyDescription",
    ]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${local.account}:root"]
    }
  }
  statement {
    sid       = "PlatformDecrypts"
    actions   = ["kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = concat([aws_iam_role.publisher.arn], var.application_role_arns)
    }
  }
  # The answer is the wrapped key only; nobody sees the key itself.
  statement {
    sid       = "OperatorsMakeAWrappedKey"
    actions   = ["kms:GenerateDataKeyWithoutPlaintext"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = var.key_operator_role_arns
    }
  }
  # Secrets Manager asks for both in the writer's name. Reading a secret back is refused by the secret's own policy.
  statement {
    sid       = "OperatorsWriteSecrets"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = var.key_operator_role_arns
    }
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_secretsmanager_secret" "data_key" {
  name                    = "${var.name}/platform/data-key"
  description             = "The platform's data key, wrapped by KMS: {\"wrapped\": base64}"
  kms_key_id              = aws_kms_key.platform.arn
  recovery_window_in_days = 30
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_secretsmanager_secret" "pseudonym_key" {
  name                    = "${var.name}/platform/pseudonym-key"
  description             = "The key of all pseudonyms: {\"keys\": {\"1\": base64}}, by version"
  kms_key_id              = aws_kms_key.platform.arn
  recovery_window_in_days = 30
  lifecycle {
    prevent_destroy = true
  }
}

data "aws_iam_policy_document" "data_key_readers" {
  statement {
    sid       = "NobodyElseReads"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalArn"
      values   = concat([aws_iam_role.publisher.arn], var.application_role_arns)
    }
  }
}

data "aws_iam_policy_document" "pseudonym_key_readers" {
  statement {
    sid       = "NobodyElseReads"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalArn"
      values   = [aws_iam_role.publisher.arn]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "data_key" {
  secret_arn          = aws_secretsmanager_secret.data_key.arn
  policy              = data.aws_iam_policy_document.data_key_readers.json
  block_public_policy = true
}

resource "aws_secretsmanager_secret_policy" "pseudonym_key" {
  secret_arn          = aws_secretsmanager_secret.pseudonym_key.arn
  policy              = data.aws_iam_policy_document.pseudonym_key_readers.json
  block_public_policy = true
}
