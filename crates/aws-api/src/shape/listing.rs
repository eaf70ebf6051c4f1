//! The shapes that wrap a list together with its quantity.

/// Writes `from_items` and `items` for a structure with `quantity` and `items`.
macro_rules! listing {
    ($name:ident: optional $item:ty) => {
        impl $name {
            /// The items with their quantity; every other member is at its default.
            #[allow(clippy::needless_update, reason = "most listings have no other member")]
            pub fn from_items(items: Vec<$item>) -> Self {
                let quantity = i32::try_from(items.len()).unwrap_or(i32::MAX);
                Self {
                    quantity: quantity.into(),
                    items: (!items.is_empty()).then_some(items),
                    ..Self::default()
                }
            }

            /// The items; none is the same as an empty list.
            pub fn items(&self) -> &[$item] {
                self.items.as_deref().unwrap_or_default()
            }
        }
    };
    ($name:ident: required $item:ty) => {
        impl $name {
            /// The items with their quantity; every other member is at its default.
            #[allow(clippy::needless_update, reason = "most listings have no other member")]
            pub fn from_items(items: Vec<$item>) -> Self {
                Self { quantity: i32::try_from(items.len()).unwrap_or(i32::MAX), items, ..Self::default() }
            }

            /// The items.
            pub fn items(&self) -> &[$item] {
                &self.items
            }
        }
    };
}
pub(crate) use listing;
