//! The trait of generated structures and the macro that writes one.

use super::{StructureSchema, Value};

/// A structure of a service model.
pub trait Structure {
    /// The structure's static description.
    fn schema(&self) -> &'static StructureSchema;

    /// The members, in the schema's order.
    fn members(&self) -> Vec<&dyn Value>;

    /// The members, in the schema's order, to be filled.
    fn members_mut(&mut self) -> Vec<&mut dyn Value>;
}

/// The structure of an operation that takes or returns nothing.
impl Structure for () {
    fn schema(&self) -> &'static StructureSchema {
        static SCHEMA: StructureSchema = StructureSchema { name: "Unit", members: &[], is_union: false };
        &SCHEMA
    }

    fn members(&self) -> Vec<&dyn Value> {
        Vec::new()
    }

    fn members_mut(&mut self) -> Vec<&mut dyn Value> {
        Vec::new()
    }
}

/// Writes a structure, its schema and its window for the codecs. A union is a structure whose members exclude
/// each other.
macro_rules! structure {
    ($(#[$attribute:meta])* pub struct $name:ident { $($members:tt)* }) => {
        $crate::shape::structure! { false $(#[$attribute])* pub struct $name { $($members)* } }
    };
    (union pub struct $name:ident { $($members:tt)* }) => {
        $crate::shape::structure! { true pub struct $name { $($members)* } }
    };
    ($is_union:literal $(#[$attribute:meta])* pub struct $name:ident { $(pub $field:ident: $type:ty = $member:expr,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl $crate::shape::Structure for $name {
            fn schema(&self) -> &'static $crate::shape::StructureSchema {
                static SCHEMA: $crate::shape::StructureSchema = $crate::shape::StructureSchema {
                    name: stringify!($name),
                    members: &[$($member),*],
                    is_union: $is_union,
                };
                &SCHEMA
            }

            fn members(&self) -> Vec<&dyn $crate::shape::Value> {
                vec![$(&self.$field),*]
            }

            fn members_mut(&mut self) -> Vec<&mut dyn $crate::shape::Value> {
                vec![$(&mut self.$field),*]
            }
        }

        impl $crate::shape::Value for $name {
            fn get(&self) -> $crate::shape::Ref<'_> {
                $crate::shape::Ref::Structure(self)
            }

            fn slot(&mut self) -> $crate::shape::Slot<'_> {
                $crate::shape::Slot::Structure(self)
            }
        }
    };
}
pub(crate) use structure;
