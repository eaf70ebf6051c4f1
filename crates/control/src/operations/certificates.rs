//! Certificates of ACM. Those that ACM would issue by itself (`RequestCertificate`) do not exist here.

use std::time::SystemTime;

use aws_api::ApiError;
use aws_api::acm::{
    CertificateDetail, CertificateExport, CertificateKeyPairOrigin, CertificateOptions, CertificateStatus,
    CertificateSummary, CertificateTransparencyLoggingPreference, CertificateType, DeleteCertificateRequest,
    DescribeCertificateRequest, DescribeCertificateResponse, ErrorCode, Filters, GetCertificateRequest,
    GetCertificateResponse, ImportCertificateRequest, ImportCertificateResponse, KeyAlgorithm, KeyUsage,
    ListCertificatesRequest, ListCertificatesResponse, RenewalEligibility, SortOrder,
};
use aws_api::shape::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_config::{Bundle, Certificate, SealedPrivateKey, Snapshot};
use store::{Condition, Range};

use super::certificate_tags::{encode_new_tags, validate_certificate_tags};
use crate::certificates::{
    CertificateRecord, ImportedCertificate, StoredCertificate, certificate_arn, certificate_key,
    certificate_resource, invalid, new_certificate_id, read_certificate, refuse_unlike, to_pem,
};
use crate::commit::{Change, Expectation, Integrity, Refusal, storage};
use crate::control::{Caller, Control};
use crate::errors::{internal, unavailable};
use crate::identifier::distribution_arn;
use crate::kind::Kind;
use crate::limits::{CERTIFICATES_PAGE_MAX, COMMIT_ATTEMPTS_MAX, LISTED_NAMES_MAX};
use crate::records::tags_key;
use crate::reference::{Reference, any_user_of, users_of};

/// `ImportCertificate`: a new one, or a renewed one under the ARN of the one before.
pub(crate) async fn import(
    control: &Control,
    _caller: &Caller,
    mut input: ImportCertificateRequest,
) -> Result<ImportCertificateResponse, ApiError> {
    let imported = ImportedCertificate::of(&mut input, now())?;
    let arn = match input.certificate_arn {
        Some(arn) => {
            if input.tags.is_some() {
                return Err(invalid(
                    "Tags cannot be given when a certificate is imported again. Leave them out, and use \
                     AddTagsToCertificate.",
                ));
            }
            import_again(control, &arn, &imported).await?;
            arn
        }
        None => import_new(control, &imported, &input.tags.unwrap_or_default()).await?,
    };
    Ok(ImportCertificateResponse { certificate_arn: Some(arn) })
}

/// `DescribeCertificate`
pub(crate) async fn describe(
    control: &Control,
    _caller: &Caller,
    input: DescribeCertificateRequest,
) -> Result<DescribeCertificateResponse, ApiError> {
    let stored = read_certificate(control, &input.certificate_arn).await?;
    let in_use_by = distributions_with(control, &stored.id).await?;
    let StoredCertificate { record, facts, .. } = &stored;
    let certificate = CertificateDetail {
        certificate_arn: Some(stored.arn(control)),
        domain_name: Some(facts.domain_name().to_owned()),
        subject_alternative_names: Some(facts.names.clone()),
        serial: Some(facts.serial.clone()),
        subject: Some(facts.subject.clone()),
        issuer: Some(facts.issuer.clone()),
        created_at: Some(record.created_time),
        imported_at: Some(record.imported_time),
        status: Some(status(&stored)),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        key_algorithm: facts.key_algorithm,
        signature_algorithm: Some(facts.signature_algorithm.clone()),
        in_use_by: Some(in_use_by),
        r#type: Some(CertificateType::Imported),
        key_usages: Some(facts.key_usages.iter().map(|&name| KeyUsage { name: Some(name) }).collect()),
        extended_key_usages: Some(facts.extended_key_usages.clone()),
        renewal_eligibility: Some(RenewalEligibility::Ineligible),
        options: Some(CertificateOptions {
            certificate_transparency_logging_preference: Some(
                CertificateTransparencyLoggingPreference::Disabled,
            ),
            export: Some(CertificateExport::Disabled),
            validation_method: None,
        }),
        certificate_key_pair_origin: Some(CertificateKeyPairOrigin::CustomerProvided),
        ..CertificateDetail::default()
    };
    Ok(DescribeCertificateResponse { certificate: Some(certificate) })
}

