# Where the stock provider finds mantlet, for every configuration here.

variable "endpoint" { type = string }

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    acm        = var.endpoint
    cloudfront = var.endpoint
    sts        = var.endpoint
  }
}
