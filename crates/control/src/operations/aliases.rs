//! Alternate domain names of distributions: to move one, and to see who has which.

use aws_api::ApiError;
use aws_api::cloudfront::{
    Aliases, AssociateAliasRequest, ConflictingAlias, ConflictingAliasesList, DistributionConfig, ErrorCode,
    ListConflictingAliasesRequest, ListConflictingAliasesResult,
};
use edge_config::{AliasName, Bundle, Snapshot};

use super::distributions::{
    StoredDistribution, link_on_trial, prepare, read, read_with_tags, replace, report_deployment,
};
use crate::commit::{Change, Expectation, Integrity, Refusal};
use crate::compile::compile_distribution;
use crate::control::{Caller, Control};
use crate::errors::{invalid_argument, unavailable};
use crate::extension_tags::Extensions;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::paging::{count, max_items};
use crate::tagged::HeldTags;

/// `AssociateAlias`: the target gets the alias, and whoever has it loses it, in one transaction.
///
/// CloudFront also asks for a DNS record that proves the ownership. Here all distributions are of one
/// account; the certificate of the target must cover the alias.
pub(crate) async fn associate(
    control: &Control,
    _caller: &Caller,
    input: AssociateAliasRequest,
) -> Result<(), ApiError> {
    let alias = parse(&input.alias)?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let target = read_with_tags(control, &input.target_distribution_id).await?;
        if position(&target.0.record.config, &alias).is_some() {
            return Ok(());
        }
        let (integrity, snapshot) = control.current_snapshot().await?;
        let source = match snapshot.owner_of_name(alias.as_str()) {
            Some(id) => Some(read_with_tags(control, id).await?),
            None => None,
        };
        let (change, config) = moving(control, (source, &target), &alias, (integrity, &snapshot))?;
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(%alias, "Moved an alternate domain name");
                report_deployment(control, &target.0.id, revision, &config, &snapshot);
                return Ok(());
            }
            // Somebody changed one of the two, or took names: look again.
            Err(Refusal::Unmet(Expectation::Integrity | Expectation::Record | Expectation::Tags)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// `ListConflictingAliases`, in the order of the aliases.
pub(crate) async fn list_conflicting(
    control: &Control,
    _caller: &Caller,
    input: ListConflictingAliasesRequest,
) -> Result<ListConflictingAliasesResult, ApiError> {
    let wanted = max_items(input.max_items.map(|items| items.to_string()).as_deref())?;
    let alias = parse(&input.alias)?;
    read(control, &input.distribution_id).await?;
    let (_, snapshot) = control.current_snapshot().await?;
    let marker = input.marker.unwrap_or_default();
    let mut found = conflicting(&snapshot, &alias);
    found.retain(|(other, _)| *other > marker);
    found.sort();
    let more = found.len() > wanted;
    found.truncate(wanted);
    let next_marker = found.last().filter(|_| more).map(|(other, _)| other.clone());
    let items = found.into_iter().map(|(alias, id)| ConflictingAlias {
        alias: Some(alias),
        distribution_id: Some(mask(&id)),
        account_id: Some(mask(control.account_id())),
    });
    let list = ConflictingAliasesList {
        next_marker,
        max_items: Some(count(wanted)),
        ..ConflictingAliasesList::from_items(items.collect())
    };
    Ok(ListConflictingAliasesResult { conflicting_aliases_list: Some(list) })
}

/// A distribution and its tags.
type Tagged = (StoredDistribution, HeldTags);

/// The change that moves an alias, and what the target is then.
fn moving(
    control: &Control,
    (source, target): (Option<Tagged>, &Tagged),
    alias: &AliasName,
    (integrity, snapshot): (Integrity, &Snapshot),
) -> Result<(Change, DistributionConfig), ApiError> {
    let mut snapshot = snapshot.clone();
    let mut given_up = None;
    if let Some(source) = &source {
        let (stored, held) = source;
        let config = without(&stored.record.config, alias);
        let extensions = Extensions::of(&held.tags)?;
        let bundle = compile_distribution(&config, &stored.record.domain_name, &extensions)?;
        snapshot = link_on_trial(&snapshot, &stored.id, &bundle)?;
        given_up = Some((source, config, bundle));
    }
    let (stored, held) = target;
    let config = with(&stored.record.config, alias);
    let (extensions, names) = (Extensions::of(&held.tags)?, (stored.id.as_str(), &stored.record.domain_name));
    let bundle = prepare(control, &config, &extensions, &snapshot, names, true)
        .map_err(|error| of_associate_alias(&error))?;
    let change =
        replace_all(control, given_up.into_iter().chain([(target, config.clone(), bundle)]), integrity)?;
    Ok((change, config))
}

/// One change that gives several distributions a new configuration each.
fn replace_all<'a>(
    control: &Control,
    replaced: impl Iterator<Item = (&'a Tagged, DistributionConfig, Bundle)>,
    integrity: Integrity,
) -> Result<Change, ApiError> {
    replaced.into_iter().try_fold(Change::default(), |change, ((present, held), config, bundle)| {
        Ok(change.and(replace(control, (present, held), config, &bundle, integrity)?))
    })
}

/// The operation's own errors are few: what else is wrong with the target makes the update illegal.
fn of_associate_alias(error: &ApiError) -> ApiError {
    let is_own = ["InvalidArgument", "TooManyDistributionCNAMEs"].contains(&error.code);
    let is_ours = error.status >= 500;
    if is_own || is_ours {
        return error.clone();
    }
    ErrorCode::IllegalUpdate.with_message(error.message.clone())
}

fn parse(alias: &str) -> Result<AliasName, ApiError> {
    AliasName::parse(alias)
        .map_err(|error| invalid_argument(format!("The Alias {alias:?} cannot be used: {error}.")))
}

fn position(config: &DistributionConfig, alias: &AliasName) -> Option<usize> {
    let texts = config.aliases.as_ref().map(Aliases::items).unwrap_or_default();
    texts.iter().position(|text| AliasName::parse(text).is_ok_and(|parsed| parsed == *alias))
}

fn with(config: &DistributionConfig, alias: &AliasName) -> DistributionConfig {
    let mut config = config.clone();
    let mut aliases = config.aliases.take().unwrap_or_default().items.unwrap_or_default();
    aliases.push(alias.as_str().to_owned());
    config.aliases = Some(Aliases::from_items(aliases));
    config
}

fn without(config: &DistributionConfig, alias: &AliasName) -> DistributionConfig {
    let mut config = config.clone();
    if let Some(place) = position(&config, alias) {
        let mut aliases = config.aliases.take().unwrap_or_default().items.unwrap_or_default();
        aliases.remove(place);
        config.aliases = Some(Aliases::from_items(aliases));
    }
    config
}

/// The aliases of all distributions that some host could match together with this one, each with its
/// distribution's id.
fn conflicting(snapshot: &Snapshot, alias: &AliasName) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (resource, _, bundle) in snapshot.resources() {
        let Bundle::Distribution(distribution) = &**bundle else { continue };
        let aliases = distribution.aliases.iter().filter(|other| overlap(alias.as_str(), other.as_str()));
        found.extend(aliases.map(|other| (other.as_str().to_owned(), resource.id.to_string())));
    }
    found
}

