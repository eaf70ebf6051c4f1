//! Fills any structure with values that differ from run to run only by their seed.

use crate::shape::{List, Location, Map, Slot, Structure, Timestamp, Value};

/// A small generator of numbers (SplitMix64): a test needs variety and repetition, not secrecy.
pub(super) struct Random {
    state: u64,
    /// How many values may still be made; afterwards optional members stay absent, so recursive shapes end.
    budget: u32,
    /// How many values are around the one that is being made.
    depth: u32,
}

/// Values in one filled structure, about.
const VALUES: u32 = 1500;

/// Below this depth optional members stay absent too.
const DEPTH: u32 = 16;

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, budget: VALUES, depth: 0 }
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn fill(&mut self, structure: &mut dyn Structure) {
        self.structure(structure);
    }

    fn structure(&mut self, structure: &mut dyn Structure) {
        let schema = structure.schema();
        let chosen = self.below(schema.members.len().max(1) as u64);
        for ((index, member), place) in (0..).zip(schema.members).zip(structure.members_mut()) {
            if schema.is_union {
                if index == chosen {
                    self.value(place, member.location);
                }
            } else if member.required || (self.may_grow() && self.below(10) < 7) {
                self.value(place, member.location);
            }
        }
    }

    fn value(&mut self, place: &mut dyn Value, location: Location) {
        self.budget = self.budget.saturating_sub(1);
        self.depth += 1;
        match place.slot() {
            Slot::Text(place) => *place = self.text(location),
            Slot::Boolean(place) => *place = self.below(2) == 1,
            Slot::Integer(place) => *place = i32::try_from(self.below(1 << 31)).unwrap(),
            Slot::Long(place) => *place = i64::try_from(self.below(1 << 60)).unwrap() - (1 << 59),
            Slot::Double(place) => *place = f64::from(u32::try_from(self.below(1 << 20)).unwrap()) / 1024.0,
            Slot::Blob(place) => {
                place.extend((0..=self.below(40)).map(|byte| byte.to_le_bytes()[0].wrapping_mul(7)));
            }
            Slot::Timestamp(place) => {
                let milliseconds = i64::try_from(self.below(4_000_000_000_000)).unwrap();
                *place = Timestamp::from_unix_milliseconds(milliseconds).unwrap();
            }
            Slot::Enumeration(place) => {
                let values = place.values();
                place.set(values[usize::try_from(self.below(values.len() as u64)).unwrap()]).unwrap();
            }
            Slot::Structure(structure) => self.structure(structure),
            Slot::List(list) => self.list(list),
            Slot::Map(map) => self.map(map),
        }
        self.depth -= 1;
    }

    fn may_grow(&self) -> bool {
        self.budget > 0 && self.depth < DEPTH
    }

    fn list(&mut self, list: &mut dyn List) {
        for _ in 0..=self.below(3) {
            if self.may_grow() {
                self.value(list.push_default(), Location::Body);
            }
        }
    }

    fn map(&mut self, map: &mut dyn Map) {
        for _ in 0..=self.below(3) {
            let key = self.text(Location::Header);
            // A map from an enumeration takes no other key than its values; one of them is enough here.
            for key in [key.as_str(), "API_GATEWAY"] {
                if let Ok(place) = map.insert_default(key) {
                    self.value(place, Location::Body);
                }
            }
        }
    }

    /// Text with everything that its place permits and codecs get wrong.
    fn text(&mut self, location: Location) -> String {
        let pieces: &[&str] = match location {
            Location::Body | Location::Payload => &[
                "a", "<b>", "&amp;", "&", "\"'", "\r\n", "\n", "\r", "\t", " ", "]]>", "ü", "𝄞", "\\", "{",
                "\u{7f}",
            ],
            Location::Header => &["a", "E1", "*", "/", ":", "é"],
            Location::Query | Location::Label => {
                &["a", "/", "%", "%2f", "+", " ", "&", "=", "ü", "?", "#", ".."]
            }
        };
        let length = self.below(6) + u64::from(!matches!(location, Location::Body));
        (0..length).map(|_| pieces[usize::try_from(self.below(pieces.len() as u64)).unwrap()]).collect()
    }
}
