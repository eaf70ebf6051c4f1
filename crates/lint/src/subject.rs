//! A configuration with what rules ask about it: which cache behavior goes where, what it keeps, and what it
//! lets through to the origin.

use aws_api::cloudfront::{
    AllowedMethods, CacheBehaviors, CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyHeaderBehavior,
    CachePolicyQueryStringBehavior, CookieNames, CustomOriginConfig, DefaultCacheBehavior,
    DistributionConfig, ForwardedValues, Headers, ItemSelection, Method, Origin, OriginGroups,
    OriginProtocolPolicy, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior,
    OriginRequestPolicyHeaderBehavior, OriginRequestPolicyQueryStringBehavior, ResponseHeadersPolicyConfig,
    ViewerProtocolPolicy,
};

use crate::patterns::names_an_api;
use crate::place::Place;
use crate::policies::Policies;

/// CloudFront's own TTLs ("Cache behavior settings", Default TTL, Maximum TTL).
const DEFAULT_TTL_SECONDS: i64 = 86_400;
const MAX_TTL_SECONDS: i64 = 31_536_000;

/// What rules look at.
pub(crate) struct Subject<'a> {
    pub(crate) config: &'a DistributionConfig,
    /// In order of precedence, the default one last.
    pub(crate) behaviors: Vec<Behavior<'a>>,
    /// Those that a cache behavior targets.
    pub(crate) origins: Vec<TargetedOrigin<'a>>,
}

/// An origin, and where it stands.
#[derive(Clone)]
pub(crate) struct TargetedOrigin<'a> {
    pub(crate) place: Place,
    pub(crate) origin: &'a Origin,
}

/// A cache behavior of either sort.
pub(crate) struct Behavior<'a> {
    pub(crate) place: Place,
    /// None for the default one.
    pub(crate) path_pattern: Option<&'a str>,
    pub(crate) viewer_protocol_policy: ViewerProtocolPolicy,
    pub(crate) allowed_methods: Option<&'a AllowedMethods>,
    pub(crate) origins: Vec<TargetedOrigin<'a>>,
    pub(crate) cache: Cache,
    pub(crate) forwarding: Forwarding,
    pub(crate) origin_request_policy_id: Option<&'a str>,
    pub(crate) response_headers_policy: Option<&'a ResponseHeadersPolicyConfig>,
}

/// What a cache policy, or the older settings of the behavior itself, say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    /// Whether they are known: the policy is among the given ones.
    pub(crate) is_known: bool,
    /// The members of the behavior itself that say them, where no policy does: ForwardedValues and TTLs.
    pub(crate) legacy_members: Vec<&'static str>,
    pub(crate) min_ttl: i64,
    pub(crate) default_ttl: i64,
    pub(crate) max_ttl: i64,
    /// What distinguishes kept answers; all of it goes to the origin.
    key: Parts,
    /// Whether that is anything at all.
    has_key: bool,
}

/// The parts of a request that rules ask about.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    authorization: bool,
    host: bool,
    /// The cookie that says who somebody is.
    session: bool,
}

/// What an origin request policy lets through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forwarding {
    /// Whether it is known: there is none, or it is among the given ones.
    pub(crate) is_known: bool,
    parts: Parts,
    /// All headers (but Host, perhaps), cookies and query strings.
    pub(crate) everything: bool,
}

