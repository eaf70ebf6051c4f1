variable "origin_port" { type = number }
variable "domain" { type = string }
variable "certificate" { type = string }
variable "certificate_chain" { type = string }

variable "private_key" {
  type      = string
  sensitive = true
}

resource "aws_acm_certificate" "api" {
  certificate_body  = var.certificate
  certificate_chain = var.certificate_chain
  private_key       = var.private_key

  tags = { team = "skin" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_distribution" "api" {
  enabled = true
  comment = "A skin-analysis API under names of its own"
  aliases = [var.domain, "*.${var.domain}"]

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
    cache_policy_id          = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    origin_request_policy_id = "216adef6-5c7f-47e4-b989-5492eafa07d3"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate.api.arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

output "certificate_arn" {
  value = aws_acm_certificate.api.arn
}
