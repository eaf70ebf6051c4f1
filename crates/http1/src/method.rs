//! Request methods.

/// The methods that CloudFront can ever forward, and everything else.
///
/// CloudFront Developer Guide, "Cache behavior settings": allowed HTTP methods. An unknown method is no error of the
/// wire; the edge answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// Any other token; [`crate::RequestView::method_name`] has it.
    #[default]
    Other,
}

impl Method {
    /// The method of this name. Method names are case-sensitive (RFC 9110 §9.1).
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"DELETE" => Self::Delete,
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            _ => Self::Other,
        }
    }
}