/// How something of the viewer's reaches the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// Not at all.
    No,
    /// And kept answers are told apart by it.
    Keyed,
    /// And kept answers are not told apart by it.
    Unkeyed,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(config: &'a DistributionConfig, policies: &'a Policies) -> Self {
        let others = config.cache_behaviors.as_ref().map(CacheBehaviors::items).unwrap_or_default();
        // The two shapes have the same members, but for the path pattern.
        macro_rules! behavior {
            ($place:expr, $path_pattern:expr, $settings:expr) => {
                Behavior {
                    place: $place,
                    path_pattern: $path_pattern,
                    viewer_protocol_policy: $settings.viewer_protocol_policy,
                    allowed_methods: $settings.allowed_methods.as_ref(),
                    origins: targets(config, &$settings.target_origin_id),
                    cache: match (id($settings.cache_policy_id.as_ref()), &$settings.forwarded_values) {
                        (Some(id), _) => policies.cache.get(id).map(Cache::of_policy).unwrap_or_default(),
                        (None, Some(values)) => Cache::of_forwarded_values(
                            values,
                            [$settings.min_ttl, $settings.default_ttl, $settings.max_ttl],
                        ),
                        (None, None) => Cache::default(),
                    },
                    forwarding: Forwarding::new(id($settings.origin_request_policy_id.as_ref()), policies),
                    origin_request_policy_id: id($settings.origin_request_policy_id.as_ref()),
                    response_headers_policy: id($settings.response_headers_policy_id.as_ref())
                        .and_then(|id| policies.response_headers.get(id)),
                }
            };
        }
        let others = others.iter().enumerate().map(|(index, other)| {
            behavior!(Place::of("CacheBehaviors").item(index), Some(other.path_pattern.as_str()), other)
        });
        let default: &DefaultCacheBehavior = &config.default_cache_behavior;
        let default = behavior!(Place::of("DefaultCacheBehavior"), None, default);
        let behaviors: Vec<_> = others.chain([default]).collect();
        let origins = all_origins(config)
            .filter(|all| {
                behaviors.iter().any(|behavior| behavior.origins.iter().any(|one| one.place == all.place))
            })
            .collect();
        Self { config, behaviors, origins }
    }

    /// The cache behaviors that target an origin.
    pub(crate) fn behaviors_of(&self, origin: &TargetedOrigin<'_>) -> impl Iterator<Item = &Behavior<'a>> {
        let place = origin.place.clone();
        self.behaviors
            .iter()
            .filter(move |behavior| behavior.origins.iter().any(|target| target.place == place))
    }

    /// Whether an API is behind an origin.
    pub(crate) fn serves_an_api(&self, origin: &TargetedOrigin<'_>) -> bool {
        self.behaviors_of(origin).any(Behavior::is_api)
    }
}

impl Behavior<'_> {
    /// How messages call it.
    pub(crate) fn label(&self) -> String {
        match self.path_pattern {
            Some(path_pattern) => format!("the cache behavior {path_pattern:?}"),
            None => "the default cache behavior".to_owned(),
        }
    }

    /// Whether an API seems to be behind it: it takes writes, or lets credentials through, or is named like
    /// one and does not keep anonymous answers on purpose. A bucket is none.
    pub(crate) fn is_api(&self) -> bool {
        let is_bucket = !self.origins.is_empty() && self.origins.iter().all(TargetedOrigin::is_bucket);
        !is_bucket && (self.allows(Method::Post) || self.carries_credentials() || self.is_named_like_an_api())
    }

    fn is_named_like_an_api(&self) -> bool {
        let keeps_by_default = self.cache.min_ttl > 0 || self.cache.default_ttl > 0;
        self.path_pattern.is_some_and(names_an_api) && self.cache.is_known && !keeps_by_default
    }

    pub(crate) fn allows(&self, method: Method) -> bool {
        match self.allowed_methods {
            Some(allowed) => allowed.items().contains(&method),
            None => matches!(method, Method::Get | Method::Head),
        }
    }

    /// Whether answers may be kept.
    pub(crate) fn caches(&self) -> bool {
        self.cache.is_known && (self.cache.max_ttl > 0 || self.cache.min_ttl > 0)
    }

    pub(crate) fn authorization(&self) -> Carried {
        carried(self.cache.key.authorization, self.forwarding.parts.authorization)
    }

    /// The cookie that says who somebody is.
    pub(crate) fn session_cookie(&self) -> Carried {
        carried(self.cache.key.session, self.forwarding.parts.session)
    }

    pub(crate) fn carries_credentials(&self) -> bool {
        self.authorization() != Carried::No || self.session_cookie() != Carried::No
    }

    /// Whether the origin gets the viewer's Host, not its own name.
    pub(crate) fn forwards_host(&self) -> bool {
        self.is_host_in_key() || self.forwarding.parts.host
    }

    pub(crate) fn is_host_in_key(&self) -> bool {
        self.cache.key.host
    }

    /// Whether something reaches the origin only because it is part of the cache key.
    pub(crate) fn needs_its_cache_key(&self) -> bool {
        self.cache.has_key && !self.forwarding.everything
    }
}