/// `GetCertificate`: there is no way to get the private key back.
pub(crate) async fn get(
    control: &Control,
    _caller: &Caller,
    input: GetCertificateRequest,
) -> Result<GetCertificateResponse, ApiError> {
    let stored = read_certificate(control, &input.certificate_arn).await?;
    let mut pems = stored.record.chain.iter().map(|der| to_pem(der.as_slice()));
    let certificate = pems.next();
    let chain: String = pems.collect();
    Ok(GetCertificateResponse { certificate, certificate_chain: (!chain.is_empty()).then_some(chain) })
}

/// `DeleteCertificate`
pub(crate) async fn delete(
    control: &Control,
    _caller: &Caller,
    input: DeleteCertificateRequest,
) -> Result<(), ApiError> {
    let arn = &input.certificate_arn;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let integrity = control.integrity().await?;
        let present = read_certificate(control, arn).await?;
        if let Some(user) = any_user_of(control, &reference(&present.id)).await? {
            return Err(ErrorCode::ResourceInUseException.with_message(format!(
                "Certificate {arn} is in use: the {user} refers to it. Give that another certificate first."
            )));
        }
        match control.commit(deletion(control.account_id(), &present, integrity)).await {
            Ok(revision) => {
                tracing::info!(certificate = present.id, %revision, "Deleted a certificate");
                return Ok(());
            }
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// `ListCertificates`: in the order of their ids, or of when they were made.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListCertificatesRequest,
) -> Result<ListCertificatesResponse, ApiError> {
    let wanted = page_length(input.max_items)?;
    if input.sort_by.is_some() != input.sort_order.is_some() {
        return Err(ErrorCode::InvalidArgsException
            .with_message("SortBy and SortOrder belong together. Give both, or none."));
    }
    let after = input.next_token.as_deref().map(Place::of_token).transpose()?;
    let (certificates, more) = match input.sort_order {
        None => {
            let after = after.map(|place| place.id).unwrap_or_default();
            matching(control, &input, &after, Some(wanted)).await?
        }
        Some(order) => {
            let (all, _) = matching(control, &input, "", None).await?;
            sorted_page(all, order, after.as_ref(), wanted)
        }
    };
    let next_token = certificates.last().filter(|_| more).map(|last| Place::of(last).token());
    let snapshot = control.snapshots().borrow().clone();
    let summaries = certificates.iter().map(|certificate| summary(control, &snapshot, certificate)).collect();
    Ok(ListCertificatesResponse { next_token, certificate_summary_list: Some(summaries) })
}

async fn import_new(
    control: &Control,
    imported: &ImportedCertificate,
    tags: &[aws_api::acm::Tag],
) -> Result<String, ApiError> {
    validate_certificate_tags(tags, &control.settings().quotas)?;
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let (integrity, snapshot) = control.current_snapshot().await?;
        refuse_beyond_quota(control, &snapshot)?;
        let id = new_certificate_id();
        let time = now();
        let mut change = Change::default().expect(
            Expectation::Record,
            certificate_key(account_id, &id),
            Condition::Absent,
        );
        if !tags.is_empty() {
            change = change.put(tags_key(account_id, Kind::Certificate, &id), encode_new_tags(tags)?);
        }
        let change = put_certificate(control, change, &id, imported, time, time)?
            .expect_integrity(account_id, integrity)
            .bump_integrity(account_id);
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(certificate = id, %revision, "Imported a certificate");
                return Ok(certificate_arn(account_id, &id));
            }
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

async fn import_again(control: &Control, arn: &str, imported: &ImportedCertificate) -> Result<(), ApiError> {
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let (integrity, snapshot) = control.current_snapshot().await?;
        let present = read_certificate(control, arn).await?;
        refuse_unlike(&present.facts, &imported.facts)?;
        refuse_uncovered_names(&snapshot, &present.id, imported)?;
        let change = Change::default().expect(
            Expectation::Record,
            certificate_key(account_id, &present.id),
            Condition::AtRevision(present.revision),
        );
        let change =
            put_certificate(control, change, &present.id, imported, present.record.created_time, now())?
                .expect_integrity(account_id, integrity)
                .bump_integrity(account_id);
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(certificate = present.id, %revision, "Imported a certificate again");
                return Ok(());
            }
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// The record, and what edges get.
fn put_certificate(
    control: &Control,
    change: Change,
    id: &str,
    imported: &ImportedCertificate,
    created_time: Timestamp,
    imported_time: Timestamp,
) -> Result<Change, ApiError> {
    let account_id = control.account_id();
    let sealed = control.settings().private_keys.seal(id, &imported.private_key);
    let sealed = sealed.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = &*error;
        internal(error)
    })?;
    let bundle = Bundle::Certificate(Certificate {
        chain: imported.chain.clone(),
        sealed_private_key: SealedPrivateKey::new(&sealed),
    });
    let record = CertificateRecord { created_time, imported_time, chain: imported.chain.clone() };
    Ok(change
        .put(certificate_key(account_id, id), record.encode().map_err(|error| internal(&error))?)
        .write(feed::put_bundle(account_id, &certificate_resource(id), &bundle)))
}