fn overlap(left: &str, right: &str) -> bool {
    left == right || covers(left, right) || covers(right, left)
}

/// `*.example.com` covers `www.example.com` and `a.b.example.com` ("Use custom URLs by adding
/// alternate domain names").
fn covers(wildcard: &str, name: &str) -> bool {
    wildcard.strip_prefix('*').is_some_and(|suffix| name.ends_with(suffix) && name.len() > suffix.len())
}

/// The first half hidden, as the Developer Guide's example shows it: who owns it knows the rest
/// ("Move an alternate domain name", Find the source distribution).
fn mask(text: &str) -> String {
    let hidden = text.chars().count() / 2;
    text.chars().enumerate().map(|(place, character)| if place < hidden { '*' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::test_support::{TestControl, distribution_config};

    type Realias = fn(&DistributionConfig, &AliasName) -> DistributionConfig;

    impl TestControl {
        /// Gives and takes aliases in one transaction, whatever certificates there are.
        async fn realias(&self, changes: &[(&str, Realias)], alias: &str) {
            let alias = AliasName::parse(alias).unwrap();
            let mut present = Vec::new();
            for (id, change) in changes {
                let stored = read_with_tags(&self.control, id).await.unwrap();
                let config = change(&stored.0.record.config, &alias);
                let domain_name = &stored.0.record.domain_name;
                let bundle = compile_distribution(&config, domain_name, &Extensions::default()).unwrap();
                present.push((stored, config, bundle));
            }
            let replaced =
                present.iter().map(|(stored, config, bundle)| (stored, config.clone(), bundle.clone()));
            let integrity = self.control.integrity().await.unwrap();
            let change = replace_all(&self.control, replaced, integrity).unwrap();
            self.control.commit(change).await.unwrap();
            self.apply().await;
        }

        async fn aliases(&self, id: &str) -> Vec<String> {
            self.distribution(id).await.distribution_config.aliases.unwrap_or_default().items().to_vec()
        }

        fn owner(&self, alias: &str) -> Option<String> {
            self.control.snapshots().borrow().owner_of_name(alias).map(str::to_owned)
        }

        async fn conflicts(&self, id: &str, alias: &str, marker: Option<String>) -> ConflictingAliasesList {
            let input = ListConflictingAliasesRequest {
                distribution_id: id.to_owned(),
                alias: alias.to_owned(),
                marker,
                max_items: Some(2),
            };
            let listed = list_conflicting(&self.control, &self.caller, input).await.unwrap();
            listed.conflicting_aliases_list.unwrap()
        }
    }

    #[tokio::test]
    async fn an_alias_moves_in_one_transaction() {
        let test = TestControl::new().await;
        let source = test.create_distribution(distribution_config("source")).await;
        let target = test.create_distribution(distribution_config("target")).await;
        test.realias(&[(&source, with)], "api.example.com").await;
        test.realias(&[(&source, with)], "www.example.com").await;
        assert_eq!(test.owner("api.example.com"), Some(source.clone()));
        test.realias(&[(&source, without), (&target, with)], "api.example.com").await;
        assert_eq!(test.owner("api.example.com"), Some(target.clone()));
        assert_eq!(test.owner("www.example.com"), Some(source.clone()));
        assert_eq!(test.aliases(&source).await, ["www.example.com"]);
        assert_eq!(test.aliases(&target).await, ["api.example.com"]);
        let input = AssociateAliasRequest {
            target_distribution_id: target.clone(),
            alias: "API.example.com".to_owned(),
        };
        associate(&test.control, &test.caller, input).await.unwrap();
        assert_eq!(test.aliases(&target).await, ["api.example.com"]);
    }

    #[tokio::test]
    async fn conflicting_aliases_come_in_pages_with_half_of_their_ids() {
        let test = TestControl::new().await;
        let id = test.create_distribution(distribution_config("a")).await;
        for alias in ["*.example.com", "a.example.com", "b.example.com", "b.example.org"] {
            test.realias(&[(&id, with)], alias).await;
        }
        let first = test.conflicts(&id, "*.example.com", None).await;
        let second = test.conflicts(&id, "*.example.com", first.next_marker.clone()).await;
        assert_eq!((first.quantity, second.quantity, second.next_marker.clone()), (Some(2), Some(1), None));
        let all: Vec<&str> =
            first.items().iter().chain(second.items()).filter_map(|item| item.alias.as_deref()).collect();
        assert_eq!(all, ["*.example.com", "a.example.com", "b.example.com"]);
        let shown = &first.items()[0];
        assert_eq!(shown.distribution_id, Some(format!("*******{}", &id[7..])));
        assert_eq!(shown.account_id.as_deref(), Some("******000000"));
    }

    fn check(left: &str, right: &str, expect: bool) {
        assert_eq!(overlap(left, right), expect, "{left} {right}");
        assert_eq!(overlap(right, left), expect, "{right} {left}");
    }

    #[test]
    fn aliases_overlap_where_a_host_could_match_both() {
        check("www.example.com", "www.example.com", true);
        check("www.example.com", "*.example.com", true);
        check("a.b.example.com", "*.example.com", true);
        check("*.b.example.com", "*.example.com", true);
        check("example.com", "*.example.com", false);
        check("www.example.com", "api.example.com", false);
        check("www.badexample.com", "*.example.com", false);
    }

    #[test]
    fn half_of_an_id_is_hidden() {
        assert_eq!(mask("E1234567890ABC"), "*******7890ABC");
        assert_eq!(mask("111122223333"), "******223333");
    }
}
