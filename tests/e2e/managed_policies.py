"""The managed policies, from the Developer Guide pages "Use managed cache policies", "Use managed origin
request policies" and "Use managed response headers policies"."""

LONG = 31_536_000
ORIGIN_CONTROLS = ["Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]
CLOUDFRONT_HEADERS_2022_06 = [
    *("CloudFront-Forwarded-Proto", "CloudFront-Is-Android-Viewer", "CloudFront-Is-Desktop-Viewer"),
    *("CloudFront-Is-IOS-Viewer", "CloudFront-Is-Mobile-Viewer", "CloudFront-Is-SmartTV-Viewer"),
    *("CloudFront-Is-Tablet-Viewer", "CloudFront-Viewer-Address", "CloudFront-Viewer-ASN"),
    *("CloudFront-Viewer-City", "CloudFront-Viewer-Country", "CloudFront-Viewer-Country-Name"),
    *("CloudFront-Viewer-Country-Region", "CloudFront-Viewer-Country-Region-Name"),
    *("CloudFront-Viewer-Http-Version", "CloudFront-Viewer-Latitude", "CloudFront-Viewer-Longitude"),
    *("CloudFront-Viewer-Metro-Code", "CloudFront-Viewer-Postal-Code", "CloudFront-Viewer-Time-Zone"),
    "CloudFront-Viewer-TLS",
]
PREFLIGHT_HEADERS = ["Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"]


def cache(
    min_ttl, default_ttl, max_ttl, headers=(), cookies="none", queries="none", gzip=False, brotli=False
):
    return {
        "ttl": (min_ttl, default_ttl, max_ttl),
        "headers": ("whitelist" if headers else "none", sorted(map(str.lower, headers))),
        "cookies": (cookies, []),
        "queries": ("whitelist", sorted(queries)) if isinstance(queries, list) else (queries, []),
        "compression": (gzip, brotli),
    }


# Name without the prefix `Managed-` → (id, settings or None where AWS does not document them).
CACHE_POLICIES = {
    "CachingDisabled": ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", cache(0, 0, 0)),
    "CachingOptimized": (
        "658327ea-f89d-4fab-a63d-7e88639e58f6",
        cache(1, 86_400, LONG, gzip=True, brotli=True),
    ),
    "CachingOptimizedForUncompressedObjects": (
        "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        cache(1, 86_400, LONG),
    ),
    "UseOriginCacheControlHeaders": (
        "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
        cache(0, 0, LONG, ORIGIN_CONTROLS, cookies="all", gzip=True, brotli=True),
    ),
    "UseOriginCacheControlHeaders-QueryStrings": (
        "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        cache(0, 0, LONG, ORIGIN_CONTROLS, cookies="all", queries="all", gzip=True, brotli=True),
    ),
    "Elemental-MediaPackage": (
        "08627262-05a9-4f76-9ded-b50ca2e3a84f",
        cache(0, 86_400, LONG, ["Origin"], queries=["aws.manifestfilter", "start", "end", "m"], gzip=True),
    ),
    "Amplify": (
        "2e54312d-136d-493c-8eb9-b001f22f67d2",
        cache(
            *(2, 2, 600, ["Authorization", "CloudFront-Viewer-Country", "Host"]),
            cookies="all",
            queries="all",
            gzip=True,
            brotli=True,
        ),
    ),
    "Amplify-Default": ("4d1d2f1d-3a71-49ad-9e08-7ea5d843a556", None),
    "Amplify-DefaultNoCookies": ("a6bad946-36c3-4c33-aa98-362c74a7fb13", None),
    "Amplify-ImageOptimization": ("1c6db51a-a33f-469a-8245-dae26771f530", None),
    "Amplify-StaticContent": ("7e5fad67-ee98-4ad0-b05a-394999eefc1a", None),
}


def origin_request(header_behavior, headers, cookies, queries):
    return {
        "headers": (header_behavior, sorted(map(str.lower, headers))),
        "cookies": (cookies, []),
        "queries": (queries, []),
    }


ORIGIN_REQUEST_POLICIES = {
    "AllViewer": (
        "216adef6-5c7f-47e4-b989-5492eafa07d3",
        origin_request("allViewer", [], "all", "all"),
    ),
    "AllViewerExceptHostHeader": (
        "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        origin_request("allExcept", ["Host"], "all", "all"),
    ),
    "AllViewerAndCloudFrontHeaders-2022-06": (
        "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        origin_request("allViewerAndWhitelistCloudFront", CLOUDFRONT_HEADERS_2022_06, "all", "all"),
    ),
    "CORS-CustomOrigin": (
        "59781a5b-3903-41f3-afcb-af62929ccde1",
        origin_request("whitelist", ["Origin"], "none", "none"),
    ),
    "CORS-S3Origin": (
        "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
        origin_request("whitelist", PREFLIGHT_HEADERS, "none", "none"),
    ),
    "UserAgentRefererHeaders": (
        "acba4595-bd28-49b8-b9fe-13317c0390fa",
        origin_request("whitelist", ["User-Agent", "Referer"], "none", "none"),
    ),
    "HostHeaderOnly": (
        "bf0718e1-ba1e-49d1-88b1-f726733018ae",
        origin_request("whitelist", ["Host"], "none", "none"),
    ),
    "Elemental-MediaTailor-PersonalizedManifests": (
        "775133bc-15f2-49f9-abea-afb2e0bf67d2",
        origin_request("whitelist", [*PREFLIGHT_HEADERS, "User-Agent", "X-Forwarded-For"], "none", "all"),
    ),
}

EVERY_ORIGIN = {"origins": ["*"], "override": False}
PREFLIGHT = {
    **EVERY_ORIGIN,
    "methods": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
    "expose": ["*"],
}
SECURITY = {
    "ReferrerPolicy": {"Override": False, "ReferrerPolicy": "strict-origin-when-cross-origin"},
    "StrictTransportSecurity": {"Override": False, "AccessControlMaxAgeSec": LONG},
    "ContentTypeOptions": {"Override": True},
    "FrameOptions": {"Override": False, "FrameOption": "SAMEORIGIN"},
    "XSSProtection": {"Override": False, "Protection": True, "ModeBlock": True},
}

# Name → (id, CORS part or None, security part or None).
RESPONSE_HEADERS_POLICIES = {
    "SimpleCORS": ("60669652-455b-4ae9-85a4-c4c02393f86c", EVERY_ORIGIN, None),
    "CORS-With-Preflight": ("5cc3b908-e619-4b99-88e5-2cf7f45965bd", PREFLIGHT, None),
    "SecurityHeadersPolicy": ("67f7725c-6f97-4210-82d7-5512b31e9d03", None, SECURITY),
    "CORS-and-SecurityHeadersPolicy": ("e61eb60c-9c35-4d20-a928-2b84e02af89c", EVERY_ORIGIN, SECURITY),
    "CORS-with-preflight-and-SecurityHeadersPolicy": (
        "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        PREFLIGHT,
        SECURITY,
    ),
}
