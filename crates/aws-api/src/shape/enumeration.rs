//! Enumerations: the closed sets of strings in the models.

/// One value out of a closed set of strings, seen by the codecs.
pub trait Enumeration {
    /// Every value's wire form, in the model's order.
    fn values(&self) -> &'static [&'static str];

    /// Becomes the value with this wire form; there are no others.
    fn set(&mut self, wire: &str) -> Result<(), UnknownValue>;
}

/// A string that is none of an enumeration's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is not one of those that are permitted")]
pub struct UnknownValue;

/// Writes an enumeration, its wire forms and its window for the codecs.
///
/// `Default` is the first value that the model lists, so that structures can be written with
/// `..Default::default()`. Decoding never falls back on it: a required member must be there.
macro_rules! string_enum {
    ($(#[$attribute:meta])* pub enum $name:ident { $first:ident = $first_wire:literal, $($variant:ident = $wire:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            #[default]
            $first,
            $($variant,)*
        }

        impl $name {
            /// Every value, in the model's order.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant,)*];

            const WIRE: &'static [&'static str] = &[$first_wire, $($wire,)*];

            /// The value's form on the wire.
            pub const fn as_str(self) -> &'static str {
                Self::WIRE[self as usize]
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::shape::UnknownValue;

            fn from_str(wire: &str) -> Result<Self, Self::Err> {
                let index = Self::WIRE.iter().position(|known| *known == wire);
                index.map(|index| Self::ALL[index]).ok_or($crate::shape::UnknownValue)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl $crate::shape::Enumeration for $name {
            fn values(&self) -> &'static [&'static str] {
                Self::WIRE
            }

            fn set(&mut self, wire: &str) -> Result<(), $crate::shape::UnknownValue> {
                *self = wire.parse()?;
                Ok(())
            }
        }

        impl $crate::shape::Value for $name {
            fn get(&self) -> $crate::shape::Ref<'_> {
                $crate::shape::Ref::Text(self.as_str())
            }

            fn slot(&mut self) -> $crate::shape::Slot<'_> {
                $crate::shape::Slot::Enumeration(self)
            }
        }

        impl $crate::shape::MapKey for $name {
            fn as_key(&self) -> &str {
                self.as_str()
            }

            fn from_key(key: &str) -> Result<Self, $crate::shape::UnknownValue> {
                key.parse()
            }
        }
    };
}
pub(crate) use string_enum;
