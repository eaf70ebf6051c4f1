//! The static description of a structure: its members' names, where each travels, whether it must be there.

use crate::decode_error::{DecodeError, Fault};

/// What a service model says about a structure.
#[derive(Debug)]
pub struct StructureSchema {
    /// The shape's name in the model.
    pub name: &'static str,
    /// The members, in the model's order.
    pub members: &'static [Member],
    /// Whether exactly one member may be there.
    pub is_union: bool,
}

impl StructureSchema {
    /// The index of the body member that is called `wire_name` in a document.
    pub(crate) fn body_member(&self, wire_name: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.location == Location::Body && member.wire_name == wire_name)
    }

    /// The index of the member that is the whole body, if there is one.
    pub(crate) fn payload(&self) -> Option<usize> {
        self.members.iter().position(|member| member.location == Location::Payload)
    }

    /// Checks which members a document gave: every required one, and in a union one alone.
    pub(crate) fn check_presence(&self, present: &[bool]) -> Result<(), DecodeError> {
        let body = self.members.iter().zip(present).filter(|(member, _)| member.location == Location::Body);
        if let Some((member, _)) = body.clone().find(|(member, present)| member.required && !**present) {
            return Err(DecodeError::from(Fault::Missing).inside(member.name));
        }
        if self.is_union && body.filter(|(_, present)| **present).count() != 1 {
            return Err(Fault::WrongType("one member alone").into());
        }
        Ok(())
    }

    /// Whether any member travels inside the body.
    pub(crate) fn has_body(&self) -> bool {
        self.members.iter().any(|member| member.location == Location::Body)
    }
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The member's name in the model.
    pub name: &'static str,
    /// Its name on the wire: an element, a header, a query parameter or a path label.
    pub wire_name: &'static str,
    /// Where it travels.
    pub location: Location,
    /// Whether a request or an answer without it is malformed.
    pub required: bool,
    /// For a list: the name of each item's element.
    pub item_name: &'static str,
}

/// Where a member travels in an HTTP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the document that is the body.
    Body,
    /// As the whole body.
    Payload,
    /// In a header.
    Header,
    /// In a query parameter.
    Query,
    /// In a segment of the path.
    Label,
}

impl Member {
    /// A member of the body.
    pub(crate) const fn body(name: &'static str) -> Self {
        Self { name, wire_name: name, location: Location::Body, required: false, item_name: "" }
    }

    /// The member that is the body.
    pub(crate) const fn payload(name: &'static str) -> Self {
        Self { location: Location::Payload, ..Self::body(name) }
    }

    /// A member in a header.
    pub(crate) const fn header(name: &'static str) -> Self {
        Self { location: Location::Header, ..Self::body(name) }
    }

    /// A member in a query parameter.
    pub(crate) const fn query(name: &'static str) -> Self {
        Self { location: Location::Query, ..Self::body(name) }
    }

    /// A member in the path.
    pub(crate) const fn label(name: &'static str) -> Self {
        Self { location: Location::Label, ..Self::body(name) }
    }

    /// The same member, mandatory.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same member under another name on the wire.
    pub(crate) const fn named(self, wire_name: &'static str) -> Self {
        Self { wire_name, ..self }
    }

    /// The same member, a list whose items are elements of this name.
    pub(crate) const fn of(self, item_name: &'static str) -> Self {
        Self { item_name, ..self }
    }
}
