//! What decides on each header field of an origin request.

/// What has a field sent to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SentBy {
    /// The cache policy: what it names always goes.
    CachePolicy,
    /// The origin request policy.
    OriginRequestPolicy,
    /// The cache policy some parts, the origin request policy others.
    BothPolicies,
    /// The method: `Authorization` goes along with those whose answers are never cached.
    Method,
    /// Nobody: CloudFront forwards it whatever the policies say.
    Always,
    /// The edge, of its own accord.
    Edge,
    /// The origin's domain name, where no policy forwards the viewer's `Host`.
    OriginDomainName,
    /// The origin's custom headers.
    OriginCustomHeader,
}

/// What keeps a viewer's field from the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DroppedBy {
    /// No policy forwards it.
    Policies,
    /// The viewer itself: its `Connection` nominates the field.
    Nomination,
    /// The field's nature: it is about the connection or the framing, or for the edge alone to say.
    Nature,
    /// The edge, which writes the field anew.
    Edge,
    /// A custom header of the origin, which has the same name.
    OriginCustomHeader,
}

/// What is decided on a viewer's field.
pub(crate) type Decision = Result<SentBy, DroppedBy>;

/// Takes the fields of an origin request, each with what decided on it. A value comes in parts, which
/// belong together without anything between them.
pub trait OriginFieldSink {
    /// The origin gets a field.
    fn sent(&mut self, name: &[u8], value: &[&[u8]], by: SentBy);

    /// The origin does not get a field that the viewer sent.
    fn dropped(&mut self, name: &[u8], value: &[u8], by: DroppedBy);
}

/// Nobody wants to know.
impl OriginFieldSink for () {
    fn sent(&mut self, _: &[u8], _: &[&[u8]], _: SentBy) {}

    fn dropped(&mut self, _: &[u8], _: &[u8], _: DroppedBy) {}
}