fn carried(in_key: bool, is_forwarded: bool) -> Carried {
    match (in_key, is_forwarded) {
        (true, _) => Carried::Keyed,
        (false, true) => Carried::Unkeyed,
        (false, false) => Carried::No,
    }
}

impl TargetedOrigin<'_> {
    /// S3: it has no users, and no methods but reading that viewers may use.
    pub(crate) fn is_bucket(&self) -> bool {
        let name = self.origin.domain_name.to_ascii_lowercase();
        let is_named_so =
            name.ends_with(".amazonaws.com") && (name.contains(".s3.") || name.contains(".s3-"));
        self.custom().is_none() && self.origin.vpc_origin_config.is_none() || is_named_so
    }

    pub(crate) fn custom(&self) -> Option<&CustomOriginConfig> {
        self.origin.custom_origin_config.as_ref()
    }

    /// Whether it may be asked over TLS.
    pub(crate) fn may_use_tls(&self) -> bool {
        self.custom().is_some_and(|custom| custom.origin_protocol_policy != OriginProtocolPolicy::HttpOnly)
    }
}

impl Cache {
    /// Whether no cache policy says them.
    pub(crate) fn is_legacy(&self) -> bool {
        !self.legacy_members.is_empty()
    }

    fn of_policy(policy: &CachePolicyConfig) -> Self {
        let parameters = policy.parameters_in_cache_key_and_forwarded_to_origin.as_ref();
        let key = parameters.map(|parameters| {
            let headers = match parameters.headers_config.header_behavior {
                CachePolicyHeaderBehavior::None => &[],
                CachePolicyHeaderBehavior::Whitelist => names(parameters.headers_config.headers.as_ref()),
            };
            let cookies = &parameters.cookies_config;
            let parts = Parts {
                authorization: contains(headers, "authorization"),
                host: contains(headers, "host"),
                session: match cookies.cookie_behavior {
                    CachePolicyCookieBehavior::None => false,
                    CachePolicyCookieBehavior::Whitelist => names_a_session(cookies.cookies.as_ref()),
                    CachePolicyCookieBehavior::All | CachePolicyCookieBehavior::AllExcept => true,
                },
            };
            let query_strings = parameters.query_strings_config.query_string_behavior;
            let has_key = !headers.is_empty()
                || cookies.cookie_behavior != CachePolicyCookieBehavior::None
                || query_strings != CachePolicyQueryStringBehavior::None;
            (parts, has_key)
        });
        let (key, has_key) = key.unwrap_or_default();
        Self {
            is_known: true,
            legacy_members: Vec::new(),
            min_ttl: policy.min_ttl,
            default_ttl: policy.default_ttl.unwrap_or(DEFAULT_TTL_SECONDS),
            max_ttl: policy.max_ttl.unwrap_or(MAX_TTL_SECONDS),
            key,
            has_key,
        }
    }

    /// With all headers forwarded, nothing is kept ("Cache content based on request headers").
    fn of_forwarded_values(values: &ForwardedValues, [min, default, max]: [Option<i64>; 3]) -> Self {
        let headers = names(values.headers.as_ref());
        let all = contains(headers, "*");
        let cookies = &values.cookies;
        let key = Parts {
            authorization: all || contains(headers, "authorization"),
            host: all || contains(headers, "host"),
            session: match cookies.forward {
                ItemSelection::None => false,
                ItemSelection::Whitelist => names_a_session(cookies.whitelisted_names.as_ref()),
                ItemSelection::All => true,
            },
        };
        let ttl = |given: Option<i64>, default| if all { 0 } else { given.unwrap_or(default) };
        let given = [("MinTTL", min), ("DefaultTTL", default), ("MaxTTL", max)];
        let given = given.into_iter().filter_map(|(member, ttl)| ttl.map(|_| member));
        let legacy_members = ["ForwardedValues"].into_iter().chain(given).collect();
        Self {
            is_known: true,
            legacy_members,
            min_ttl: ttl(min, 0),
            default_ttl: ttl(default, DEFAULT_TTL_SECONDS),
            max_ttl: ttl(max, MAX_TTL_SECONDS),
            key,
            has_key: true,
        }
    }
}

