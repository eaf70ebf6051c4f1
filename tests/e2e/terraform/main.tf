variable "origin_port" { type = number }

variable "cache_policies" { type = set(string) }
variable "origin_request_policies" { type = set(string) }
variable "response_headers_policies" { type = set(string) }

data "aws_cloudfront_cache_policy" "managed" {
  for_each = var.cache_policies
  name     = each.value
}

data "aws_cloudfront_origin_request_policy" "managed" {
  for_each = var.origin_request_policies
  name     = each.value
}

data "aws_cloudfront_response_headers_policy" "managed" {
  for_each = var.response_headers_policies
  name     = each.value
}

resource "aws_cloudfront_distribution" "api" {
  enabled = true
  comment = "A skin-analysis API"

  origin {
    origin_id   = "api"
    domain_name = "127.0.0.1"

    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id         = "api"
    viewer_protocol_policy   = "redirect-to-https"
    allowed_methods          = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = data.aws_cloudfront_cache_policy.managed["Managed-CachingDisabled"].id
    origin_request_policy_id = data.aws_cloudfront_origin_request_policy.managed["Managed-AllViewer"].id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }

  tags = { team = "skin" }
}

output "domain_name" {
  value = aws_cloudfront_distribution.api.domain_name
}

output "ids" {
  value = merge(
    { for name, policy in data.aws_cloudfront_cache_policy.managed : name => policy.id },
    { for name, policy in data.aws_cloudfront_origin_request_policy.managed : name => policy.id },
    { for name, policy in data.aws_cloudfront_response_headers_policy.managed : name => policy.id },
  )
}
