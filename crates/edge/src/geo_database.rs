//! Where viewers are: databases of addresses in MaxMind's format, as GeoIP2, GeoLite2 and DB-IP have it.

mod mmdb;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use behavior::ViewerLocation;
use edge_config::{CloudFrontHeaders, CountryCode};

pub use mmdb::MmdbError;
use mmdb::{Mmdb, Value};

use crate::limits::{GEO_DATABASE_BYTES_MAX, GEO_DATABASE_PROBES_MAX};

/// Why a file is no database of addresses.
#[derive(Debug, thiserror::Error)]
pub enum GeoDatabaseError {
    /// It is not there, or not for us.
    #[error("the geo database {path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is absurdly large.
    #[error("the geo database {path} is larger than {GEO_DATABASE_BYTES_MAX} bytes; give a smaller one")]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// It is another file, or damaged.
    #[error("{path} is no database in MaxMind's format (.mmdb), or is damaged; download it again")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: MmdbError,
    },
    /// It is about something else.
    #[error(
        "the geo database {path} tells neither countries nor cities nor autonomous systems; give one that does"
    )]
    TellsNothing {
        /// Which file.
        path: PathBuf,
    },
}

/// The databases of an edge, read whole. Later ones tell what earlier ones do not.
#[derive(Clone, Debug, Default)]
pub struct GeoDatabase {
    databases: Vec<Arc<Mmdb>>,
    tells: CloudFrontHeaders,
}

impl GeoDatabase {
    /// Reads these files.
    pub fn open(files: &[PathBuf]) -> Result<Self, GeoDatabaseError> {
        let mut all = Self::default();
        for path in files {
            let one = Self::of(read(path)?)
                .map_err(|source| GeoDatabaseError::Malformed { path: path.clone(), source })?;
            if one.tells.is_empty() {
                return Err(GeoDatabaseError::TellsNothing { path: path.clone() });
            }
            all.tells = all.tells.union(one.tells);
            all.databases.extend(one.databases);
        }
        Ok(all)
    }

    /// One file's contents.
    pub(crate) fn of(contents: Vec<u8>) -> Result<Self, MmdbError> {
        let database = Mmdb::new(contents)?;
        Ok(Self { tells: probe(&database), databases: vec![Arc::new(database)] })
    }

    /// The headers that it can tell, of some addresses at least.
    pub fn tells(&self) -> CloudFrontHeaders {
        self.tells
    }

    /// Whether countries are known, which geo restrictions need.
    pub fn tells_countries(&self) -> bool {
        self.tells.intersects(CloudFrontHeaders::OF_COUNTRIES)
    }

    /// The country of an address.
    pub(crate) fn country(&self, address: IpAddr) -> Option<CountryCode> {
        let code = self.find(address, |record| record.member("country")?.member("iso_code")?.text());
        code.and_then(|code| CountryCode::parse(code).ok())
    }

    /// All that is known of an address.
    pub(crate) fn location(&self, address: IpAddr) -> ViewerLocation<'_> {
        let address = address.to_canonical();
        let records = self.databases.iter().filter_map(|database| database.find(address));
        records.fold(ViewerLocation::default(), |known, record| completed(known, location(&record)))
    }

    fn find<'a, T>(&'a self, address: IpAddr, look: impl Fn(Value<'a>) -> Option<T>) -> Option<T> {
        let address = address.to_canonical();
        self.databases.iter().find_map(|database| look(database.find(address)?))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GeoDatabaseError> {
    let path = path.to_owned();
    let unreadable = |source| GeoDatabaseError::Unreadable { path: path.clone(), source };
    if fs::metadata(&path).map_err(unreadable)?.len() > GEO_DATABASE_BYTES_MAX {
        return Err(GeoDatabaseError::TooLarge { path });
    }
    fs::read(&path).map_err(unreadable)
}

/// What the first records tell; the type that a database says it is of is a text that anybody chooses.
fn probe(database: &Mmdb) -> CloudFrontHeaders {
    let mut tells = CloudFrontHeaders::default();
    for record in database.records().take(GEO_DATABASE_PROBES_MAX) {
        let location = location(&record);
        if location.country.is_some() {
            tells = tells.union(CloudFrontHeaders::OF_COUNTRIES);
        }
        if location.city.is_some() || location.latitude.is_some() {
            tells = tells.union(CloudFrontHeaders::OF_CITIES);
        }
        if location.asn.is_some() {
            tells = tells.union(CloudFrontHeaders::OF_ASNS);
        }
    }
    tells
}

/// MaxMind's names of what CloudFront tells ("GeoIP2 City", dev.maxmind.com). The region is the broadest
/// subdivision, which comes first.
fn location<'a>(record: &Value<'a>) -> ViewerLocation<'a> {
    let english = |place: Option<Value<'a>>| place?.member("names")?.member("en")?.text();
    let text = |place: Option<Value<'a>>, name: &str| place?.member(name)?.text();
    let country = record.member("country");
    let region = record.member("subdivisions").and_then(Value::first);
    let position = record.member("location");
    let degrees = |name: &str| position?.member(name)?.double();
    ViewerLocation {
        asn: record.member("autonomous_system_number").and_then(Value::number),
        country: text(country, "iso_code"),
        country_name: english(country),
        region: text(region, "iso_code"),
        region_name: english(region),
        city: english(record.member("city")),
        latitude: degrees("latitude"),
        longitude: degrees("longitude"),
        metro_code: position.and_then(|position| position.member("metro_code")?.number()),
        postal_code: text(record.member("postal"), "code"),
        time_zone: text(position, "time_zone"),
    }
}

fn completed<'a>(known: ViewerLocation<'a>, more: ViewerLocation<'a>) -> ViewerLocation<'a> {
    ViewerLocation {
        asn: known.asn.or(more.asn),
        country: known.country.or(more.country),
        country_name: known.country_name.or(more.country_name),
        region: known.region.or(more.region),
        region_name: known.region_name.or(more.region_name),
        city: known.city.or(more.city),
        latitude: known.latitude.or(more.latitude),
        longitude: known.longitude.or(more.longitude),
        metro_code: known.metro_code.or(more.metro_code),
        postal_code: known.postal_code.or(more.postal_code),
        time_zone: known.time_zone.or(more.time_zone),
    }
}

#[cfg(test)]
mod tests;