impl Forwarding {
    fn new(id: Option<&str>, policies: &Policies) -> Self {
        match id {
            None => Self { is_known: true, ..Self::default() },
            Some(id) => policies.origin_request.get(id).map(Self::of_policy).unwrap_or_default(),
        }
    }

    fn of_policy(policy: &OriginRequestPolicyConfig) -> Self {
        use OriginRequestPolicyHeaderBehavior::{
            AllExcept, AllViewer, AllViewerAndWhitelistCloudFront, None, Whitelist,
        };
        let headers = names(policy.headers_config.headers.as_ref());
        let behavior = policy.headers_config.header_behavior;
        let forwards = |name: &str| match behavior {
            None => false,
            Whitelist => contains(headers, name),
            AllViewer | AllViewerAndWhitelistCloudFront => true,
            AllExcept => !contains(headers, name),
        };
        let cookies = &policy.cookies_config;
        let all_cookies = cookies.cookie_behavior == OriginRequestPolicyCookieBehavior::All;
        let all_queries =
            policy.query_strings_config.query_string_behavior == OriginRequestPolicyQueryStringBehavior::All;
        let all_but_host = behavior == AllExcept && headers.iter().all(|name| is(name, "host"));
        let all_headers = matches!(behavior, AllViewer | AllViewerAndWhitelistCloudFront) || all_but_host;
        Self {
            is_known: true,
            parts: Parts {
                authorization: forwards("authorization"),
                host: forwards("host"),
                session: match cookies.cookie_behavior {
                    OriginRequestPolicyCookieBehavior::None => false,
                    OriginRequestPolicyCookieBehavior::Whitelist => names_a_session(cookies.cookies.as_ref()),
                    OriginRequestPolicyCookieBehavior::All | OriginRequestPolicyCookieBehavior::AllExcept => {
                        true
                    }
                },
            },
            everything: all_headers && all_cookies && all_queries,
        }
    }
}

/// Clients send an empty text for no policy.
fn id(id: Option<&String>) -> Option<&str> {
    id.map(String::as_str).filter(|id| !id.is_empty())
}

fn all_origins(config: &DistributionConfig) -> impl Iterator<Item = TargetedOrigin<'_>> {
    let place = |index| Place::of("Origins").item(index);
    let origins = config.origins.items().iter().enumerate();
    origins.map(move |(index, origin)| TargetedOrigin { place: place(index), origin })
}

/// An origin, or all members of an origin group.
fn targets<'a>(config: &'a DistributionConfig, id: &str) -> Vec<TargetedOrigin<'a>> {
    let groups = config.origin_groups.as_ref().map(OriginGroups::items).unwrap_or_default();
    let group = groups.iter().find(|group| group.id == id);
    let members = group.map(|group| group.members.items()).unwrap_or_default();
    let is_meant = |origin: &Origin| {
        if group.is_none() { origin.id == id } else { members.iter().any(|one| one.origin_id == origin.id) }
    };
    all_origins(config).filter(|target| is_meant(target.origin)).collect()
}

fn names(headers: Option<&Headers>) -> &[String] {
    headers.map(Headers::items).unwrap_or_default()
}

fn contains(names: &[String], wanted: &str) -> bool {
    names.iter().any(|name| is(name, wanted))
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Whether one of the cookies is named like the one that says who somebody is.
fn names_a_session(cookies: Option<&CookieNames>) -> bool {
    let cookies = cookies.map(CookieNames::items).unwrap_or_default();
    cookies.iter().map(|name| name.to_ascii_lowercase()).any(|name| {
        ["sess", "sid", "auth", "token", "jwt", "login", "user", "remember", "*"]
            .iter()
            .any(|word| name.contains(word))
    })
}
