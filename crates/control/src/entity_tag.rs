//! ETags: the form that a record's revision takes on the wire.

use aws_api::ApiError;
use aws_api::cloudfront::ErrorCode;
use store::Revision;

use crate::identifier::{UPPER, base36};

/// Spreads neighbouring revisions over all tags. Odd, so no two revisions share one.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The version of a resource: `E` and 13 upper-case letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// The tag of the record last written at `revision`.
    pub(crate) fn of(revision: Revision) -> Self {
        Self(format!("E{}", base36(revision.0.wrapping_mul(SPREAD).into(), UPPER)))
    }

    /// The tag that a request brings in `If-Match`.
    pub(crate) fn required(if_match: Option<&str>) -> Result<Self, ApiError> {
        let is_well_formed = |text: &&str| {
            text.len() == 14
                && text.starts_with('E')
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        if_match.filter(is_well_formed).map(|text| Self(text.to_owned())).ok_or_else(|| {
            ErrorCode::InvalidIfMatchVersion.with_message(
                "The If-Match version is missing or not valid for the resource. \
                 Send the ETag that the resource was last read with.",
            )
        })
    }

    /// Whether a resource is still at `revision`, as the sender of this tag believes.
    pub(crate) fn check(&self, revision: Revision) -> Result<(), ApiError> {
        if *self == Self::of(revision) { Ok(()) } else { Err(precondition_failed()) }
    }

    /// The tag as it stands in headers.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// The resource is no longer what the request was made for.
pub(crate) fn precondition_failed() -> ApiError {
    ErrorCode::PreconditionFailed.with_message(
        "The resource has changed since it was read, or If-Match is of another version. \
         Read it again and send the change with its present ETag.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_e_and_thirteen_characters_and_well_formed() {
        for revision in [0, 1, 2, u64::MAX] {
            let tag = EntityTag::of(Revision(revision));
            assert_eq!(EntityTag::required(Some(&tag.0)), Ok(tag.clone()), "{tag:?}");
            assert_eq!(tag.check(Revision(revision)), Ok(()));
        }
        assert_ne!(EntityTag::of(Revision(1)), EntityTag::of(Revision(2)));
    }

    #[test]
    fn what_is_no_tag_is_refused_by_name() {
        for text in
            [None, Some(""), Some("*"), Some("\"E2QWRUHAPOMQZL\""), Some("e2qwruhapomqzl"), Some("E2")]
        {
            let error = EntityTag::required(text).unwrap_err();
            assert_eq!((error.code, error.status), ("InvalidIfMatchVersion", 400), "{text:?}");
        }
    }

    #[test]
    fn another_tag_fails_the_precondition() {
        let error = EntityTag::of(Revision(1)).check(Revision(2)).unwrap_err();
        assert_eq!((error.code, error.status), ("PreconditionFailed", 412));
    }
}
