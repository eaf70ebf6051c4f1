//! Where in a configuration a warning points.

use std::fmt;

use json_patch::jsonptr::{PointerBuf, Token};

/// A path such as `CacheBehaviors.Items[0].AllowedMethods`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    Member(&'static str),
    Item(usize),
}

impl Place {
    /// A member of the configuration itself.
    pub(crate) fn of(member: &'static str) -> Self {
        Self(vec![Step::Member(member)])
    }

    /// A member of the structure at this place.
    pub(crate) fn member(&self, name: &'static str) -> Self {
        self.with(Step::Member(name))
    }

    /// An item of the listing at this place: CloudFront's lists are `Items` beside a `Quantity`.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.with(Step::Member("Items")).with(Step::Item(index))
    }

    /// The same place as a JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self) -> PointerBuf {
        PointerBuf::from_tokens(self.0.iter().map(|step| match step {
            Step::Member(name) => Token::new(*name),
            Step::Item(index) => Token::from(*index),
        }))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().copied().chain([step]).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if index == 0 => formatter.write_str(name)?,
                Step::Member(name) => write!(formatter, ".{name}")?,
                Step::Item(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_people_write_it_and_points_as_json_does() {
        let place = Place::of("CacheBehaviors").item(2).member("CachePolicyId");
        assert_eq!(place.to_string(), "CacheBehaviors.Items[2].CachePolicyId");
        assert_eq!(place.pointer().to_string(), "/CacheBehaviors/Items/2/CachePolicyId");
    }
}
