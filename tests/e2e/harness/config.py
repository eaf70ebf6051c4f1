"""Distribution configurations, as people write them."""

import itertools
import uuid

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]

_numbers = itertools.count(1)


def counted(items):
    """CloudFront's lists carry their own length."""
    items = list(items)
    return {"Quantity": len(items), "Items": items} if items else {"Quantity": 0}


def origin_at(port, domain="127.0.0.1", id="api", path="", custom_headers=(), **settings):
    """An origin over plain HTTP. `settings` go to CustomOriginConfig or to the origin, where they belong."""
    of_origin = ("ConnectionAttempts", "ConnectionTimeout", "ResponseCompletionTimeout")
    origin = {name: settings.pop(name) for name in of_origin if name in settings}
    headers = [{"HeaderName": name, "HeaderValue": value} for name, value in custom_headers]
    return {
        "Id": id,
        "DomainName": domain,
        "OriginPath": path,
        "CustomHeaders": counted(headers),
        "CustomOriginConfig": {
            "HTTPPort": port,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "http-only",
            "OriginSslProtocols": counted(["TLSv1.2"]),
            **settings,
        },
        **origin,
    }


def behavior(origin_id="api", methods=METHODS, **settings):
    """A cache behavior of the API preset, with changes."""
    allowed = counted(methods)
    allowed["CachedMethods"] = counted(["GET", "HEAD"])
    return {
        "TargetOriginId": origin_id,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": allowed,
        "Compress": False,
        "CachePolicyId": CACHING_DISABLED,
        "OriginRequestPolicyId": ALL_VIEWER,
        **settings,
    }


def without(settings, *names):
    return {name: value for name, value in settings.items() if name not in names}


def api_distribution(*origins, default=None, behaviors=(), **settings):
    """The configuration of the main job: CachingDisabled and AllViewer in front of the first origin."""
    return {
        "CallerReference": f"test-{next(_numbers)}-{uuid.uuid4()}",
        "Comment": "",
        "Enabled": True,
        "Origins": counted(origins),
        "DefaultCacheBehavior": default or behavior(origins[0]["Id"]),
        **({"CacheBehaviors": counted(behaviors)} if behaviors else {}),
        **settings,
    }