fn deletion(account_id: &str, present: &StoredCertificate, integrity: Integrity) -> Change {
    let id = &present.id;
    let key = certificate_key(account_id, id);
    Change::default()
        .expect(Expectation::Record, key.clone(), Condition::AtRevision(present.revision))
        .delete(key)
        .delete(tags_key(account_id, Kind::Certificate, id))
        .write(feed::delete_bundle(account_id, &certificate_resource(id)))
        .expect_integrity(account_id, integrity)
        .bump_integrity(account_id)
}

fn refuse_beyond_quota(control: &Control, snapshot: &Snapshot) -> Result<(), ApiError> {
    let quota = control.settings().quotas.certificates;
    if snapshot.certificates().count() < quota {
        return Ok(());
    }
    Err(ErrorCode::LimitExceededException.with_message(format!(
        "There are {quota} certificates already, the most that this account may have. Delete one, or raise \
         the quota certificates."
    )))
}

/// ACM leaves it to the viewers to find out; a name without a certificate is an outage.
fn refuse_uncovered_names(
    snapshot: &Snapshot,
    id: &str,
    imported: &ImportedCertificate,
) -> Result<(), ApiError> {
    for user in snapshot.referrers(&certificate_resource(id)) {
        let resource = edge_config::ResourceId::new(edge_config::ResourceKind::Distribution, user);
        let Some((_, bundle)) = snapshot.resource(&resource) else { continue };
        let Bundle::Distribution(distribution) = &**bundle else { continue };
        if let Some(alias) = distribution.aliases.iter().find(|alias| !imported.facts.covers(alias)) {
            return Err(invalid(format!(
                "The distribution {user} uses the certificate for {alias}, which the one that is imported \
                 does not cover. Have it issued for that name too, or remove the alias there first."
            )));
        }
    }
    Ok(())
}

async fn distributions_with(control: &Control, id: &str) -> Result<Vec<String>, ApiError> {
    let mut users: Vec<String> = Vec::new();
    loop {
        let after = users.last().map(String::as_str).unwrap_or_default();
        let (page, more) =
            users_of(control, &reference(id), Kind::Distribution, after, store::PAGE_RECORDS_MAX).await?;
        users.extend(page);
        if !more {
            break;
        }
    }
    Ok(users.iter().map(|user| distribution_arn(control.account_id(), user)).collect())
}

pub(super) fn reference(id: &str) -> Reference {
    Reference::new(Kind::Certificate, id)
}

/// The certificates after an id that a list asks for, up to a number, and whether there are more.
async fn matching(
    control: &Control,
    input: &ListCertificatesRequest,
    after_id: &str,
    limit: Option<usize>,
) -> Result<(Vec<StoredCertificate>, bool), ApiError> {
    let account_id = control.account_id();
    let mut found = Vec::new();
    let mut range = Range::of_account(account_id, Kind::Certificate.as_str())
        .after(certificate_key(account_id, after_id));
    loop {
        let page = control.store().range(range.clone()).await.map_err(storage)?;
        for record in &page.records {
            let certificate = StoredCertificate::decode(record)?;
            if !is_wanted(input, &certificate) {
                continue;
            }
            if limit.is_some_and(|limit| found.len() == limit) {
                return Ok((found, true));
            }
            found.push(certificate);
        }
        match page.records.into_iter().next_back() {
            Some(last) if page.more => range = range.after(last.key),
            _ => return Ok((found, false)),
        }
    }
}

fn is_wanted(input: &ListCertificatesRequest, certificate: &StoredCertificate) -> bool {
    let statuses = input.certificate_statuses.as_deref();
    let origins = input.certificate_key_pair_origins.as_deref();
    let filters = input.includes.as_ref();
    statuses.is_none_or(|statuses| statuses.contains(&status(certificate)))
        && origins.is_none_or(|origins| origins.contains(&CertificateKeyPairOrigin::CustomerProvided))
        && matches_filters(filters.unwrap_or(&Filters::default()), certificate)
}

