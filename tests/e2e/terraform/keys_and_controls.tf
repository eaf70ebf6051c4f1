variable "encoded_key" { type = string }

# What the second apply changes.
variable "comment" { type = string }
variable "weight" { type = string }
variable "sampling_rate" { type = number }
variable "signing_behavior" { type = string }
variable "metrics" { type = string }

# CloudFront takes the policy of a distribution that exists already, and of no new one.
variable "attached" { type = bool }

resource "aws_cloudfront_public_key" "signer" {
  name        = "signer"
  comment     = var.comment
  encoded_key = var.encoded_key
}

resource "aws_cloudfront_key_group" "signers" {
  name    = "signers"
  comment = var.comment
  items   = [aws_cloudfront_public_key.signer.id]
}

resource "aws_cloudfront_origin_access_control" "bucket" {
  name                              = "bucket"
  description                       = var.comment
  origin_access_control_origin_type = "s3"
  signing_behavior                  = var.signing_behavior
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_realtime_log_config" "logs" {
  name          = "logs"
  sampling_rate = var.sampling_rate
  fields        = ["timestamp", "c-ip", "sc-status"]

  endpoint {
    stream_type = "Kinesis"

    kinesis_stream_config {
      role_arn   = "arn:aws:iam::111122223333:role/logs"
      stream_arn = "arn:aws:kinesis:us-east-1:111122223333:stream/logs"
    }
  }
}

resource "aws_cloudfront_monitoring_subscription" "metrics" {
  distribution_id = aws_cloudfront_distribution.primary.id

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = var.metrics
    }
  }
}

resource "aws_cloudfront_continuous_deployment_policy" "try" {
  enabled = true

  staging_distribution_dns_names {
    items    = [aws_cloudfront_distribution.staging.domain_name]
    quantity = 1
  }

  traffic_config {
    type = "SingleWeight"

    single_weight_config {
      weight = var.weight

      session_stickiness_config {
        idle_ttl    = 300
        maximum_ttl = 600
      }
    }
  }
}

resource "aws_cloudfront_distribution" "staging" {
  enabled             = true
  staging             = true
  comment             = var.comment
  wait_for_deployment = false

  origin {
    origin_id   = "api"
    domain_name = "127.0.0.1"

    custom_origin_config {
      http_port              = 3500
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "api"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    trusted_key_groups     = [aws_cloudfront_key_group.signers.id]
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

resource "aws_cloudfront_distribution" "primary" {
  enabled                         = true
  comment                         = var.comment
  wait_for_deployment             = false
  continuous_deployment_policy_id = var.attached ? aws_cloudfront_continuous_deployment_policy.try.id : ""

  origin {
    origin_id                = "bucket"
    domain_name              = "bucket.s3.us-east-1.amazonaws.com"
    origin_access_control_id = aws_cloudfront_origin_access_control.bucket.id
  }

  default_cache_behavior {
    target_origin_id        = "bucket"
    viewer_protocol_policy  = "redirect-to-https"
    allowed_methods         = ["GET", "HEAD"]
    cached_methods          = ["GET", "HEAD"]
    cache_policy_id         = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    realtime_log_config_arn = aws_cloudfront_realtime_log_config.logs.arn
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}
