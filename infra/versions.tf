# Which Terraform and provider, and in which account and region.
#
# Belongs here: versions, the provider, names that all files share. Not here: any resource.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = merge({ Project = "pushlake", Deployment = var.name }, var.tags)
  }
}

data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  stream  = "${var.name}-platform-events"
}