/// API reference of ACM, `Filters`: without `keyTypes` there are RSA certificates of 1024 and 2048 bits
/// alone. That a certificate must have one of several usages, and not all, is not documented.
fn matches_filters(filters: &Filters, certificate: &StoredCertificate) -> bool {
    let facts = &certificate.facts;
    let key_types = filters.key_types.as_deref().unwrap_or(&[KeyAlgorithm::Rsa1024, KeyAlgorithm::Rsa2048]);
    facts.key_algorithm.is_some_and(|algorithm| key_types.contains(&algorithm))
        && filters
            .key_usage
            .as_ref()
            .is_none_or(|usages| usages.iter().any(|usage| facts.key_usages.contains(usage)))
        && filters.extended_key_usage.as_ref().is_none_or(|usages| {
            facts
                .extended_key_usages
                .iter()
                .any(|usage| usage.name.is_some_and(|name| usages.contains(&name)))
        })
        && filters.export_option.is_none_or(|option| option == CertificateExport::Disabled)
        && filters.managed_by.is_none()
}

/// Where a page ends, so that the next one can go on: the token does not depend on what exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created_milliseconds: i64,
    id: String,
}

impl Place {
    fn of(certificate: &StoredCertificate) -> Self {
        Self {
            created_milliseconds: certificate.record.created_time.unix_milliseconds(),
            id: certificate.id.clone(),
        }
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}", self.created_milliseconds, self.id))
    }

    fn of_token(token: &str) -> Result<Self, ApiError> {
        let place = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let place = place.as_deref().and_then(|text| text.split_once('/')).and_then(|(created, id)| {
            let is_id = !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic());
            is_id.then_some(())?;
            Some(Self { created_milliseconds: created.parse().ok()?, id: id.to_owned() })
        });
        place.ok_or_else(|| {
            ErrorCode::InvalidArgsException
                .with_message("NextToken is not one of ours. Give the one of the page before, unchanged.")
        })
    }
}

fn sorted_page(
    mut certificates: Vec<StoredCertificate>,
    order: SortOrder,
    after: Option<&Place>,
    limit: usize,
) -> (Vec<StoredCertificate>, bool) {
    let is_ascending = order == SortOrder::Ascending;
    certificates.sort_by_key(Place::of);
    if !is_ascending {
        certificates.reverse();
    }
    certificates.retain(|certificate| {
        let place = Place::of(certificate);
        after.is_none_or(|after| if is_ascending { place > *after } else { place < *after })
    });
    let more = certificates.len() > limit;
    certificates.truncate(limit);
    (certificates, more)
}

fn page_length(max_items: Option<i32>) -> Result<usize, ApiError> {
    let Some(wanted) = max_items else { return Ok(CERTIFICATES_PAGE_MAX) };
    let wanted = usize::try_from(wanted).ok().filter(|wanted| (1..=CERTIFICATES_PAGE_MAX).contains(wanted));
    wanted.ok_or_else(|| invalid(format!("MaxItems must be a number from 1 to {CERTIFICATES_PAGE_MAX}.")))
}

fn summary(control: &Control, snapshot: &Snapshot, stored: &StoredCertificate) -> CertificateSummary {
    let StoredCertificate { id, record, facts, .. } = stored;
    let is_in_use = snapshot.referrers(&certificate_resource(id)).next().is_some();
    CertificateSummary {
        certificate_arn: Some(stored.arn(control)),
        domain_name: Some(facts.domain_name().to_owned()),
        subject_alternative_name_summaries: Some(
            facts.names.iter().take(LISTED_NAMES_MAX).cloned().collect(),
        ),
        has_additional_subject_alternative_names: Some(facts.names.len() > LISTED_NAMES_MAX),
        status: Some(status(stored)),
        r#type: Some(CertificateType::Imported),
        key_algorithm: facts.key_algorithm,
        key_usages: Some(facts.key_usages.clone()),
        extended_key_usages: Some(facts.extended_key_usages.iter().filter_map(|usage| usage.name).collect()),
        export_option: Some(CertificateExport::Disabled),
        in_use: Some(is_in_use),
        exported: Some(false),
        renewal_eligibility: Some(RenewalEligibility::Ineligible),
        not_before: Some(facts.not_before),
        not_after: Some(facts.not_after),
        created_at: Some(record.created_time),
        imported_at: Some(record.imported_time),
        certificate_key_pair_origin: Some(CertificateKeyPairOrigin::CustomerProvided),
        ..CertificateSummary::default()
    }
}

fn status(certificate: &StoredCertificate) -> CertificateStatus {
    if certificate.facts.is_expired(now()) { CertificateStatus::Expired } else { CertificateStatus::Issued }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
