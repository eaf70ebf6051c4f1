# A distribution with several origins and behaviors, an origin group, error pages and policies of its own.

variable "origin_port" { type = number }
variable "name" { type = string }
# What a later apply changes.
variable "read_timeout" { type = number }
variable "max_ttl" { type = number }

data "aws_cloudfront_cache_policy" "caching_disabled" {
  name = "Managed-CachingDisabled"
}

data "aws_cloudfront_origin_request_policy" "all_viewer" {
  name = "Managed-AllViewer"
}

resource "aws_cloudfront_cache_policy" "static" {
  name        = "${var.name}-static"
  comment     = "Files that never change"
  min_ttl     = 1
  default_ttl = 3600
  max_ttl     = var.max_ttl

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = true
    enable_accept_encoding_brotli = true

    headers_config {
      header_behavior = "whitelist"
      headers { items = ["Accept-Language", "X-Variant"] }
    }
    cookies_config {
      cookie_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "allExcept"
      query_strings { items = ["utm_source"] }
    }
  }
}

resource "aws_cloudfront_cache_policy" "never" {
  name        = "${var.name}-never"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 0

  parameters_in_cache_key_and_forwarded_to_origin {
    headers_config { header_behavior = "none" }
    cookies_config { cookie_behavior = "none" }
    query_strings_config { query_string_behavior = "none" }
  }
}

resource "aws_cloudfront_origin_request_policy" "session" {
  name    = "${var.name}-session"
  comment = "One cookie, two headers"

  headers_config {
    header_behavior = "whitelist"
    headers { items = ["Origin", "CloudFront-Viewer-Address"] }
  }
  cookies_config {
    cookie_behavior = "whitelist"
    cookies { items = ["session"] }
  }
  query_strings_config {
    query_string_behavior = "all"
  }
}

resource "aws_cloudfront_response_headers_policy" "browser" {
  name    = "${var.name}-browser"
  comment = "Browsers of our own page"

  cors_config {
    access_control_allow_credentials = true
    access_control_allow_headers { items = ["Authorization", "Content-Type"] }
    access_control_allow_methods { items = ["GET", "POST"] }
    access_control_allow_origins { items = ["https://app.example.com"] }
    access_control_expose_headers { items = ["X-Request-Id"] }
    access_control_max_age_sec = 600
    origin_override            = true
  }

  security_headers_config {
    content_type_options { override = true }
    frame_options {
      frame_option = "DENY"
      override     = true
    }
    referrer_policy {
      referrer_policy = "same-origin"
      override        = false
    }
    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      preload                    = false
      override                   = true
    }
    xss_protection {
      mode_block = true
      protection = true
      override   = false
    }
    content_security_policy {
      content_security_policy = "default-src 'self'"
      override                = true
    }
  }

  custom_headers_config {
    items {
      header   = "X-Own"
      value    = "yes"
      override = true
    }
  }

  remove_headers_config {
    items { header = "X-Powered-By" }
  }

  server_timing_headers_config {
    enabled       = true
    sampling_rate = 12.5
  }
}

resource "aws_cloudfront_distribution" "api" {
  enabled             = true
  comment             = "${var.name} <&>"
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  price_class         = "PriceClass_100"
  default_root_object = "index.html"

  dynamic "origin" {
    for_each = toset(["primary", "spare"])
    content {
      origin_id           = origin.key
      domain_name         = "127.0.0.1"
      origin_path         = "/v2"
      connection_attempts = 2
      connection_timeout  = 5

      custom_origin_config {
        http_port                = var.origin_port
        https_port               = 8443
        origin_protocol_policy   = "http-only"
        origin_ssl_protocols     = ["TLSv1.1", "TLSv1.2"]
        origin_read_timeout      = var.read_timeout
        origin_keepalive_timeout = 20
      }

      custom_header {
        name  = "X-Origin-Name"
        value = origin.key
      }
    }
  }

  origin_group {
    origin_id = "both"
    failover_criteria { status_codes = [500, 502, 503, 504] }
    member { origin_id = "primary" }
    member { origin_id = "spare" }
  }

  default_cache_behavior {
    target_origin_id           = "primary"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = data.aws_cloudfront_cache_policy.caching_disabled.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.all_viewer.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.browser.id
  }

  ordered_cache_behavior {
    path_pattern             = "/static/*"
    target_origin_id         = "both"
    viewer_protocol_policy   = "https-only"
    allowed_methods          = ["GET", "HEAD", "OPTIONS"]
    cached_methods           = ["GET", "HEAD", "OPTIONS"]
    compress                 = true
    cache_policy_id          = aws_cloudfront_cache_policy.static.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.session.id
  }

  ordered_cache_behavior {
    path_pattern           = "/never/*"
    target_origin_id       = "spare"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = aws_cloudfront_cache_policy.never.id
  }

  ordered_cache_behavior {
    path_pattern           = "/old/*.php"
    target_origin_id       = "spare"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]

    forwarded_values {
      query_string            = true
      query_string_cache_keys = ["page"]
      headers                 = ["Accept"]
      cookies {
        forward           = "whitelist"
        whitelisted_names = ["session"]
      }
    }
    min_ttl     = 0
    default_ttl = 10
    max_ttl     = 20
  }

  custom_error_response {
    error_code            = 503
    response_code         = 503
    response_page_path    = "/static/sorry.html"
    error_caching_min_ttl = 5
  }

  custom_error_response {
    error_code            = 404
    error_caching_min_ttl = 0
  }

  logging_config {
    bucket          = "logs.s3.amazonaws.com"
    include_cookies = true
    prefix          = "api/"
  }

  restrictions {
    geo_restriction { restriction_type = "none" }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }

  tags = {
    team  = "skin"
    stage = "test"
  }
}

data "aws_cloudfront_distribution" "api" {
  id = aws_cloudfront_distribution.api.id
}

data "aws_cloudfront_cache_policy" "static" {
  id = aws_cloudfront_cache_policy.static.id
}

data "aws_cloudfront_origin_request_policy" "session" {
  name = aws_cloudfront_origin_request_policy.session.name
}

data "aws_cloudfront_response_headers_policy" "browser" {
  name = aws_cloudfront_response_headers_policy.browser.name
}

output "read" {
  value = {
    domain_name = data.aws_cloudfront_distribution.api.domain_name
    status      = data.aws_cloudfront_distribution.api.status
    max_ttl     = data.aws_cloudfront_cache_policy.static.max_ttl
    cookies     = data.aws_cloudfront_origin_request_policy.session.cookies_config[0].cookies[0].items
    sampling    = data.aws_cloudfront_response_headers_policy.browser.server_timing_headers_config[0].sampling_rate
  }
}
